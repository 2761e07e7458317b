"""Holds what the image is made of against the known vulnerabilities: `make audit`. Fails on each; `--strict`, also where they cannot be asked for."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent.parent
_REQUIREMENTS = _ROOT / "requirements" / "operator.txt"
_OSV = "https://api.osv.dev/v1/query"
# By identifier: why it does not touch us, until when that is looked at again.
ACCEPTED: dict[str, str] = {}


def audited(requirements: Path, osv: str) -> list[dict[str, Any]] | None:
    """Every package with what is known of it; None where the advisory database cannot be asked. Raises RuntimeError with what pip-audit says."""
    command = [str(Path(sys.executable).parent / "pip-audit"), "-s", "osv", "--osv-url", osv, "-f", "json", "--timeout", "10"]
    told = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-r", str(requirements)]
    done = subprocess.run(
        [*command, *told, *(part for one in ACCEPTED for part in ("--ignore-vuln", one))],
        check=False,
        capture_output=True,
        text=True,
    )
    if not done.stdout.strip():
        if "ConnectionError" in done.stderr or "Timeout" in done.stderr:
            return None
        raise RuntimeError(done.stderr)
    return list(json.loads(done.stdout)["dependencies"])


def main() -> int:
    """0: nothing is known against any. 1: something is, or, with `--strict`, nobody could say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail where the advisory database cannot be asked")
    parser.add_argument("--requirements", type=Path, default=_REQUIREMENTS, help="what to look at; default: the image's")
    asked = parser.parse_args()
    osv = os.environ.get("LANDFALL_OSV_URL", _OSV)
    found = audited(asked.requirements, osv)
    if found is None:
        print(f"NOT AUDITED: {osv} cannot be reached from here. Run `make audit` where it can.", file=sys.stderr)
        return int(asked.strict)
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in found if "skip_reason" in one]
    bad = [(one, vulnerability) for one in found for vulnerability in one.get("vulns", [])]
    for one, vulnerability in bad:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {vulnerability['id']}, mended by {mended}", file=sys.stderr)
    for one in skipped:
        print(f"NOT AUDITED: {one}", file=sys.stderr)
    if not bad:
        print(f"{len(found) - len(skipped)} packages, nothing known against any")
    return int(bool(bad) or (asked.strict and bool(skipped)))


if __name__ == "__main__":
    sys.exit(main())
