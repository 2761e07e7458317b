"""Advice for a failed build, from its output. Pure."""

from __future__ import annotations

import re

_BROKEN = r"ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|EAI_AGAIN|socket hang up|Temporary failure in name resolution|50[234] (Bad Gateway|Service Unavailable|Gateway)|[Cc]onnection reset by peer|Read timed out"
_FULL = r"ENOSPC|No space left on device"
_ROWS: tuple[tuple[str, str], ...] = (
    (r"JavaScript heap out of memory|Killed\s*$|exit(ed with)? (code|status) 137", "The build ran out of memory: raise its memory limit, or reduce the build."),
    (_FULL, "The disk is full: raise the disk limit of the build."),
    (r"ERESOLVE", "Two packages require different versions of a third one: correct package.json, or set installCommand to `npm install --legacy-peer-deps`."),
    (r"ERR_PNPM_OUTDATED_LOCKFILE|Your lockfile needs to be updated|lockfile had changes, but lockfile is frozen|lockfile would have been (modified|created)|changed significantly since poetry.lock|lock file .*(out of date|not up.to.date)|--locked", "The lock file does not match the manifest: run the package manager and commit the lock file."),
    (r"EUSAGE[\s\S]*npm ci", "The lock file does not match package.json: run `npm install` and commit package-lock.json."),
    (r"E401|E403|401 Unauthorized|403 Forbidden", "A package registry rejects the request: add its token to the build environment."),
    (r"E404|ETARGET|404 Not Found|No matching distribution found|not found in the package registry", "A package is not in the registry: check its name and version."),
    (rf"{_BROKEN}|ENOTFOUND|ECONNREFUSED|Could not resolve host", "A registry cannot be reached: check the network, or set a mirror."),
    (r"self.signed certificate|SELF_SIGNED_CERT|unable to get local issuer certificate|CERTIFICATE_VERIFY_FAILED", "The certificate of a registry is not trusted: configure its certificate authority."),
    (r"Unsupported engine|requires? (a )?[Nn]ode|requires? Python|Requires-Python", "The app requires another version of the runtime: set it in engines.node, .nvmrc or .python-version."),
    (r"(sh: \d+: |sh: |bash: line \d+: )(?P<what>[\w./-]+): not found|(?P<also>[\w./-]+): command not found", "A command was not found: add the package that contains it, or correct the command."),
    (r"Missing script: [\"']?build", "package.json has no build script: add one, or set buildCommand."),
    (r"error TS\d+|Type error:", "The compiler reports errors in the code: correct them."),
    (r"node-gyp|gyp ERR!|error: command '.*gcc'", "A package is compiled during installation, which needs a builder image with compilers."),
)  # fmt: skip


def is_broken_off(log: str) -> bool:
    """Return whether the connection to a package registry failed, so that a retry may succeed."""
    return re.search(_BROKEN, log) is not None


def is_full(log: str) -> bool:
    """Return whether the disk was full."""
    return re.search(_FULL, log) is not None


def advice(log: str) -> str:
    """Return the advice of the first matching row, the most severe first; empty if none matches."""
    return next((text for pattern, text in _ROWS if re.search(pattern, log, re.MULTILINE)), "")
