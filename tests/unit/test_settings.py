"""Settings of every process: what is taken from the environment, and what a bad value gets."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall.gateway.rate_limit import USUAL, Rate
from landfall.gateway.settings import GatewaySettings as Gateway
from landfall.journal.settings import JournalSettings
from landfall.lib.environment import Environment, SettingError, read
from landfall.settings import OperatorSettings as Operator
from landfall.settings import UninstallSettings

_ROOT = Path(__file__).parents[2]
_PRODUCT = _ROOT / "operator" / "landfall"
_OPERATOR = {"LANDFALL_IMAGE": "landfall:1", "LANDFALL_INTAKE_URL": "http://intake:8443"}
_GATEWAY = {"LANDFALL_NAMESPACE": "system", "LANDFALL_INTAKE_URL": "http://intake:8443"}


def test_what_is_not_set_or_empty_has_its_default() -> None:
    empty = dict.fromkeys(("LANDFALL_NAMESPACES", "LANDFALL_BUILDS", "LANDFALL_JOURNAL_URL", "LANDFALL_GATEWAY", "image"), "")
    settings = read(Operator, {**_OPERATOR, **empty})
    assert settings == read(Operator, _OPERATOR)
    assert (settings.intake_port, settings.health_port, settings.resync_seconds) == (8443, 8080, 300)
    assert (settings.journal_url, settings.journal_keep_days, settings.journal_keep_lines) == (
        "sqlite:////var/lib/landfall/journal.db",
        30,
        1_000_000,
    )
    assert (settings.namespaces, settings.gateway, settings.builds.memory, settings.builds.images) == ((), "", "2Gi", ())
    assert read(Gateway, _GATEWAY).rates == USUAL


def test_what_is_set_is_taken(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("PEM", encoding="ascii")
    builds = {
        "registry": "/registry.example/apps/",
        "insecure": True,
        "images": [{"runtime": "node", "version": "22", "image": "run-node", "port": 3000}],
        "env": {"CI": 1, "QUIET": True},
        "memory": "",
        "timeoutSeconds": 1e6,
        "followSeconds": 0,
        "privateHosts": None,
        "github": "https://github.example/api/",
        "authoritiesKey": "of a later chart",
    }
    settings = read(
        Operator,
        {
            **_OPERATOR,
            "LANDFALL_LISTEN_INTAKE": "9443",
            "LANDFALL_NAMESPACES": "shop  store",
            "LANDFALL_JOURNAL_URL": "postgres://u:s3cret@db/journal",
            "LANDFALL_BUILDS": json.dumps(builds),
            "LANDFALL_AUTHORITIES": str(bundle),
            "LANDFALL_GATEWAY": "system/landfall-gateway",
        },
    )
    assert (settings.intake_port, settings.namespaces, settings.gateway) == (9443, ("shop", "store"), "system/landfall-gateway")
    build_settings = settings.builds
    assert (build_settings.registry, build_settings.insecure, build_settings.github) == (
        "registry.example/apps",
        True,
        "https://github.example/api",
    )
    assert (build_settings.env, build_settings.authorities) == ({"CI": "1", "QUIET": "True"}, "PEM")
    assert (
        build_settings.memory,
        build_settings.timeout_seconds,
        build_settings.follow_seconds,
        build_settings.private_hosts,
    ) == (
        "2Gi",
        1_000_000,
        60,
        (),
    )
    assert [(image.runtime, image.port) for image in build_settings.images] == [("node", 3000)]
    limits = {"key": {"perSecond": 5, "burst": 7}, "address": {"perSecond": 0.5, "burst": 1}}
    rates = read(Gateway, {**_GATEWAY, "LANDFALL_LIMITS": json.dumps(limits), "LANDFALL_LISTEN": "80"}).rates
    assert (rates.key, rates.address) == (Rate(5, 7), Rate(0.5, 1))


def test_the_charts_own_values_are_taken() -> None:
    values = yaml.safe_load((_ROOT / "charts" / "landfall" / "values.yaml").read_text(encoding="utf-8"))
    builds = {name: value for name, value in values["builds"].items() if name not in {"authorities", "webhookSecretRef"}}
    build_settings = read(Operator, {**_OPERATOR, "LANDFALL_BUILDS": json.dumps(builds)}).builds
    assert (len(build_settings.images), build_settings.timeout_seconds) == (
        len(values["builds"]["images"]),
        values["builds"]["timeoutSeconds"],
    )
    assert read(Gateway, {**_GATEWAY, "LANDFALL_LIMITS": json.dumps(values["gateway"]["limits"])}).rates == USUAL


def test_authorities_that_are_not_there_are_none(tmp_path: Path) -> None:
    assert read(Operator, {**_OPERATOR, "LANDFALL_AUTHORITIES": str(tmp_path / "ca.crt")}).builds.authorities == ""


_RATE = '{"perSecond": 1, "burst": 1}'


@pytest.mark.parametrize(
    ("model", "extra_environment", "message"),
    [
        (Operator, {"LANDFALL_IMAGE": ""}, "LANDFALL_IMAGE is not set. Allowed: the image of workers, such as"),
        (
            Operator,
            {"LANDFALL_LISTEN_INTAKE": "80a"},
            "LANDFALL_LISTEN_INTAKE is not valid ('80a'): input should be a valid integer",
        ),
        (
            Operator,
            {"LANDFALL_LISTEN_HEALTH": "70000"},
            "('70000'): input should be less than or equal to 65535. Allowed: a TCP port",
        ),
        (Operator, {"LANDFALL_RESYNC_SECONDS": "0"}, "Allowed: a whole number of seconds, at least 1."),
        (Operator, {"LANDFALL_JOURNAL_KEEP_DAYS": "a month"}, "Allowed: a whole number of days, at least 0."),
        (Operator, {"LANDFALL_JOURNAL_KEEP_LINES": "1e6"}, "Allowed: a whole number of lines, at least 0."),
        (Operator, {"LANDFALL_NAMESPACES": "shop,store"}, "LANDFALL_NAMESPACES is not valid at 0: string should match pattern"),
        (Operator, {"LANDFALL_GATEWAY": "gateway"}, "Allowed: the gateway's service account as NAMESPACE/NAME."),
        (Operator, {"LANDFALL_BUILDS": "s3cret"}, "LANDFALL_BUILDS is not valid: invalid JSON"),
        (Operator, {"LANDFALL_BUILDS": '["s3cret"]'}, "Allowed: a JSON object in the form of `builds` in the chart's values."),
        (Operator, {"LANDFALL_BUILDS": '{"timeoutSeconds": "s3cret"}'}, "LANDFALL_BUILDS is not valid at timeoutSeconds: input"),
        (
            Operator,
            {"LANDFALL_BUILDS": '{"images": [{"runtime": "s3cret"}]}'},
            "not valid at images.0.runtime: input should be 'node'",
        ),
        (
            Operator,
            {"LANDFALL_BUILDS": '{"env": ["s3cret"]}'},
            "LANDFALL_BUILDS is not valid at env: input should be a valid dict",
        ),
        (
            Operator,
            {"LANDFALL_AUTHORITIES": "/"},
            "LANDFALL_AUTHORITIES is not valid ('/'): the file cannot be read (Is a directory)",
        ),
        (JournalSettings, {"LANDFALL_JOURNAL_URL": "s3cret"}, "LANDFALL_JOURNAL_URL is not valid: not a valid database URL."),
        (
            JournalSettings,
            {"LANDFALL_JOURNAL_URL": "mysql://u:s3cret@h/d"},
            "mysql is not supported for the journal; use SQLite or PostgreSQL. Allowed: sqlite:",
        ),
        (JournalSettings, {"LANDFALL_JOURNAL_URL": "postgresql://u:s3cret@h:s3cret/d"}, "not a valid database URL"),
        (UninstallSettings, {}, "LANDFALL_OPERATOR is not set. Allowed: the operator's Deployment as NAMESPACE/NAME."),
        (UninstallSettings, {"LANDFALL_OPERATOR": "a/b\nc"}, "LANDFALL_OPERATOR is not valid ('a/b\\nc'): string should match"),
        (Gateway, {"LANDFALL_NAMESPACE": ""}, "LANDFALL_NAMESPACE is not set."),
        (Gateway, {"LANDFALL_LISTEN": "0"}, "Allowed: a TCP port from 1 to 65535."),
        (Gateway, {"LANDFALL_LIMITS": "{"}, "LANDFALL_LIMITS is not valid ('{'): invalid JSON"),
        (
            Gateway,
            {"LANDFALL_LIMITS": f'{{"key": {_RATE}}}'},
            "LANDFALL_LIMITS is not valid at address: field required. Allowed: a JSON",
        ),
        (
            Gateway,
            {"LANDFALL_LIMITS": f'{{"key": {_RATE}, "address": {{"perSecond": 0, "burst": 1}}}}'},
            "at address.perSecond: input",
        ),
    ],
)
def test_a_bad_value_is_one_line_without_secrets(
    model: type[Environment], extra_environment: dict[str, str], message: str
) -> None:
    usual: dict[Any, dict[str, str]] = {Operator: _OPERATOR, Gateway: _GATEWAY}
    with pytest.raises(SettingError) as refused:
        read(model, {**usual.get(model, {}), **extra_environment})
    line = str(refused.value)
    assert message in line
    assert line.startswith("LANDFALL_")
    assert "\n" not in line
    assert "s3cret" not in line
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("role", "extra_environment", "message"),
    [
        (["operator"], {**_OPERATOR, "LANDFALL_LISTEN_INTAKE": "80a"}, "LANDFALL_LISTEN_INTAKE is not valid ('80a'): "),
        (["gateway"], {}, "LANDFALL_NAMESPACE is not set. "),
        (["leave"], {"LANDFALL_OPERATOR": "landfall"}, "LANDFALL_OPERATOR is not valid ('landfall'): "),
        (["journal", "a/b"], {"LANDFALL_JOURNAL_URL": "mysql://u:s3cret@h/d"}, "LANDFALL_JOURNAL_URL is not valid: "),
    ],
)
def test_a_process_ends_at_its_start(role: list[str], extra_environment: dict[str, str], message: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LANDFALL_")}
    result = subprocess.run(
        [sys.executable, "-m", "landfall", *role],
        env={**environment, "PYTHONPATH": str(_ROOT / "operator"), **extra_environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"landfall: {message}")
    assert "Allowed: " in line
    assert "s3cret" not in line


# Who reads the environment besides, and why that is no setting of Landfall's.
_READERS = {
    "lib/environment.py": "the one reader",
    "builds/runner.py": "one file that runs with Python alone, without pydantic",
    "builds/local.py": "what a build's commands inherit",
    "cli/manifests.py": "LANDFALL_SECRET_<NAME>_<KEY>: keys of Secrets, whose names come from manifests",
    "handlers/main.py": "sets what kopf and the C library read",
}


def test_the_environment_is_read_in_one_place() -> None:
    def reads(module: Path) -> bool:
        names = (
            attribute
            for attribute in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            if isinstance(attribute, ast.Attribute)
        )
        return any(attribute.attr in {"environ", "environb", "getenv"} for attribute in names)

    readers = {str(module.relative_to(_PRODUCT)) for module in _PRODUCT.rglob("*.py") if reads(module)}
    assert readers == set(_READERS)


def test_every_variable_of_the_chart_is_read() -> None:
    templates = (_ROOT / "charts" / "landfall" / "templates").glob("*.yaml")
    set_there = {
        name for template in templates for name in re.findall(r"name: (LANDFALL_\w+)", template.read_text(encoding="utf-8"))
    }
    models: tuple[type[Environment], ...] = (Operator, Gateway, UninstallSettings)
    fields = [field for model in models for field in model.model_fields.values()]
    assert len(set_there) > 10
    assert set_there <= {str(field.validation_alias) for field in fields}
    assert all(field.description for field in fields), "each says what is allowed"
