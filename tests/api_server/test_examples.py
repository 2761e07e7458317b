"""The example repository without its app, as Flux carries it: deleted and created again, it moves nothing twice."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import gitops
from tests.cluster.conftest import Place


def test_a_repository_to_copy(place: Place, tmp_path: Path) -> None:
    name = gitops.NAMESPACE
    place.databases(name, 300)
    repository = gitops.Repository(place, tmp_path, "kustomize-controller")
    repository.edited("kustomization.yaml", ", app.yaml", "")
    repository.edited("migration.yaml", "  app: ", "  # app: ")
    repository.begun()
    repository.approved(repository.planned(place.cluster.programs))
    repository.synced()
    first = repository.settled("Completed")
    place.settled(name, 300)
    place.objects.delete("migration", name, "shop")  # a hook of Argo CD before each sync, or Flux with `force`
    repository.synced()
    again = repository.settled("AlreadyCompleted")
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    assert again["status"]["run"] == first["status"]["run"]
    place.settled(name, 300, frozenset({"equal", None}))
