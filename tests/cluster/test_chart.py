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
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def test_everything_that_can_be_switched_on_is_taken(place: Place) -> None:
    documents = rendered("--set", _ON)
    kinds = {document["kind"] for document in documents}
    assert {"NetworkPolicy", "PodDisruptionBudget", *_FOREIGN} <= kinds
    own_documents = [document for document in documents if document["kind"] not in {*_FOREIGN, "CustomResourceDefinition"}]
    output = place.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(own_documents))
    assert output.count("(server dry run)") == len(own_documents)


def test_what_is_off_is_not_there() -> None:
    kinds = {document["kind"] for document in rendered()}
    assert not kinds & {"NetworkPolicy", "PodDisruptionBudget", *_FOREIGN}


def test_for_some_namespaces_nothing_of_it_is_the_cluster_s() -> None:
    documents = rendered("--set", "gateway.enabled=true,watchNamespaces={shop,docks}")
    assert not [document["kind"] for document in documents if document["kind"].startswith("Cluster")]
    roles = {
        (document["metadata"]["namespace"], document["metadata"]["name"]) for document in documents if document["kind"] == "Role"
    }
    assert {
        (namespace, f"other-{role}") for namespace in ("shop", "docks") for role in ("operator", "gateway", "viewer", "editor")
    } <= roles
    operator = next(
        document
        for document in documents
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "other-operator"
    )
    env = operator["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LANDFALL_NAMESPACES", "value": "shop docks"} in env


def notes(*arguments: str) -> str:
    """What is told of an installation."""
    command = [str(programs.helm()), "install", "other", str(CHART), "-n", "tools", "--dry-run=client", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.partition("NOTES:")[2]


def test_the_notes_tell_of_what_is_on() -> None:
    text = notes()
    assert "all namespaces" in text
    assert "builds.registry" in text
    assert "gateway" not in text.replace("operator and gateway", "")
    text = notes("--set", "gateway.enabled=true,builds.registry=images.example.com,watchNamespaces={shop,docks}")
    assert "the namespaces shop, docks" in text
    assert "builds.registry" not in text
    assert "http://other-gateway.tools.svc" in text
    command = next(line for line in text.splitlines() if "keys create" in line).partition("|")[0].replace("NAMESPACE", "shop")
    result = CliRunner().invoke(app, command.replace("NAME", "ci").split()[1:])
    assert result.exit_code == 0, result.output
    bound = [document for document in yaml.safe_load_all(result.stdout) if document["kind"] == "RoleBinding"]
    assert {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "other-editor"} in [
        document["roleRef"] for document in bound
    ]


def test_a_value_that_makes_no_sense_is_refused_by_name() -> None:
    command = [str(programs.helm()), "template", "other", str(CHART), "--set", "gateway.replica=2"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode
    assert "replica" in result.stderr


def test_whoever_may_view_or_edit_a_namespace_may_so_with_what_is_ours(place: Place) -> None:
    name = place.namespace("aggregated")

    everybody = [place.account(name, role, role) for role in ("view", "edit", "admin")]
    assert [place.may(account, "list migrations.landfall.dev", name) for account in everybody] == [True] * 3
    assert [place.may(account, "create migrations.landfall.dev", name) for account in everybody] == [False, True, True]
    alone = "status is the operator's alone"
    assert not place.may(everybody[-1], "update migrations.landfall.dev --subresource=status", name), alone
