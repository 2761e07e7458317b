"""Start lines as a shell reads them: their simple commands, and the form in which an image runs them. Pure.

A line is split only where that is certain; a line with groups or compound statements is left as it is.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_OPERATORS = ("&&", "||", ";", "|", "&", "\n")
_COMPOUND = frozenset({"if", "for", "while", "until", "case", "{", "!", "function", "[[", "select"})
BUILTINS = frozenset(
    {
        *("cd", "exit", "wait", "export", "set", "source", ".", ":", "exec", "eval", "trap", "unset", "ulimit", "umask"),
        *(
            "read",
            "shift",
            "return",
            "break",
            "continue",
            "local",
            "readonly",
            "alias",
            "pwd",
            "hash",
            "type",
            "jobs",
            "fg",
            "bg",
        ),
    }
)
_ASSIGNMENT = re.compile(r"""[A-Za-z_]\w*=(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])*(?:\s+|$)""")


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command of a line: its text, and the operator after it (`&&`, `||`, `;`, `|`, `&`; empty at the end)."""

    text: str
    after: str = ""

    @property
    def assignments(self) -> str:
        """The variables in front of the command, as written; empty if there are none."""
        return self.text[: len(self.text) - len(self.command)].strip()

    @property
    def command(self) -> str:
        """The command without the variables in front of it."""
        text = self.text
        while match := _ASSIGNMENT.match(text):
            text = text[match.end() :]
        return text

    @property
    def words(self) -> list[str]:
        """The words of the command without the variables in front of it."""
        return words(self.command)


def words(command: str) -> list[str]:
    """Return the words of a command, without quotes; split at spaces if the quotes do not match."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def simple_commands(line: str) -> tuple[Simple, ...]:
    """Return the simple commands of a line in their order; empty if it has groups, subshells or compound statements."""
    commands, start, position = [], 0, 0
    while position < len(line):
        step = _quoted(line, position)
        if step == 0:
            return ()
        operator = next((o for o in _OPERATORS if line.startswith(o, position)), "") if step == 1 else ""
        if operator == "&" and (line[position - 1 : position] == ">" or line[position + 1 : position + 2] == ">"):
            operator = ""  # a redirection
        if operator:
            commands.append(Simple(line[start:position].strip(), operator.replace("\n", ";")))
            start = position + len(operator)
        position += max(step, len(operator))
    commands.append(Simple(line[start:].strip()))
    commands = [command for command in commands if command.text]
    return () if any((command.words or [""])[0] in _COMPOUND for command in commands) else tuple(commands)


def _quoted(line: str, position: int) -> int:
    """The length of what is quoted or substituted here; 1 for any other character; 0 for a group or an open quote."""
    character = line[position]
    if character == "\\":
        return 2
    if character in "'\"`":
        end = position + 1
        while end < len(line) and line[end] != character:
            end += 2 if line[end] == "\\" and character != "'" else 1
        return end + 1 - position if end < len(line) else 0
    if line.startswith(("$(", "${"), position):
        return _substituted(line, position)
    return 0 if character in "()" else 1


def _substituted(line: str, position: int) -> int:
    opens, closes = line[position + 1], ")" if line[position + 1] == "(" else "}"
    depth = 0
    for end in range(position + 1, len(line)):
        depth += (line[end] == opens) - (line[end] == closes)
        if not depth:
            return end + 1 - position
    return 0


def executed(line: str) -> str:
    """Return a line for `/bin/sh -c`: with the meaning that a shell gives it, and its last command in place of the shell.

    Only then does the server receive the signal that ends it. The last command of a pipe, or one that runs in the background, is left.
    """
    commands = simple_commands(line)
    if not commands:
        return line
    last, before = commands[-1], commands[:-1]
    if last.after or (before and before[-1].after == "|") or not last.words or last.words[0] in BUILTINS:
        return line
    assigned = f"{last.assignments} " if last.assignments else ""
    return " ".join([*(f"{command.text} {command.after}" for command in before), f"{assigned}exec {last.command}"])


def is_chain(commands: tuple[Simple, ...]) -> bool:
    """Return whether each command of a line runs only after the one before it succeeded."""
    return all(command.after == "&&" for command in commands[:-1]) and not (commands and commands[-1].after)
