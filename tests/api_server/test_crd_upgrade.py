"""The CustomResourceDefinitions of version 0.1.0 are replaced with the printed command, and what was stored with them stays valid and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import images, machine
from tests.cluster.machine import Cluster
from tests.support import version_0_1

Object = dict[str, Any]
_PRINTED = "kubectl apply --server-side -f crds/"
_KINDS = "connections,migrations,runs,tableplans,webhooks,appdeployments,releases.landfall.dev"
_STATUSES = "gitops/argocd/resource_customizations/landfall.dev/_/testdata"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of version 0.1.0: its definitions, and objects of every kind."""
    folder = tmp_path_factory.mktemp("0.1")
    version_0_1.files(folder, "crds", "examples", _STATUSES)
    return folder


@pytest.fixture(scope="module")
def cluster(old: Path) -> Iterator[Cluster]:
    """An API server with the definitions of version 0.1.0."""
    with machine.control_plane() as new_cluster:
        _printed(new_cluster, old)
        new_cluster.kubectl(
            "wait", "crd", "-l", "app.kubernetes.io/part-of=landfall", "--for=condition=Established", "--timeout=60s"
        )
        yield new_cluster


def _printed(cluster: Cluster, checkout: Path) -> None:
    """Type the command of docs/operations.md in a checkout."""
    assert _PRINTED in (images.ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Upgrade")[2]
    *words, folder = _PRINTED.removeprefix("kubectl ").split()
    cluster.kubectl(*words, str(checkout / folder))


def _documents(old: Path) -> list[Object]:
    """Each object of the examples, and Migrations and Deployments with a status, in a namespace for each file."""
    documents = []
    files = sorted([*(old / "examples").rglob("*.yaml"), *(old / _STATUSES).glob("*.yaml")])
    for number, file in enumerate(files):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            is_own = document and str(document.get("apiVersion", "")).startswith("landfall.dev/")
            if is_own and document["kind"] not in {"Run", "Release"}:  # those that show a status are not complete
                document["metadata"] = {"name": document["metadata"]["name"], "namespace": f"file-{number}"}
                documents.append(document)
    return documents


def _stored(cluster: Cluster) -> dict[str, Object]:
    """Spec and status of all that is stored, by kind, namespace and name."""
    items = json.loads(cluster.kubectl("get", _KINDS, "-A", "-o", "json"))["items"]
    return {
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}": {
            part: item[part] for part in ("spec", "status") if part in item
        }
        for item in items
    }


def test_what_0_1_stored_stays(cluster: Cluster, old: Path) -> None:
    documents = _documents(old)
    for namespace in sorted({document["metadata"]["namespace"] for document in documents}):
        cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    for document in documents:
        if "status" in document:
            place = (
                f"{document['kind'].lower()}.landfall.dev",
                document["metadata"]["name"],
                "-n",
                document["metadata"]["namespace"],
            )
            patch = json.dumps({"status": document["status"]})
            cluster.kubectl("patch", *place, "--subresource=status", "--type=merge", "-p", patch)
    before = _stored(cluster)
    assert {name.split()[0] for name in before} >= {"Connection", "Migration", "TablePlan", "Deployment"}
    assert any("status" in document for document in before.values())
    migration = next(document for document in documents if document["kind"] == "Migration")
    migration["spec"]["pause"] = {"resumeTo": "Completed"}
    patch = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(migration), check=False)
    assert "configured" not in patch, "a field of this version"

    _printed(cluster, images.ROOT)
    assert _stored(cluster) == before
    cluster.kubectl("label", _KINDS, "--all", "-A", "stored=again")
    assert _stored(cluster) == before, "what is written again is whole"
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(migration))


def test_no_field_is_gone_and_none_more_is_required(old: Path) -> None:
    for file in sorted((old / "crds").glob("*.yaml")):
        then, now = (dict(_fields(_schema(checkout / "crds" / file.name))) for checkout in (old, images.ROOT))
        assert set(then) - set(now) == set(), file.name
        for path, (kind, required) in then.items():
            assert now[path][0] == kind, f"{file.name} {path}"
            assert now[path][1] <= required, f"{file.name} {path}"


def _schema(file: Path) -> Object:
    versions = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
    assert [version["name"] for version in versions] == ["v1alpha1"]
    return dict(versions[0]["schema"]["openAPIV3Schema"])


def _fields(schema: Object, path: str = "") -> Iterator[tuple[str, tuple[str, set[str]]]]:
    """Every field: its type, and which fields in it are required."""
    yield path, (schema.get("type", ""), set(schema.get("required", ())))
    for name, field in schema.get("properties", {}).items():
        yield from _fields(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _fields(schema[key], f"{path}[]")
