"""An API server with our kinds, and nothing that acts on them: no operator, no node, no pods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import images, machine
from tests.cluster.api import Api
from tests.cluster.install import NAMESPACE
from tests.cluster.machine import Cluster
from tests.cluster.test_chart import rendered

RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """A control plane of etcd and kube-apiserver on free ports, with the CustomResourceDefinitions."""
    with machine.control_plane() as made:
        made.kubectl("apply", "--server-side", "-f", str(images.ROOT / "crds"))
        made.kubectl("wait", "crd", "-l", "app.kubernetes.io/part-of=landfall", "--for=condition=Established", "--timeout=60s")
        yield made


@pytest.fixture(scope="session")
def api(control_plane: Cluster) -> Api:
    """The same, with the identities and rights that the chart gives."""
    made = Api(control_plane)
    control_plane.kubectl("create", "namespace", NAMESPACE)
    made.apply(*(one for one in rendered("--set", "gateway.enabled=true", release="landfall") if one["kind"] in RIGHTS))
    return made
