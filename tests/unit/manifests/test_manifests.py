"""The objects that run and build apps: what each container may know, and that Pod Security restricted takes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from landfall.api.deployment import Route, Variable
from landfall.api.release import ReleaseSpec
from landfall.manifests.build import BuilderPod, job
from landfall.manifests.ingress import ingress
from landfall.manifests.job import WorkerPod
from landfall.manifests.job import job as worker_job
from landfall.manifests.release import environment_name
from landfall.manifests.workload import preview, service, workload

_RELEASE = {"metadata": {"name": "shop-3", "namespace": "store", "uid": "u"}}
_DEPLOYMENT = {"metadata": {"name": "shop", "namespace": "store", "uid": "u"}}
_SPEC = ReleaseSpec.model_validate(
    {
        "deploymentRef": {"name": "shop"},
        "revision": 3,
        "trigger": "generation 1",
        "inputs": "x",
        "workload": "shop-3",
        "environment": "shop-environment-1",
        "liveEnv": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}, "capture": "Live"}],
        "template": {"metadata": {"labels": {"team": "sea"}, "annotations": {"note": "1"}}},
        "runtime": {"instanceType": "t3.small", "healthCheck": {"path": "/healthz", "timeoutSeconds": 7}},
        "region": "eu-west-1",
    }
)
_POD = BuilderPod(
    name="shop-3-build-1",
    release=_RELEASE,
    attempt=1,
    image="landfall",
    builder="builder",
    timeout_seconds=60,
    memory="1Gi",
    disk="2Gi",
    token=("git", "token"),
    registry_secret="registry",  # noqa: S106  a name
    authorities="PEM",
    env=(Variable(name="A", value="1"),),
    settings=(("npm_config_registry", "https://mirror.example.com"),),
)
_WORKER = WorkerPod(
    name="shop-run-1",
    namespace="shop",
    owner={"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration", "name": "shop", "uid": "u"},
    owner_kind="Migration",
    owner_name="shop",
    attempt=1,
    inputs="i",
    image="landfall",
    memory_bytes=2**29,
    secrets=("old",),
    parallelism=2,
)


def test_the_worker_of_a_build_knows_the_secrets_of_its_commands_under_other_names() -> None:
    """So that it can remove their values from the log; the commands themselves see no other container."""
    variable = {"name": "T", "valueFrom": {"secretKeyRef": {"name": "npm", "key": "token"}}}
    pod = replace(_POD, env=(Variable(name="A", value="1"), Variable.model_validate(variable)))
    *_, commands, worker = job(pod)["spec"]["template"]["spec"]["containers"]
    assert variable in commands["env"]
    assert {**variable, "name": "LANDFALL_KNOWN_SECRET_0"} in worker["env"]
    assert not {"A", "T"} & {entry["name"] for entry in worker["env"]}


def restricted(pod: dict[str, Any]) -> None:
    """As the admission controller checks it."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    allowed = {"name", "configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"}
    assert all(set(volume) <= allowed for volume in pod["volumes"])


def mounts(pod: dict[str, Any], container: str) -> dict[str, bool]:
    """Volumes of a container, and whether it may write to them."""
    actual_container = next(c for c in pod["containers"] if c["name"] == container)
    return {m["name"]: not m.get("readOnly", False) for m in actual_container["volumeMounts"]}


@pytest.mark.parametrize(("verb", "replaced"), [("run", 0), ("probe", 0), ("back", 0), ("help", 6)])
def test_a_helper_that_is_killed_is_replaced_and_any_other_worker_is_started_by_the_operator(verb: str, replaced: int) -> None:
    job_spec = worker_job(_WORKER, verb)["spec"]
    assert (job_spec["backoffLimit"], job_spec.get("parallelism")) == (replaced, 2 if verb == "help" else None)
    restricted(job_spec["template"]["spec"])


def test_each_container_of_a_build_has_its_own_credential_and_no_other() -> None:
    pod = job(_POD)["spec"]["template"]["spec"]
    restricted(pod)
    assert mounts(pod, "fetch") == {"task": False, "app": True, "meta": True, "fetch-tmp": True, "git": False, "ca": False}
    assert mounts(pod, "build") == {
        "app": True,
        "meta": False,
        "go": False,
        "out": True,
        "home": True,
        "build-tmp": True,
        "ca": False,
    }
    assert mounts(pod, "worker") == {
        **dict.fromkeys(("task", "token", "meta", "out", "registry", "ca"), False),
        **dict.fromkeys(("app", "go", "layers"), True),
    }
    assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in pod["containers"])


def test_what_runs_a_release() -> None:
    document = workload(_RELEASE, _SPEC, "r/shop@sha256:1", 3000, 2, "pull")
    pod = document["spec"]["template"]["spec"]
    restricted(pod)
    container = pod["containers"][0]
    assert container["env"][0] == {"name": "PORT", "value": "3000"}
    assert container["env"][1]["valueFrom"] == {"secretKeyRef": {"name": "db", "key": "password"}}
    assert container["envFrom"] == [{"secretRef": {"name": "shop-environment-1"}}]
    assert container["startupProbe"]["failureThreshold"] == 37
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert pod["nodeSelector"] == {"topology.kubernetes.io/region": "eu-west-1"}
    labels = document["spec"]["template"]["metadata"]["labels"]
    assert labels["team"] == "sea"
    for other in (preview(_RELEASE, _SPEC), service(_DEPLOYMENT, "shop-3", {})):
        assert other["spec"]["selector"].items() <= labels.items()
    assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({"clusterIssuer": "letsencrypt"}, ("shop-tls", "letsencrypt")),
        ({"secretRef": {"name": "mine"}}, ("mine", None)),
    ],
)
def test_a_route_with_its_certificate(tls: dict[str, Any], expected: tuple[str, str | None]) -> None:
    document = ingress(_DEPLOYMENT, Route.model_validate({"domain": "app.example.com", "ingressClassName": "nginx", "tls": tls}))
    assert document["spec"]["tls"] == [{"hosts": ["app.example.com"], "secretName": expected[0]}]
    assert document["metadata"]["annotations"].get("cert-manager.io/cluster-issuer") == expected[1]


def test_an_environment_is_named_by_its_content_and_the_name_tells_nothing() -> None:
    values, key = {"A": "1", "B": "2"}, b"k" * 32
    name = environment_name("shop", values, key)
    assert name == environment_name("shop", dict(reversed(values.items())), key)
    assert name != environment_name("shop", values, b"l" * 32)
    assert name != environment_name("shop", {**values, "A": "2"}, key)
