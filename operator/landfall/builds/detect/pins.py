"""Files that pin the versions of runtimes for every language: version files, mise, asdf. Pure."""

from __future__ import annotations

import re
from typing import Any

from landfall.builds.detect.tree import Tree, toml_of

_MISE = ("mise.toml", ".mise.toml", "mise/config.toml", ".mise/config.toml", ".config/mise.toml", ".config/mise/config.toml")


def first_line(text: str) -> str:
    """Return the first line of a version file that is not a comment, without its own comment; empty if there is none."""
    for line in text.lstrip("\ufeff").splitlines():
        content = re.split(r"(^|\s)(#|//)", line, maxsplit=1)[0].strip()
        if content:
            return content
    return ""


def tool_versions(tree: Tree, *names: str) -> list[tuple[str, str]]:
    """Return source and version of a tool in the files of mise and asdf. `names`: the names that the tool has there."""
    pins = []
    for file in _MISE:
        if file in tree.paths:
            tools = toml_of(tree, file).data.get("tools")
            table = tools if isinstance(tools, dict) else {}
            pins += [(file, _version(table[name])) for name in names if name in table]
    for name in names:
        pattern = rf"^\s*{re.escape(name)}[ \t]+([^\s#]+)"
        match = re.search(pattern, tree.text(".tool-versions"), re.MULTILINE)
        pins += [(".tool-versions", match.group(1))] if match else []
    return [(file, version) for file, version in pins if version]


def _version(value: Any) -> str:  # noqa: ANN401  any value in a manifest
    if isinstance(value, dict):
        value = value.get("version", "")
    if isinstance(value, list):
        value = _version(value[0]) if value else ""
    return str(value).removeprefix("prefix:").removeprefix("ref:")
