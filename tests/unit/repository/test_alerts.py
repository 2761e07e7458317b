"""The chart's alerts: each asks for metrics that there are, and has its section in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from landfall import metrics as loop

_ROOT = Path(__file__).parents[3]
_RULES = [
    rule
    for group in yaml.safe_load((_ROOT / "charts" / "landfall" / "files" / "alerts.yaml").read_text(encoding="utf-8"))
    for rule in group["rules"]
]
_WORDS = {"absent", "sum", "by", "increase", "kind", "controller", "phase", "name", "m"}


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert loop.DEPTH
    defined = set(re.findall(r"^# TYPE (\w+)", generate_latest().decode(), re.MULTILINE))
    used = set(re.findall(r"[a-z_]+", re.sub(r'"[^"]*"', "", rule["expr"]))) - _WORDS
    assert used
    assert used <= defined
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    titles = re.findall(r"^## (\w+)$", (_ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {title.lower() for title in titles}
    assert anchor == rule["alert"].lower()
