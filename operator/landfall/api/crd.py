"""Generates CustomResourceDefinitions from the models: structural schemas, CEL rules, printer columns. Pure.

Specs get no defaults in the schema: a default would cause conflicts in server-side apply with the client that manages
the object from Git. The models apply the defaults, and every description states them. Only `status` has a default, so
that a new object is not mistaken for a healthy one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from landfall.api.connection import Connection
from landfall.api.deployment import Deployment
from landfall.api.migration import Migration
from landfall.api.release import Release
from landfall.api.run import Run
from landfall.api.tableplan import TablePlan
from landfall.api.webhook import Webhook

GROUP = "landfall.dev"
VERSION = "v1alpha1"
Schema = dict[str, Any]

_KEPT = frozenset(
    {
        *(
            "type",
            "description",
            "enum",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
        ),
        *("required", "properties", "items", "additionalProperties"),
    }
)


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One custom resource kind. Columns are (name, type, JSON path, priority)."""

    model: type[BaseModel]
    plural: str
    short: str
    columns: tuple[tuple[str, str, str, int], ...]
    scaled: bool = False

    @property
    def name(self) -> str:
        """Name of the kind, as in `kind:`."""
        return self.model.__name__


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE = ("Age", "date", ".metadata.creationTimestamp", 0)
_READY = (("Ready", "string", _condition("Ready"), 0), ("Reason", "string", _condition("Ready", "reason"), 0))
_MESSAGE = ("Message", "string", _condition("Ready", "message"), 1)

KINDS: tuple[ResourceKind, ...] = (
    ResourceKind(
        Connection,
        "connections",
        "conn",
        (("Type", "string", ".spec.type", 0), *_READY, ("Version", "string", ".status.version", 0), _MESSAGE, _AGE),
    ),
    ResourceKind(
        Migration,
        "migrations",
        "mig",
        (
            ("Phase", "string", ".status.phase", 0),
            ("Percent", "integer", ".status.progress.percent", 0),
            ("Rows", "integer", ".status.progress.rows", 0),
            *_READY,
            ("Run", "string", ".status.run", 1),
            _MESSAGE,
            _AGE,
        ),
    ),
    ResourceKind(
        Run,
        "runs",
        "",
        (
            ("Migration", "string", ".spec.migrationRef.name", 0),
            ("State", "string", ".status.state", 0),
            ("Percent", "integer", ".status.progress.percent", 0),
            ("Attempts", "integer", ".status.attempts", 0),
            ("Verdict", "string", ".status.verdict", 1),
            _AGE,
        ),
    ),
    ResourceKind(
        TablePlan,
        "tableplans",
        "tp",
        (
            ("Migration", "string", ".spec.migrationRef.name", 0),
            ("Table", "string", ".spec.source.table", 0),
            ("Rows", "integer", ".status.rows", 0),
            *_READY,
            _MESSAGE,
            _AGE,
        ),
    ),
    ResourceKind(
        Deployment,
        "appdeployments",
        "appdep",
        (
            ("Phase", "string", ".status.phase", 0),
            ("Live", "string", ".status.live", 0),
            *_READY,
            ("URL", "string", ".status.url", 0),
            _MESSAGE,
            _AGE,
        ),
        scaled=True,
    ),
    ResourceKind(
        Release,
        "releases",
        "rel",
        (
            ("Revision", "integer", ".spec.revision", 0),
            ("Phase", "string", ".status.phase", 0),
            ("Commit", "string", ".spec.commit", 0),
            _AGE,
        ),
    ),
    ResourceKind(Webhook, "webhooks", "", (("Host", "string", ".status.host", 0), *_READY, _MESSAGE, _AGE)),
)
BY_NAME: Mapping[str, ResourceKind] = {kind.name: kind for kind in KINDS}


def definition(kind: ResourceKind) -> Schema:
    """The CustomResourceDefinition of a kind."""
    names = {"kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": kind.plural.removesuffix("s")}
    subresources: Schema = {"status": {}}
    if kind.scaled:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "landfall"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {**names, "categories": ["landfall"], **({"shortNames": [kind.short]} if kind.short else {})},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": structural(kind.model)},
                    "subresources": subresources,
                    "additionalPrinterColumns": [_column(*column) for column in kind.columns],
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str, priority: int) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}


def structural(model: type[BaseModel]) -> Schema:
    """Structural schema of a model, with all references inlined."""
    whole = model.model_json_schema(by_alias=True)
    schema = _inlined(whole, whole.get("$defs", {}))
    schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema["required"] = ["spec"]
    schema["properties"]["status"]["default"] = {"observedGeneration": -1}
    return schema


def _inlined(schema: Schema, definitions: Schema) -> Schema:
    """One node: references and unions with null are resolved, unknown keywords are removed."""
    source_schema = _resolved(schema, definitions)
    result = {k: v for k, v in source_schema.items() if k in _KEPT or k.startswith("x-kubernetes-")}
    result.pop("additionalProperties", None)
    if "properties" in source_schema:
        result["properties"] = {k: _inlined(v, definitions) for k, v in source_schema["properties"].items()}
    elif isinstance(source_schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _inlined(source_schema["additionalProperties"], definitions)
    elif source_schema.get("type") == "object":
        result["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in source_schema:
        result["items"] = _inlined(source_schema["items"], definitions)
    return _with_default(result, source_schema.get("default"))


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    result = dict(schema)
    for option in result.pop("anyOf", []):
        if option.get("type") != "null":
            result = {**option, **result}
    if "$ref" in result:
        result = {**definitions[result.pop("$ref").rsplit("/", 1)[-1]], **result}
    return {**result, "enum": [result["const"]]} if "const" in result else result


def _with_default(schema: Schema, default: object) -> Schema:
    """Append the default to the description, unless the description states it."""
    if isinstance(default, str | bool | int) and default != "" and "Default:" not in schema.get("description", ""):
        text = str(default).lower() if isinstance(default, bool) else default
        schema["description"] = f"{schema.get('description', '')} Default: `{text}`.".strip()
    return schema
