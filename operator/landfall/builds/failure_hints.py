"""What to do about a build that failed, by what it printed. Pure."""

from __future__ import annotations

import re

_BROKEN = r"ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|EAI_AGAIN|socket hang up|Temporary failure in name resolution|50[234] (Bad Gateway|Service Unavailable|Gateway)|[Cc]onnection reset by peer|Read timed out"
_FULL = r"ENOSPC|No space left on device"
_ROWS: tuple[tuple[str, str], ...] = (
    (r"JavaScript heap out of memory|Killed\s*$|exit(ed with)? (code|status) 137", "It ran out of memory: give the build more, or build less at a time."),
    (_FULL, "The disk is full: give the build more room."),
    (r"ERESOLVE", "Two packages want different versions of a third: mend package.json, or set installCommand to `npm install --legacy-peer-deps`."),
    (r"ERR_PNPM_OUTDATED_LOCKFILE|Your lockfile needs to be updated|lockfile had changes, but lockfile is frozen|lockfile would have been (modified|created)|changed significantly since poetry.lock|lock file .*(out of date|not up.to.date)|--locked", "The lock file does not match the manifest: run the package manager and commit the lock file."),
    (r"EUSAGE[\s\S]*npm ci", "The lock file does not match package.json: run `npm install` and commit package-lock.json."),
    (r"E401|E403|401 Unauthorized|403 Forbidden", "A registry of packages refuses: give the build its token."),
    (r"E404|ETARGET|404 Not Found|No matching distribution found|not found in the package registry", "A package is not in the registry: look at its name and version."),
    (rf"{_BROKEN}|ENOTFOUND|ECONNREFUSED|Could not resolve host", "A registry cannot be reached: look at the network, or set a mirror."),
    (r"self.signed certificate|SELF_SIGNED_CERT|unable to get local issuer certificate|CERTIFICATE_VERIFY_FAILED", "A registry's certificate is not trusted: set the bundle of certificate authorities."),
    (r"Unsupported engine|requires? (a )?[Nn]ode|requires? Python|Requires-Python", "It wants another version of the runtime: say which in engines.node, .nvmrc or .python-version."),
    (r"(sh: \d+: |sh: |bash: line \d+: )(?P<what>[\w./-]+): not found|(?P<also>[\w./-]+): command not found", "A command is not there: add the package that brings it, or correct the command."),
    (r"Missing script: [\"']?build", "package.json has no build script: add one, or set buildCommand."),
    (r"error TS\d+|Type error:", "The compiler finds errors in the code: it fails the same way on a developer's machine."),
    (r"node-gyp|gyp ERR!|error: command '.*gcc'", "A package is compiled on installation, which needs the builder with compilers."),
)  # fmt: skip


def is_broken_off(log: str) -> bool:
    """Whether a registry of packages broke off, or was away for a moment: another try may get through."""
    return re.search(_BROKEN, log) is not None


def is_full(log: str) -> bool:
    """Whether the disk was full."""
    return re.search(_FULL, log) is not None


def advice(log: str) -> str:
    """The first row that fits, the gravest first; empty where none does."""
    return next((text for pattern, text in _ROWS if re.search(pattern, log, re.MULTILINE)), "")
