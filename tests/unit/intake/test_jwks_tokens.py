"""What a worker's token is worth where the cluster's published keys alone tell: as a TokenReview would say, line by line."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from landfall.intake.jwks_tokens import PublishedKeys
from landfall.intake.token_review import POD, POD_UID, Holder
from landfall.kube.errors import ForbiddenError, KubeError
from landfall.manifests.parts import AUDIENCE

Object = dict[str, Any]
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_RSA, _OTHER, _EC = (
    rsa.generate_private_key(65537, 2048),
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
)
_HOLDER = Holder("system:serviceaccount:shop:default", {POD: ["p"], POD_UID: ["1"]})


def _published(kid: str, key: Any) -> Object:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    name = "RS256" if algorithm is RSAAlgorithm else "ES256"
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "alg": name, "use": "sig"}


class Cluster:
    """Publishes keys, and has one pod in one namespace."""

    def __init__(self) -> None:
        self.keys = [_published("one", _RSA), _published("two", _EC)]
        self.asked = 0
        self.away = False

    async def published(self, path: str) -> Object:
        """The issuer, or the keys."""
        if self.away:
            raise KubeError(0, "away")
        self.asked += path.endswith("jwks")
        return {"keys": self.keys} if path.endswith("jwks") else {"issuer": _ISSUER}

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The pod."""
        if namespace != "shop":
            raise ForbiddenError(403, "not yours")
        return {"metadata": {"uid": "1"}} if (kind, name) == ("Pod", "p") else None


def _claims(*, namespace: str = "shop", pod: Object | None = None, **more: Any) -> Object:
    now = int(time.time())
    bound = {"name": "p", "uid": "1"} if pod is None else pod
    inner = {"namespace": namespace, "serviceaccount": {"name": "default", "uid": "9"}, **({"pod": bound} if bound else {})}
    base_claims = {"iss": _ISSUER, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600}
    return {**base_claims, "sub": f"system:serviceaccount:{namespace}:default", "kubernetes.io": inner, **more}


def _signed(claims: Object, key: Any = _RSA, algorithm: str = "RS256", kid: str = "one") -> str:
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm, headers={"kid": kid})


def _told(token: str, cluster: Cluster | None = None) -> Holder | None:
    return asyncio.run(PublishedKeys(cluster or Cluster()).holder(token))


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(_RSA, "RS256", "one"), (_EC, "ES256", "two")])
def test_a_token_of_a_pod_that_is_there(key: Any, algorithm: str, kid: str) -> None:
    assert _told(_signed(_claims(), key, algorithm, kid)) == _HOLDER


@pytest.mark.parametrize(
    "token",
    [
        "",
        "no.token.at-all",
        _signed(_claims(aud=["https://kubernetes.default.svc"])),
        _signed(_claims(aud=None)),
        _signed(_claims(iss="https://elsewhere")),
        _signed(_claims(exp=1)),
        _signed(_claims(exp=None)),
        _signed(_claims(nbf=4_000_000_000)),
        _signed(_claims(), _OTHER),
        _signed(_claims(), _RSA, "RS256", "two"),
        _signed(_claims(), _RSA, "RS512"),
        _signed(_claims(), _EC, "ES256", "one"),
        _signed(_claims(), "one" * 11, "HS256"),
        _signed(_claims(), None, "none"),
        _signed(_claims(), _RSA, "RS256", "three"),
        _signed(_claims(pod={})),
        _signed(_claims(pod={"name": "p", "uid": "2"})),
        _signed(_claims(pod={"name": "gone", "uid": "1"})),
        _signed(_claims(namespace="docks")),
    ],
)
def test_any_other_is_nobody_s(token: str) -> None:
    assert _told(token) is None


def test_keys_are_asked_for_when_one_is_new_and_not_at_every_stranger_s_word() -> None:
    now, cluster = [0.0], Cluster()
    judge = PublishedKeys(cluster, lambda: now[0])

    async def check() -> None:
        assert [await judge.holder(_signed(_claims())) for _ in range(3)] == [_HOLDER] * 3
        assert cluster.asked == 1
        cluster.keys = [_published("three", _OTHER)]
        renewed = _signed(_claims(), _OTHER, kid="three")
        assert await judge.holder(renewed) is None
        now[0] = 10.0
        assert [await judge.holder(renewed) for _ in range(3)] == [_HOLDER] * 3
        assert await judge.holder(_signed(_claims())) is None, "its key is taken back"
        assert cluster.asked == 2

    asyncio.run(check())


def test_a_cluster_that_cannot_be_asked_is_no_refusal() -> None:
    cluster = Cluster()
    cluster.away = True
    with pytest.raises(KubeError):
        _told(_signed(_claims()), cluster)
    cluster.away, cluster.keys = False, []
    with pytest.raises(KubeError):
        _told(_signed(_claims()), cluster)
