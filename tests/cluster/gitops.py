"""`examples/gitops`, as a repository that a field manager carries into a cluster."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.cluster import images
from tests.cluster.api import Object
from tests.cluster.conftest import Place
from tests.support.printed import commands, person, typed

NAMESPACE = "shop"  # the folder's own
_EXAMPLE = images.ROOT / "examples" / "gitops"
_HOSTS = (("mariadb.legacy.example.com", "maria"), ("postgresql.example.com", "pg"))


class Repository:
    """A copy of the folder with the hosts of this machine."""

    def __init__(self, place: Place, folder: Path, manager: str) -> None:
        self.place, self.manager = place, manager
        self._home = folder
        self.folder = Path(shutil.copytree(_EXAMPLE / "shop", folder / "shop"))
        for host, server in _HOSTS:
            port = getattr(place, server).port
            target = f"host: {place.host}, port: {port}, database: {NAMESPACE}"
            self.edited("connections.yaml", f"host: {host}, database: shop", target)

    def edited(self, name: str, old: str, new: str) -> None:
        """Change what a file has."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def begun(self) -> None:
        """The first commit, with the Secrets that are not in Git."""
        self.place.cluster.kubectl("apply", "-f", str(self.folder / "namespace.yaml"))
        self.place.apply(self.place.secret(NAMESPACE, "old", "mover"), self.place.secret(NAMESPACE, "new", "mover"))
        self.synced()

    def synced(self) -> None:
        """The folder as it is now, applied by the manager."""
        self.place.cluster.kubectl("apply", "--server-side", "--field-manager", self.manager, "-f", "-", stdin=self._rendered())

    def settled(self, reason: str) -> Object:
        """Wait for a reason of Ready; the Migration. Nothing of ours is written to what Git holds."""
        migration = self.place.until(NAMESPACE, "shop", reason, 120)
        compare = ("diff", "--server-side", "--field-manager", self.manager, "-f", "-")
        assert self.place.cluster.kubectl(*compare, stdin=self._rendered(), check=False) == ""
        return migration

    def planned(self, programs: Path) -> str:
        """The digest of the plan, by the commands that the README prints."""
        digest = str(self.settled("Planned")["status"]["plan"]["digest"])
        assert self.place.rows(NAMESPACE) == -1
        printed = list(commands((_EXAMPLE / "README.md").read_text(encoding="utf-8")))
        plan, answer = (typed(command, images.ROOT, self._person(programs)) for command in printed)
        assert "customer" in plan
        assert answer.split()[-1] == digest
        return digest

    def approved(self, digest: str) -> None:
        """The commit that approves the plan."""
        self.edited("migration.yaml", "  desiredState: Planned\n", "")
        self.edited("migration.yaml", "  data:\n", f'  data:\n    approval: {{planDigest: "{digest}"}}\n')

    def _rendered(self) -> str:
        return self.place.cluster.kubectl("kustomize", str(self.folder))

    def _person(self, programs: Path) -> dict[str, str]:
        """Somebody at a terminal who has `kubectl landfall`."""
        plugin = self._home / "bin" / "kubectl-landfall"
        plugin.parent.mkdir(exist_ok=True)
        package = images.ROOT / "operator"
        plugin.write_text(f'#!/bin/sh\nexec env PYTHONPATH={package} {sys.executable} -m landfall "$@"\n', encoding="utf-8")
        plugin.chmod(0o755)
        return {**person(self._home, plugin.parent, programs), "KUBECONFIG": str(self.place.cluster.kubeconfig)}
