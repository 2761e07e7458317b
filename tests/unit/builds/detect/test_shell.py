"""Start lines keep the meaning that a shell gives them, and the server replaces the shell."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.builds.detect.shell import executed, simple_commands
from landfall.builds.image.layout import Running, assembled

_PRINTS = 'sh -c \'echo "$A" "$0"\''


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("node server.js", "exec node server.js"),
        ("A=b node server.js", "A=b exec node server.js"),
        ("A='b c' B=\"$C\" node x", "A='b c' B=\"$C\" exec node x"),
        ("node a.js && node b.js", "node a.js && exec node b.js"),
        ("cd x && A=1 node b.js", "cd x && A=1 exec node b.js"),
        ("a; b || c", "a ; b || exec c"),
        ("worker & server", "worker & exec server"),
        ("a | tee log", "a | tee log"),
        ("server &", "server &"),
        ("a && cd x", "a && cd x"),
        ("exec node x", "exec node x"),
        ("if a; then b; fi", "if a; then b; fi"),
        ("(a && b)", "(a && b)"),
        ("node x > log 2>&1", "exec node x > log 2>&1"),
        ("node -e 'a && b'", "exec node -e 'a && b'"),
        ("node $(pwd && ls)/x", "exec node $(pwd && ls)/x"),
        ("gunicorn --bind 0.0.0.0:${PORT:-80} 'a:b()'", "exec gunicorn --bind 0.0.0.0:${PORT:-80} 'a:b()'"),
        ('node "unclosed', 'node "unclosed'),
    ],
)
def test_the_last_command_replaces_the_shell_where_it_can(line: str, run: str) -> None:
    assert executed(line) == run


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        (f"A=b {_PRINTS}", "b sh"),
        (f"A='b c' {_PRINTS}", "b c sh"),
        (f"echo first && A=b {_PRINTS}", "first\nb sh"),
        (f"export A=b && {_PRINTS}", "b sh"),
        (f"false || A=c {_PRINTS}", "c sh"),
        ("cd / && pwd", "/"),
        ("echo a | cat", "a"),
    ],
)
def test_a_shell_runs_both_forms_alike(line: str, printed: str) -> None:
    runs = [
        subprocess.run(["/bin/sh", "-c", form], capture_output=True, text=True, check=True) for form in (line, executed(line))
    ]
    assert [run.stdout.strip() for run in runs] == [printed, printed]


@given(
    st.lists(
        st.sampled_from(["a", "b=c", "&&", "||", ";", "|", "&", "'", '"', "(", ")", "$(", "\\", "x y", "2>&1", "\n"]), max_size=12
    )
)
def test_every_line_has_an_answer(words: list[str]) -> None:
    line = " ".join(words)
    assert executed(line) == line or "exec " in executed(line)
    assert all(command.text for command in simple_commands(line))


def test_an_image_has_the_programs_of_the_app_first_on_its_path() -> None:
    base = {"manifest": {"layers": []}, "config": {"config": {"Env": ["PATH=/usr/bin", "X=1"]}}}
    config = json.loads(assembled(base, [], Running("A=b x", {"NODE_ENV": "production"}, {}, paths=("node_modules/.bin",)))[0])[
        "config"
    ]
    assert config["Env"] == ["NODE_ENV=production", "PATH=/app/node_modules/.bin:/usr/bin", "X=1"]
    assert config["Entrypoint"] == ["/bin/sh", "-c", "A=b exec x"]
