"""Retries are made in one place: a loop that catches an error, sleeps and tries again is `landfall.lib.retry`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import landfall

_PRODUCT = Path(landfall.__file__).parent
# Loops that catch an error and wait, and why they are no retry of one operation.
_LOOPS = {
    "lib/retry.py": "the place",
    "cli/inspect.py": "follows an object until it has ended; a lost connection is one look less",
    "gateway/routes/migration_logs.py": "follows a log until the migration has ended",
    "handlers/runtime.py": "lists all objects every few minutes for as long as the process lives",
    "gateway/watch_cache.py": "a watch without an end: it is opened again for as long as the process lives",
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a loop, without those of functions that it defines."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _FUNCTIONS):
            yield child
            yield from _inside(child)


def _sleeps(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return (isinstance(called, ast.Attribute) and called.attr == "sleep") or (
        isinstance(called, ast.Name) and called.id == "sleep"
    )


def _catches(node: ast.AST) -> bool:
    suppressed = isinstance(node, ast.With | ast.AsyncWith) and "suppress(" in ast.unparse(node.items[0])
    return (isinstance(node, ast.Try) and bool(node.handlers)) or suppressed


def _loops(text: str) -> list[int]:
    """The lines of the loops that catch an error and sleep."""
    loops = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.For | ast.While | ast.AsyncFor)]
    return [loop.lineno for loop in loops if any(map(_sleeps, _inside(loop))) and any(map(_catches, _inside(loop)))]


def test_no_loop_of_its_own_retries_an_operation() -> None:
    loops = {str(file.relative_to(_PRODUCT)): _loops(file.read_text(encoding="utf-8")) for file in _PRODUCT.rglob("*.py")}
    assert {name: lines for name, lines in loops.items() if lines and name not in _LOOPS} == {}
    assert [name for name in _LOOPS if not loops[name]] == []


def test_such_loops_are_found() -> None:
    assert _loops("for n in range(3):\n    try:\n        work()\n    except OSError:\n        time.sleep(n)\n")
    assert _loops("while True:\n    with suppress(OSError):\n        return work()\n    sleep(1)\n")
    assert not _loops("while True:\n    await asyncio.sleep(1)\n")
