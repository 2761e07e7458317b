"""The README's way into a cluster and the example's, as printed, on a cluster that has nothing yet. It comes before the chart of the other tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import images, machine, programs
from tests.cluster.install import helm, install
from tests.cluster.machine import Cluster
from tests.support.printed import commands, person, section, typed

_ROOT = images.ROOT


@pytest.fixture(scope="module")
def empty() -> Iterator[Cluster]:
    """A cluster whose node has the images that the chart and the example name: it cannot pull them."""
    was_running = machine.running()
    cluster = machine.up()
    cluster.load(images.landfall(), images.OURS, images.PUBLIC)
    cluster.load(images.databases(), images.DATABASES, *images.PUBLIC_DATABASES)
    installed = helm(cluster, "status", "landfall").returncode == 0
    yield cluster
    if installed:  # with values of its own, which the page's command has taken away
        install(cluster)
    if not was_running:
        machine.down()


@pytest.fixture(scope="module")
def environment(empty: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A person's, with kubectl, helm and a kubeconfig."""
    home = tmp_path_factory.mktemp("home")
    return {**person(home, empty.programs, programs.helm().parent), "KUBECONFIG": str(empty.kubeconfig)}


def _typed(page: Path, title: str, environment: dict[str, str]) -> list[tuple[str, str]]:
    """What is typed of a page's section, one after the other, each with what it shows."""
    return [
        (printed_command.command, typed(printed_command, _ROOT, environment))
        for printed_command in commands(section(page.read_text(encoding="utf-8"), title))
    ]


def test_the_readme(environment: dict[str, str]) -> None:
    """Every command ends as the page says, so that what is watched arrives: at the plan, at the end, and back."""
    outputs = _typed(_ROOT / "README.md", "On Kubernetes", environment)
    watched = [text for command, text in outputs if command.startswith("kubectl landfall watch")]
    assert [("landfall approve" in text) for text in watched] == [True, False, False]


def test_the_example_with_kubectl_alone(environment: dict[str, str]) -> None:
    outputs = _typed(_ROOT / "examples" / "shop-in-cluster" / "README.md", "The shop, in a cluster", environment)
    met = [text for command, text in outputs if command.startswith("kubectl wait -n shop migration/shop")]
    assert [("condition met" in text) for text in met] == [True, True, True], "planned, completed, rolled back"
