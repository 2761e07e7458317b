"""Removal of passwords from texts. Every text for a status, an event or a log passes through `redacted`.

The time is linear in the length of a text, because lines of any repository arrive here: a pattern begins with a fixed word or is bounded,
and URLs are found by their `://`.
"""

from __future__ import annotations

import re

_MASK = "***"
_MOST = 2000
_QUOTED = rf"""\\?"(?:[^"\\]|\\[^"]){{0,{_MOST}}}\\?"|'(?:[^'\\]|\\.|''){{0,{_MOST}}}'"""
_WORDS = (
    r"passwo?r?d|passphrase|passwort|pwd|[_-]pass|token|secret|(?:api|access|private|auth|signing|encryption)[ _-]?key"
    r"|(?:secret|access)[_-]?(?:access[_-]?)?key|connection[_-]?string|account[_-]?key|shared[_-]?access[_-]?signature"
)
_ASSIGNED = re.compile(
    rf"(?i)((?:{_WORDS})(?:[_-]?(?:hash|value|base64|b64))?[0-9]{{0,3}}(?:\\?[\"'])?\]?[ \t]{{0,8}}(?:=>|:=|==?|:(?!/))[ \t]{{0,8}})({_QUOTED}|\S+)"
)
_OPTION = re.compile(rf"(?i)(?<!\S)(--?[a-z-]{{0,30}}(?:{_WORDS})[ \t]+)({_QUOTED}|[^\s-]\S*)")
_HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"']?(?:[a-z-]{1,20}[ \t]{1,8})?)[^\s\"']+"
    r"|((?:set-)?cookie[\"']?[ \t]{0,8}:[ \t]{0,8})[^\r\n]+"
    r"|((?<![a-z])(?:bearer|basic)[ \t]{1,8})[a-z0-9._~+/-]{16,}=*"
)
_SQL = re.compile(
    rf"(?i)(\bidentified[ \t]{{1,8}}(?:(?:with|via)[ \t]{{1,8}}\S{{1,60}}[ \t]{{1,8}})?(?:by|as|using)[ \t]{{1,8}}(?:password[ \t(]{{1,8}})?"
    rf"|password[ \t(]{{1,8}})({_QUOTED})"
)
_NETRC = re.compile(r"(?i)(\blogin[ \t]{1,8}\S{1,200}[ \t]{1,8}password[ \t]{1,8})\S+")
_USER = re.compile(r"((?<!\S)(?:-u|--user)[ =]{0,8}[\"']?(?![0-9]+:[0-9]+(?!\S))[^\s:\"']{1,100}:)[^\s\"']+")
_CLIENT = re.compile(r"(?<![\w-])((?:my|maria)[a-z-]{2,30}[ \t][^\n]{0,100}?(?<!\S)-p)(?=\S)\S+")
_ELEMENT = re.compile(rf"(?i)(<[\w:.-]{{0,40}}(?:password|passwd|secret|token|apikey)>)[^<]{{1,{_MOST}}}")
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl[a-z]{2,5}-[\w-]{16,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}|dop_v1_\w{20,}|hf_[A-Za-z0-9]{20,}|AIza[\w-]{30,}|[sr]k_(?:live|test)_\w{10,}"
    r"|sk-[\w-]{20,}|whsec_\w{16,})"
    r"|(?<![\w.-])(?:eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|SG\.[\w-]{16,}\.[\w-]{16,})"
)
_PRIVATE = re.compile(r"(-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)
_AUTHORITY = re.compile(r"[^\s\"'<>`]*")
_HINTS = ("pass", "pwd", "token", "secret", "key", "string", "signature")
_HOST = re.compile(r"^(localhost|[\w-]+(\.[\w-]+)*\.[a-z]{2,})(:\d+)?$")
_PLAIN_USER = 20  # a user name in an address is shorter than a token


_PATTERNS = (  # a pattern, and words of which a text that it matches has one, in small letters
    (_PRIVATE, ("private key",)),
    (_HEADER, ("authorization", "cookie", "bearer", "basic")),
    (_SQL, ("identified", "password")),
    (_ASSIGNED, _HINTS),
    (_OPTION, _HINTS),
    (_NETRC, ("login",)),
    (_USER, ("-u", "--user")),
    (_CLIENT, ("-p",)),
    (_ELEMENT, ("password>", "passwd>", "secret>", "token>", "apikey>")),
)


def redacted(text: str, *secrets: str) -> str:
    """Return a text in which secrets are replaced by `***`.

    Args:
        text: Any text.
        secrets: Known secrets. Passwords in URLs, values after `password=`, `token:` and the like, headers with credentials, and
            tokens of well-known services are replaced as well.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    text = _without_url_passwords(text)
    lowered = text.lower()
    for pattern, hints in _PATTERNS:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(_masked, text)
    return _KNOWN.sub(_MASK, text)


def _masked(match: re.Match[str]) -> str:
    """What precedes the secret, and the mask; quotes around it stay."""
    prefix = next((part for part in match.groups() if part is not None), "")
    secret = match[0][len(prefix) :]
    quote = re.match(r"\\?[\"']", secret)
    if quote and len(secret) > len(quote[0]) and secret.endswith(quote[0]):
        return f"{prefix}{quote[0]}{_MASK}{quote[0]}"
    return f"{prefix}{_MASK}"


def _without_url_passwords(text: str) -> str:
    first, *parts = text.split("://")
    return "://".join((first, *map(_authority, parts)))


def _authority(after: str) -> str:
    """What follows `://`, without the password before the last `@` of the address."""
    match = _AUTHORITY.match(after)
    run = match[0] if match else ""
    place, slash, _ = run.partition("/")
    until = place if "@" in place or not slash else run
    credential, at, _ = until.rpartition("@")
    if not at:
        return after
    user, colon, password = credential.partition(":")
    if not colon:
        host = until is run and _HOST.search(place)  # the @ belongs to the path
        return after if host or len(user) < _PLAIN_USER else _MASK + after[len(user) :]
    if until is run and password.partition("/")[0].isdigit():  # a port: the @ belongs to the path
        return after
    return f"{user}:{_MASK}{after[len(credential) :]}"
