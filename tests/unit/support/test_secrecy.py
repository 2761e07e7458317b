"""What looks for leaks after every cluster test finds them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest

from tests.cluster import secrecy
from tests.cluster.objects import Objects
from tests.cluster.secrecy import Secrecy

_VALUE = 'pa"ss/wörd=1'
Object = dict[str, Any]


class Cluster:
    """A Secret, and one other object."""

    def __init__(self, data: dict[str, str], other: Object, **more: Any) -> None:
        packed = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self._secret = {"metadata": {"name": "s", **more}, "data": packed}
        self._other = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": other}

    def listed(self, kinds: str, _namespace: str) -> list[Object]:
        """Either."""
        return [self._secret] if kinds == "secrets" else [self._other]


def _told(cluster: Cluster) -> list[str]:
    return Secrecy(cast("Objects", cluster)).told(["shop"])


@pytest.mark.parametrize(
    "form",
    [_VALUE, f"a://u:{quote(_VALUE, safe='')}@h", base64.b64encode(_VALUE.encode()).decode()],
    ids=["plain", "address", "packed"],
)
def test_a_password_is_found_however_it_is_written(form: str) -> None:
    assert _told(Cluster({"password": _VALUE}, {"text": f"connecting with {form}"})) == [
        "Secret shop/s, password is in ConfigMap shop/c"
    ]
    assert _told(Cluster({"password": _VALUE}, {"text": "connecting"})) == []


def test_what_anybody_may_know_is_no_leak() -> None:
    text = {"text": _VALUE}
    assert _told(Cluster({"username": _VALUE, "POSTGRES_USER": _VALUE, "VITE_KEY": _VALUE, "ca.crt": _VALUE}, text)) == []
    assert _told(Cluster({"password": _VALUE}, text, ownerReferences=[{"kind": "Deployment"}])) == []
    for key in ("password", "url", "token", "POSTGRES_PASSWORD", "key"):
        assert _told(Cluster({key: _VALUE}, text)), key


def test_logs_of_pods_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrecy, "_LOGS", tmp_path)
    log = tmp_path / "shop_worker_uid" / "worker" / "0.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"refused: {_VALUE}", encoding="utf-8")
    assert _told(Cluster({"password": _VALUE}, {})) == [f"Secret shop/s, password is in {log}"]
