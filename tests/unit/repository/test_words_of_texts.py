"""The product's texts use one term per thing: no phrase of the glossary's 'do not write' column in any room.

A room is a file or a folder. Every file with texts belongs to one of the rooms.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]

# Phrase, and the term to use instead. Words that are ordinary English elsewhere (part, point, back, look) are matched as whole phrases.
PHRASES: dict[str, str] = {
    r"ashore|voyages?": "migrate, migration",
    r"census": "profiling",
    r"dials?": "live settings",
    r"verdicts?": "verification, its result",
    r"freezes?|frozen|froze|standstill|lock(s|ed|ing)? (\w+ ){0,4}out|lock(s|ed|ing)? nobody": "write lock",
    r"mend(s|ed|ing)?|delta|(bring|brought|brings) (\w+ )?up to date": "repair",
    r"way back|go(es|ing|ne)? back|went back|cut back|tak(e|es|en|ing) back|put(s|ting)? back": "rollback, roll back",
    r"(put|went|moved?|goes|go) (\w+ ){0,3}aside|what (was|were|is) replaced|what (was|is) kept": "retained tables",
    r"what (was|is) staged": "staged tables",
    r"what serves|(release|commit) that serves(?! traffic)": "live release",
    r"(person'?s?|your|his) word|word on|without a word|for a word|a say in": "approval; or name the owner",
    r"points? (needs?|of the plan)|(review )?points to (decide|review)": "review item",
    r"proofs?|proven": "dry run",
    r"pieces?": "chunk",
    r"(a|one|each|every|next|last|this) look|looks are|is looked at": "reconcile",
    r"(is|are|was|were|be|been) told|told (as|of|by)|tells? of|who hears": "is reported, report",
    r"(is|are|was|were) asked": "is requested, is queried",
    r"seldom": "with exponential back-off",
    r"anew": "again",
    r"heed(s|ed)?": "apply, use",
    r"nobody|somebody|anybody|whoever": "name the role: the caller, the operator, no worker",
    r"where (it|they) stands?": "state, status",
    r"is no (?!longer)": "is not a valid, is not",
    r"gravest|graver?": "severe",
    r"of late": "current",
    r"the present one|the present step": "current",
    r"go(es)? on|went on": "continue, resume",
    r"giv(e|es|en|ing) back": "release, return",
    r"at home|be it|in the way|of one mind|come by|in flight from": "plain words",
    r"alone": "only",
}
_PATTERNS = {re.compile(rf"(?<![\w-])(?:{phrase})(?![\w-])", re.IGNORECASE): term for phrase, term in PHRASES.items()}

ROOMS: tuple[str, ...] = (
    "operator/landfall/__init__.py",
    "operator/landfall/__main__.py",
    "operator/landfall/api",
    "operator/landfall/cli",
    "operator/landfall/controllers",
    "operator/landfall/gateway",
    "operator/landfall/intake",
    "operator/landfall/notifications",
    "operator/landfall/providers",
    "operator/landfall/handlers",
    "operator/landfall/kube",
    "operator/landfall/ledger_states.py",
    "operator/landfall/lifecycle.py",
    "operator/landfall/manifests",
    "operator/landfall/metrics.py",
    "operator/landfall/settings.py",
    "operator/landfall/errors.py",
    "operator/landfall/runspec.py",
    "operator/landfall/refusals.py",
    "operator/landfall/journal",
    "operator/landfall/lib",
    "operator/landfall/engine",
    "operator/landfall/builds",
    "operator/landfall/worker",
    "charts/landfall",
    "gitops",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "images",
    "Makefile",
    "pyproject.toml",
    "docs",
    "examples",
)
# (file, text found): why it may stay.
# Descriptions of risks of high severity are part of the digest of a review item (`Plan.points`): another text asks for an approval again.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("CHANGELOG.md", "proof"): "a term of SCRAM",
    ("operator/landfall/builds/failure_hints.py", "frozen"): "output of a package manager",
    ("operator/landfall/engine/model/run_state.py", "delta"): "the name of a table of the ledger",
    ("operator/landfall/engine/targets/postgresql/ledger.py", "delta"): "the name of a table of the ledger",
    ("operator/landfall/gateway/files/page.js", "verdict"): "a field of the REST API",
    ("operator/landfall/engine/planning/planner.py", "locked out"): "part of a review item's digest",
}

_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_TEXTS = {".md", ".txt", ".yaml", ".tpl", ".js", ".html", ".lua"}
_RELEASED = "\n## 0.1.0"  # the notes of a version that is out stay as they were
_GENERATED = ("charts/landfall/files/crds", "charts/landfall/templates/_rules.tpl", "docs/_site")


def _names() -> list[str]:
    """Every file of the product that has texts."""
    places = ("operator/landfall", "charts/landfall", "docs", "gitops")
    files = [path for place in places for path in (_ROOT / place).rglob("*") if path.suffix in {".py", *_TEXTS}]
    pages = [_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")]
    pages += [
        *(_ROOT / "images").glob("*.Containerfile"),
        *(p for s in ("README.md", "*.yaml") for p in (_ROOT / "examples").rglob(s)),
    ]
    names = [str(path.relative_to(_ROOT)) for path in (*files, *pages)]
    return sorted(name for name in names if not name.startswith(_GENERATED))


def _within(name: str, rooms: tuple[str, ...]) -> str:
    """The innermost of these rooms that a file belongs to; empty if none."""
    return max((room for room in rooms if name == room or name.startswith(f"{room}/")), key=len, default="")


def _python(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings and texts of more than one word, with their lines. Names and keys are no texts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _lines(source: str, *marks: str) -> Iterator[tuple[int, str]]:
    """The lines that begin with a mark."""
    return ((number, line) for number, line in enumerate(source.splitlines(), 1) if line.lstrip().startswith(marks))


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from (*_python(source), *_comments(source))
    elif path.name == "CHANGELOG.md":
        yield 1, source.partition(_RELEASED)[0]
    elif path.name == "Makefile":
        yield from ((number, line.partition("## ")[2]) for number, line in enumerate(source.splitlines(), 1))
    elif path.suffix == ".toml":
        yield from _lines(source, "description")
    elif path.suffix == ".lua":
        yield from _lines(source, "--")
    elif path.suffix == ".Containerfile":
        yield from _lines(source, "#")
    elif path.suffix == ".yaml" and path.parent.name == "files" and path.parents[1].name == "landfall":
        yield 1, source
    elif path.suffix in {".yaml", ".tpl"}:
        yield from _lines(source, "#", "--")
    else:
        yield 1, source


def findings(name: str) -> list[str]:
    """Each phrase in a file that another term is meant for, as `line: phrase (term)`."""
    messages = []
    for line, text in _texts(_ROOT / name):
        prose = _CODE.sub(lambda match: "`" + "\n" * match[0].count("\n"), text)
        for pattern, term in _PATTERNS.items():
            messages += [
                f"{line + prose.count(chr(10), 0, match.start())}: {match[0]!r} (write: {term})"
                for match in pattern.finditer(prose)
                if (name, match[0]) not in EXCEPTIONS
            ]
    return messages


@pytest.mark.parametrize("name", _names())
def test_texts_use_the_terms_of_the_glossary(name: str) -> None:
    assert findings(name) == []


def test_every_file_is_in_a_room() -> None:
    assert [name for name in _names() if not _within(name, ROOMS)] == []


def test_every_room_is_there() -> None:
    assert [room for room in ROOMS if not (_ROOT / room).exists()] == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("The session that locks writers out has ended", True),
        ("waits for a person's word", True),
        ("is tried again, ever more seldom", True),
        ("the source is read-only: a write lock is held", False),
        ("the part of the plan that points to it; press back, take a good look", False),
    ],
)
def test_phrases_are_found_and_ordinary_words_are_not(text: str, *, is_found: bool) -> None:
    assert any(pattern.search(text) for pattern in _PATTERNS) is is_found
