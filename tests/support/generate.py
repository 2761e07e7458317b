"""Writes what is generated from code: the CustomResourceDefinitions, the operator's role and the reference of all fields. `--check` fails on a difference."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from landfall.api.crd import GROUP, KINDS, ResourceKind, definition
from landfall.api.transitions import KUBECTL
from landfall.engine.model.object_class import Fate, ObjectClass
from landfall.engine.sources.engine import SourceEngine
from landfall.engine.sources.registry import engines
from landfall.kube.permissions import CLUSTER_GRANTS, GRANTS, rules
from landfall.lifecycle import PHASES, Action

_ROOT = Path(__file__).parent.parent.parent
_HEAD = "# Field reference\n\nGenerated from the models in `operator/landfall/api` by `make generate`.\n"
_RULES = "{{/* Generated from operator/landfall/kube/permissions.py, which says why. */}}\n"
_REFERENCES = """# Where our kinds refer to others, for kustomize, which gives generated Secrets and ConfigMaps new names:
# name this file under `configurations` in a kustomization. Generated from the models by `make generate`.
"""
_ARGO = """# The health of our kinds for Argo CD, to be merged into its ConfigMap: kubectl apply --server-side -f, or a patch of kustomize.
# Generated from resource_customizations by `make generate`.
"""
_REFERRED = {
    "secretRef": "Secret",
    "SecretRef": "Secret",
    "secretKeyRef": "Secret",
    "configMapKeyRef": "ConfigMap",
    "connectionRef": "Connection",
}
_WRITTEN = ("Connection", "Migration", "Deployment", "Webhook")


def files() -> dict[Path, str]:
    """Every generated file with its content."""
    texts = {
        _ROOT / "docs" / "reference.md": _HEAD + "".join(_kind(kind) for kind in KINDS) + _phases() + _actions() + _engines()
    }
    texts[_ROOT / "docs" / "carried.md"] = _carried()
    texts[_ROOT / "operator" / "landfall" / "api" / "source_types.py"] = _source_types()
    chart = _ROOT / "charts" / "landfall"
    for kind in KINDS:
        document = definition(kind)
        texts[_ROOT / "crds" / f"{kind.plural}.yaml"] = _yaml(document)
        document["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
        texts[chart / "files" / "crds" / f"{kind.plural}.yaml"] = _yaml(document)
    texts[_ROOT / "kustomize" / "references.yaml"] = _REFERENCES + _yaml({"nameReference": _references()})
    texts[_ROOT / "gitops" / "argocd" / "argocd-cm.yaml"] = _ARGO + _yaml(_argo())
    granted = {"operatorRules": GRANTS, "clusterRules": CLUSTER_GRANTS}
    defined = [f'{{{{- define "landfall.{name}" }}}}\n{_yaml(rules(grants))}{{{{- end }}}}\n' for name, grants in granted.items()]
    texts[chart / "templates" / "_rules.tpl"] = _RULES + "".join(defined)
    return texts


def _engines_by_name() -> dict[str, SourceEngine]:
    """The registered source engines by every name that a Connection may use."""
    return {name: engine for engine in engines().values() for name in (engine.name, *engine.aliases)}


def _source_types() -> str:
    """What the kinds know of the registered source engines: they stand below the engines, and so cannot ask them."""
    by_kind = {engine.name.lower(): engine for engine in engines().values()}
    servers = [kind for kind, engine in by_kind.items() if engine.default_port]
    files = [kind for kind in by_kind if kind not in servers]
    facts = {
        "RegisteredType": f"Literal[{_listed(_engines_by_name())}]",
        "SUPPORTED_TYPES": f"({_listed(_engines_by_name())})",
        "DEFAULT_PORTS": _table(
            {name: engine.default_port for name, engine in _engines_by_name().items() if engine.default_port}
        ),
        "FILE_TYPES": f"({_listed(name for name, engine in _engines_by_name().items() if not engine.default_port)},)",
        "ServerKind": f"Literal[{_listed(servers)}]",
        "FileKind": f"Literal[{_listed(files)}]",
        "ENGINE_KINDS": _table({kind: engine.name for kind, engine in by_kind.items()}),
    }
    head = (
        '"""The types of a Connection: all, those that are files, and what the gateway calls them. Generated from the registry of source'
        ' engines by `make generate`."""\n\n'
        "from __future__ import annotations\n\nfrom typing import Literal\n\n"
    )
    return head + "".join(f"{name} = {value}\n" for name, value in facts.items())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _table(pairs: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs.items()) + "}"


def _phases() -> str:
    """The table of phases and of what is allowed in each."""
    head = (
        "\n## Phases of a Migration\n\nThe gateway, the command line and the operator allow these actions. Some depend on more than the phase:"
        " the refusal says on what. The API server refuses `desiredState: Cancelled` and `RolledBack` by the same table.\n\n"
        "| `status.phase` | status in the REST API | who acts next | meaning | allowed actions |\n|---|---|---|---|---|\n"
    )
    rows = [
        f"| {f'`{phase}`' if phase else 'none'} | `{row.status}` | {row.actor} | {row.doc}"
        f" | {', '.join(str(action) for action in Action if action in row.actions) or 'none'} |\n"
        for phase, row in PHASES.items()
    ]
    return head + "".join(rows)


def _actions() -> str:
    """The table of actions as kubectl requests them."""
    head = (
        "\n## Actions with kubectl\n\nHow an action is requested with kubectl or from Git, and what happens in a phase in which the gateway"
        " and the command line refuse it.\n\n| action | change | where it is not allowed |\n|---|---|---|\n"
    )
    return head + "".join(f"| {action} | {row.change} | {row.otherwise} |\n" for action, row in KUBECTL.items())


def _engines() -> str:
    """The table of source engines."""
    head = (
        "\n## Source engines\n\nEvery engine that is registered in the group `landfall.sources`. `quiesce: Engine` needs the privilege of"
        " the third column.\n\n| `spec.type` of a Connection | default port | privileges for the write lock | common snapshot of several sessions |\n|---|---|---|---|\n"
    )
    rows = [
        f"| {', '.join(f'`{name}`' for name in (engine.name, *engine.aliases))} | {engine.default_port or 'none: a file'}"
        f" | {engine.write_lock_grants} | {'yes' if engine.capabilities.common_snapshot else 'no'} |\n"
        for engine in engines().values()
    ]
    return head + "".join(rows)


def _carried() -> str:
    """What becomes of each class of objects, by source engine; engines with the same classes share a section."""
    sections: dict[tuple[ObjectClass, ...], list[str]] = {}
    for engine in engines().values():
        if engine.object_classes:
            sections.setdefault(engine.object_classes, []).append(engine.name)
    head = (
        "# What is migrated and what is not\n\nGenerated from the registry of source engines by `make generate`. Every object that is not"
        " carried is listed in the plan as a risk, with the required action.\n"
    )
    return head + "".join(
        f"\n## {', '.join(names)}\n\n| source | outcome | target | note | shown by |\n|---|---|---|---|---|\n"
        + "".join(_class_row(object_class) for object_class in classes if object_class.shown_by)
        for classes, names in sections.items()
    )


def _class_row(object_class: ObjectClass) -> str:
    test = object_class.shown_by.removeprefix("tests/integration/").removeprefix("tests/unit/engine/planning/")
    same = "the same" if object_class.fate is Fate.CARRIED else ""
    return f"| {object_class.name} | {object_class.fate} | {object_class.target or same} | {object_class.note} | `{test}` |\n"


def _argo() -> dict[str, Any]:
    """Argo CD's ConfigMap with the health of each kind."""
    text = (_ROOT / "gitops" / "argocd" / "resource_customizations" / GROUP / "_" / "health.lua").read_text(encoding="utf-8")
    metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}}
    data = {f"resource.customizations.health.{GROUP}_{kind.name}": _Script(text) for kind in KINDS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class _Script(str):
    """Text that is written line by line."""

    __slots__ = ()


yaml.SafeDumper.add_representer(_Script, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def _references() -> list[dict[str, Any]]:
    """For each kind that is referred to, where."""
    places_of: dict[str, list[dict[str, str]]] = {}
    for kind in KINDS:
        if kind.name in _WRITTEN:
            spec = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            for path, name in _referring(spec, "spec"):
                places_of.setdefault(name, []).append({"group": GROUP, "kind": kind.name, "path": f"{path}/name"})
    return [{"kind": name, "fieldSpecs": places} for name, places in sorted(places_of.items())]


def _referring(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, field in {**schema.get("properties", {}), **schema.get("items", {}).get("properties", {})}.items():
        field_path = f"{path}/{name}"
        word = next((kind for end, kind in _REFERRED.items() if name.endswith(end)), "")
        if word:
            yield field_path, word
        else:
            yield from _referring(field, field_path)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=120)


def _kind(kind: ResourceKind) -> str:
    schema = kind.model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    short = f", short {kind.short}" if kind.short else ""
    lines = [f"\n## {kind.name} (`{kind.plural}`{short})\n", f"{(kind.model.__doc__ or '').strip().splitlines()[0]}\n"]
    for part in ("spec", "status"):
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
        lines += [*_rows(_resolved(schema["properties"][part], definitions), part, definitions), ""]
    return "\n".join(lines)


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    for option in [schema, *schema.get("anyOf", []), *schema.get("allOf", [])]:
        if "$ref" in option:
            return dict(definitions[option["$ref"].rsplit("/", 1)[-1]])
    return schema


def _rows(schema: dict[str, Any], path: str, definitions: dict[str, Any]) -> list[str]:
    rows = []
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(field, definitions)
        items = _resolved(field.get("items", {}), definitions)
        default = "required" if name in required else _default(field)
        rows.append(f"| `{path}.{name}` | {_type(field, inner)} | {default} | {_meaning(field, inner)} |")
        if "properties" in inner:
            rows += _rows(inner, f"{path}.{name}", definitions)
        elif "properties" in items:
            rows += _rows(items, f"{path}.{name}[]", definitions)
    return rows


def _meaning(field: dict[str, Any], inner: dict[str, Any]) -> str:
    """The description of a field, or else the first paragraph of its type's docstring."""
    return field.get("description") or " ".join(str(inner.get("description", "")).split("\n\n")[0].split())


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value is None or (not value and not isinstance(value, bool | int)) or isinstance(value, dict | list):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(field: dict[str, Any], inner: dict[str, Any]) -> str:
    for option in [field, *field.get("anyOf", [])]:
        if "enum" in option:
            return ", ".join(f"`{v}`" for v in option["enum"])
    kinds = [o["type"] for o in [inner, *field.get("anyOf", [])] if o.get("type") not in {None, "null"}]
    return kinds[0] if kinds else "object"


def main() -> int:
    """Write the files, or compare them."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(_ROOT)} is out of date; run `make generate`\n")
        return bool(stale)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
