"""The chart with everything switched on: what the API server knows of it, it takes; and what is off is not there."""

from __future__ import annotations

import subprocess

import yaml
from typer.testing import CliRunner

from landfall.cli.main import app
from tests.cluster import programs
from tests.cluster.conftest import Object, Place
from tests.cluster.install import CHART, NAMESPACE

_ON = "admission.enabled=true,monitoring.rules=true,monitoring.serviceMonitor=true,networkPolicy.enabled=true,gateway.enabled=true,gateway.replicas=2"
_FOREIGN = {"ServiceMonitor", "PrometheusRule"}


def rendered(*arguments: str, release: str = "other") -> list[Object]:
    """What the chart makes of such values."""
    command = [str(programs.helm()), "template", release, str(CHART), "-n", NAMESPACE, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def test_everything_that_can_be_switched_on_is_taken(place: Place) -> None:
    made = rendered("--set", _ON)
    kinds = {one["kind"] for one in made}
    assert {"NetworkPolicy", "PodDisruptionBudget", *_FOREIGN} <= kinds
    ours = [one for one in made if one["kind"] not in {*_FOREIGN, "CustomResourceDefinition"}]
    told = place.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(ours))
    assert told.count("(server dry run)") == len(ours)


def test_what_is_off_is_not_there() -> None:
    kinds = {one["kind"] for one in rendered()}
    assert not kinds & {"NetworkPolicy", "PodDisruptionBudget", *_FOREIGN}


def test_for_some_namespaces_nothing_of_it_is_the_cluster_s() -> None:
    made = rendered("--set", "gateway.enabled=true,watchNamespaces={shop,docks}")
    assert not [one["kind"] for one in made if one["kind"].startswith("Cluster")]
    roles = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in made if one["kind"] == "Role"}
    assert {
        (where, f"other-{who}") for where in ("shop", "docks") for who in ("operator", "gateway", "viewer", "editor")
    } <= roles
    told = next(one for one in made if one["kind"] == "Deployment" and one["metadata"]["name"] == "other-operator")
    env = told["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LANDFALL_NAMESPACES", "value": "shop docks"} in env


def notes(*arguments: str) -> str:
    """What is told of an installation."""
    command = [str(programs.helm()), "install", "other", str(CHART), "-n", "tools", "--dry-run=client", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.partition("NOTES:")[2]


def test_the_notes_tell_of_what_is_on() -> None:
    told = notes()
    assert "all namespaces" in told
    assert "builds.registry" in told
    assert "gateway" not in told.replace("operator and gateway", "")
    told = notes("--set", "gateway.enabled=true,builds.registry=images.example.com,watchNamespaces={shop,docks}")
    assert "the namespaces shop, docks" in told
    assert "builds.registry" not in told
    assert "http://other-gateway.tools.svc" in told
    asked = next(line for line in told.splitlines() if "keys create" in line).partition("|")[0].replace("NAMESPACE", "shop")
    done = CliRunner().invoke(app, asked.replace("NAME", "ci").split()[1:])
    assert done.exit_code == 0, done.output
    bound = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "RoleBinding"]
    assert {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "other-editor"} in [one["roleRef"] for one in bound]


def test_a_value_that_makes_no_sense_is_refused_by_name() -> None:
    command = [str(programs.helm()), "template", "other", str(CHART), "--set", "gateway.replica=2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode
    assert "replica" in done.stderr


def test_whoever_may_view_or_edit_a_namespace_may_so_with_what_is_ours(place: Place) -> None:
    name = place.namespace("aggregated")

    everybody = [place.account(name, role, role) for role in ("view", "edit", "admin")]
    assert [place.may(who, "list migrations.landfall.dev", name) for who in everybody] == [True] * 3
    assert [place.may(who, "create migrations.landfall.dev", name) for who in everybody] == [False, True, True]
    alone = "status is the operator's alone"
    assert not place.may(everybody[-1], "update migrations.landfall.dev --subresource=status", name), alone
