"""Application objects of Python servers: found in the code, with the folder from which their modules are imported. Pure."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from landfall.builds.detect.tree import Tree

_USUAL = ("wsgi", "asgi", "main", "app", "server", "index", "api", "application", "run")
_FOLDERS = ("", "src", "app", "api")
_LOOKED_AT = 400
_FACTORY = re.compile(
    r"(create|make|get|build|init|setup)_?(\w+_)?(app|application|server|api)|application_factory|app_factory|factory"
)


@dataclass(frozen=True, slots=True)
class Application:
    """An application object: its file, the folder that its modules are imported from, its name, and whether it is a factory function."""

    file: str
    base: str
    name: str
    factory: bool = False

    @property
    def module(self) -> str:
        """The name of its module, imported from the folder `base`."""
        inside = self.file.removeprefix(f"{self.base}/") if self.base else self.file
        return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def target(self) -> str:
        """The application in the form `module:name`, as servers accept it."""
        return f"{self.module}:{self.name}"


def applications(tree: Tree, package: str, *kinds: str) -> list[Application]:
    """Return all objects of these classes at the top level of a module, and functions that create one; the most likely first.

    An object that a factory function returns counts as well, also if the function is imported from another file.
    """
    parsed = _parsed(tree)
    makers = {
        (path, node.name): node
        for path, module in parsed.items()
        for node in module.body
        if isinstance(node, ast.FunctionDef) and package in tree.text(path) and _is_factory(node, kinds)
    }
    apps = [app for path, module in parsed.items() for app in _objects(tree, path, module, kinds, package, makers)]
    callable_ = [key for key, node in makers.items() if not _required(node)]
    apps += [Application(path, base_of(tree, path), name, factory=True) for path, name in callable_]
    return sorted(apps, key=lambda a: (a.factory, *_likely(a.file)))


def _parsed(tree: Tree) -> Mapping[str, ast.Module]:
    names = sorted((p for p in tree.paths if p.endswith(".py") and not _is_test(p)), key=_likely)
    modules = {}
    for path in islice(names, _LOOKED_AT):
        try:
            modules[path] = ast.parse(tree.text(path))
        except (SyntaxError, ValueError, RecursionError):
            continue
    return modules


def _objects(
    tree: Tree,
    path: str,
    module: ast.Module,
    kinds: tuple[str, ...],
    package: str,
    makers: Mapping[tuple[str, str], ast.FunctionDef],
) -> Iterator[Application]:
    for node in module.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        direct = package in tree.text(path) and _makes(node.value, kinds)
        if direct or _called_maker(tree, path, module, node.value, makers):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield Application(path, base_of(tree, path), target.id)


def _called_maker(
    tree: Tree, path: str, module: ast.Module, value: ast.AST | None, makers: Mapping[tuple[str, str], ast.FunctionDef]
) -> bool:
    """Return whether a value is the call of a factory function of this file, or of one that it imports."""
    if not isinstance(value, ast.Call):
        return False
    function = value.func
    name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    if (path, name) in makers:
        return True
    for node in module.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name and any((file, alias.name) in makers for file in _files_of(tree, node)):
                    return True
    return isinstance(function, ast.Attribute) and any(maker == name for _, maker in makers)


def _files_of(tree: Tree, node: ast.ImportFrom) -> list[str]:
    """The files of the tree that an import may mean: of its module, and of what that module imports itself."""
    end = (node.module or "").replace(".", "/")
    ends = (f"{end}.py", f"{end}/__init__.py") if end else ("__init__.py",)
    files = [p for p in tree.paths if any(p == e or p.endswith(f"/{e}") for e in ends)]
    again = [
        q
        for p in files
        if p.endswith("__init__.py")
        for q in tree.paths
        if q.startswith(p.removesuffix("__init__.py")) and q.endswith(".py")
    ]
    return [*files, *again]


def _is_test(path: str) -> bool:
    return any(
        re.match(r"tests?$|test_|conftest|examples?$|docs?$|venv$|env$|migrations$|\.", part)
        for part in path.removesuffix(".py").split("/")
    )


def _likely(path: str) -> tuple[int, int, int, str]:
    folder, _, file = path.rpartition("/")
    stem = file.removesuffix(".py")
    return (
        _FOLDERS.index(folder) if folder in _FOLDERS else len(_FOLDERS),
        path.count("/"),
        _USUAL.index(stem) if stem in _USUAL else len(_USUAL),
        path,
    )


def _is_factory(node: ast.FunctionDef, kinds: tuple[str, ...]) -> bool:
    return _FACTORY.fullmatch(node.name) is not None and any(_makes(inner, kinds) for inner in ast.walk(node))


def _required(node: ast.FunctionDef) -> bool:
    """Return whether a function has arguments without defaults."""
    arguments = node.args
    return len(arguments.posonlyargs) + len(arguments.args) > len(arguments.defaults) or None in arguments.kw_defaults


def _makes(node: ast.AST | None, kinds: tuple[str, ...]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    return (isinstance(function, ast.Name) and function.id in kinds) or (
        isinstance(function, ast.Attribute) and function.attr in kinds
    )


# -- the folder of imports ---------------------------------------------------------------------------------------------------------


def base_of(tree: Tree, path: str) -> str:
    """Return the folder from which a file and the modules that it imports are imported; empty for the app's root.

    It is the highest folder above the file in which all modules of the tree that the file imports are found.
    """
    above = _above(path)
    start = "src" if path.startswith("src/") else ""
    if not above:
        return ""
    try:
        imported = _imported(ast.parse(tree.text(path)))
    except (SyntaxError, ValueError, RecursionError):
        return start
    local_modules = [name for name in imported if any(_has(tree, base, name) for base in above)]
    order = [start, *(base for base in above if base != start)]
    return next((base for base in order if all(_has(tree, base, name) for name in local_modules)), start)


def _above(path: str) -> list[str]:
    """The folders above a file, the root first; the root only for a file in it."""
    folders = path.split("/")[:-1]
    return ["/".join(folders[:count]) for count in range(len(folders) + 1)] if folders else []


def _imported(module: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


def _has(tree: Tree, base: str, name: str) -> bool:
    before = f"{base}/" if base else ""
    return f"{before}{name}.py" in tree.paths or any(p.startswith(f"{before}{name}/") and p.endswith(".py") for p in tree.paths)
