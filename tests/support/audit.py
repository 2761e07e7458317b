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
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-r", str(requirements)]
    result = subprocess.run(
        [*command, *options, *(part for identifier in ACCEPTED for part in ("--ignore-vuln", identifier))],
        check=False,
        capture_output=True,
        text=True,
    )
    if not result.stdout.strip():
        if "ConnectionError" in result.stderr or "Timeout" in result.stderr:
            return None
        raise RuntimeError(result.stderr)
    return list(json.loads(result.stdout)["dependencies"])


def main() -> int:
    """0: nothing is known against any. 1: something is, or, with `--strict`, nobody could say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail where the advisory database cannot be asked")
    parser.add_argument("--requirements", type=Path, default=_REQUIREMENTS, help="what to look at; default: the image's")
    arguments = parser.parse_args()
    osv = os.environ.get("LANDFALL_OSV_URL", _OSV)
    packages = audited(arguments.requirements, osv)
    if packages is None:
        print(f"NOT AUDITED: {osv} cannot be reached from here. Run `make audit` where it can.", file=sys.stderr)
        return int(arguments.strict)
    skipped = [f"{package['name']}: {package['skip_reason']}" for package in packages if "skip_reason" in package]
    bad = [(package, vulnerability) for package in packages for vulnerability in package.get("vulns", [])]
    for package, vulnerability in bad:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, mended by {mended}", file=sys.stderr)
    for package in skipped:
        print(f"NOT AUDITED: {package}", file=sys.stderr)
    if not bad:
        print(f"{len(packages) - len(skipped)} packages, nothing known against any")
    return int(bool(bad) or (arguments.strict and bool(skipped)))


if __name__ == "__main__":
    sys.exit(main())
