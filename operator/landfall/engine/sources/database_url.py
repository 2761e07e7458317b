"""Addresses of databases in a Secret: what a URL says, with every parameter honoured or refused by its name.

A parameter that is silently ignored may be the one that asks for TLS. So each engine lists the parameters that it knows
(`ClientEnvironment.parameters`), and every other one is refused. The rule for messages: they contain names of parameters and at most
the host, because any other part of an address that is not well-formed may belong to a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, unquote, urlsplit

from landfall.engine.model.options import LoginDemands, TlsMode
from landfall.lib.urls import AddressError, checked

_MALFORMED = (
    "not a valid URL: percent-encode special characters in user and password, for example %23 for #, %2F for /, %3F for ?,"
    " %40 for @, %5B for ["
)
_SEVERAL_HOSTS = (
    "it names several hosts, and Landfall connects to one: name the host of the primary, or a name that always leads to it"
)
_NAME = re.compile("[A-Za-z][A-Za-z0-9_.-]{0,60}")
_STRICTNESS = (TlsMode.DISABLE, TlsMode.PREFER, TlsMode.REQUIRE, TlsMode.VERIFY_FULL)
_WORD = re.compile(r"\s*(?P<name>[a-z_]+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<bare>(?:[^\s'\\]|\\.)*))(?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """What an address says. Empty or 0: it does not say so.

    Attributes:
        host: A host name, an IP address or the path of a Unix socket.
        tls: The TLS mode that a parameter asks for; None if none does.
        authority: The name of the parameter that asks for a private certificate authority; empty if none does.
        login: What parameters demand of the login.
        parameters: Parameters of the client that are used as they are, as (name, value).
    """

    host: str = ""
    port: int = 0
    database: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: TlsMode | None = None
    authority: str = ""
    login: LoginDemands = field(default_factory=LoginDemands)
    parameters: tuple[tuple[str, str], ...] = ()


UrlParameter = Callable[[DatabaseAddress, str, str], DatabaseAddress]
"""Takes an address, the name of a parameter and its value. Raises AddressError where the value is refused."""


@dataclass(frozen=True, slots=True)
class UrlForm:
    """How addresses of an engine are written.

    Attributes:
        schemes: Schemes that mean the engine, in lower case.
        parameters: What each parameter means, by its name.
        keywords: Whether `name=value name=value` is an address, too.
    """

    schemes: tuple[str, ...]
    parameters: Mapping[str, UrlParameter]
    keywords: bool = False


def read(text: str, form: UrlForm, product: str) -> DatabaseAddress:
    """Return what an address says.

    Args:
        text: The address, for example `postgresql://user:password@host:5432/database?sslmode=require`.
        form: How addresses of the engine are written.
        product: The name of the engine, for messages.

    Raises:
        AddressError: The address is not valid, is of another engine, or has a parameter that cannot be honoured.
    """
    text = text.strip()
    if form.keywords and "://" not in text and _WORD.match(text):
        return _by_parameters(DatabaseAddress(), _words(text), form)
    try:
        parts = urlsplit(text)
        _of_the_engine(parts.scheme.lower(), form, product)
        address = _placed(parts)
    except AddressError:
        raise
    except ValueError as error:
        raise AddressError(_MALFORMED) from error
    return _by_parameters(address, [_pair(part) for part in parts.query.split("&") if part], form)


def stricter(spec: TlsMode | None, url: TlsMode | None) -> TlsMode | None:
    """The stricter of two TLS modes; None if there is none.

    Raises:
        AddressError: The Connection says `Disable`, and the address asks for TLS.
    """
    if spec is None or url is None:
        return spec or url
    if spec is TlsMode.DISABLE and _STRICTNESS.index(url) > _STRICTNESS.index(TlsMode.PREFER):
        message = "it asks for TLS, and spec.tls.mode of the Connection is Disable: remove one of them"
        raise AddressError(message)
    return max(spec, url, key=_STRICTNESS.index)


def authority_given(address: DatabaseAddress, *, has_authority: bool) -> None:
    """Check that there is a certificate authority if the address asks for one. Raises AddressError if not."""
    if address.authority and not has_authority:
        message = (
            f"its parameter {address.authority} needs a certificate authority, and a file is not read: put the authority into a"
            " Secret that spec.tls.caSecretRef of the Connection names"
        )
        raise AddressError(message)


def _of_the_engine(scheme: str, form: UrlForm, product: str) -> None:
    usual = f"{form.schemes[0]}://"
    if not scheme:
        message = f"not a URL: an address of {product} begins with {usual}"
        raise AddressError(message)
    if scheme.partition("+")[0] not in form.schemes:
        scheme_text = f"with {scheme}:, " if _NAME.fullmatch(scheme.replace("+", "")) and len(scheme) < 20 else ""
        message = f"it begins {scheme_text}which does not match spec.type: an address of {product} begins with {usual}"
        raise AddressError(message if scheme_text else f"not a URL of {product}: it begins with {usual}")


def _placed(parts: SplitResult) -> DatabaseAddress:
    """The address without its parameters."""
    credential, _, place = parts.netloc.rpartition("@")
    if parts.fragment or (not credential and "@" in parts.path + parts.query) or "@" in parts.path:
        raise AddressError(_MALFORMED)
    if "," in place:
        raise AddressError(_SEVERAL_HOSTS)
    user, _, password = credential.partition(":")
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    return DatabaseAddress(
        host=_host(unquote(host)),
        port=_port(port),
        database=unquote(parts.path.removeprefix("/")),
        username=unquote(user),
        password=unquote(password),
    )


def _host(host: str) -> str:
    if "," in host:
        raise AddressError(_SEVERAL_HOSTS)
    return host if host.startswith("/") else checked(host.lower())


def _port(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) < 65536:
        raise AddressError(_MALFORMED)
    return int(text)


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote(name), unquote(value)


def _words(text: str) -> list[tuple[str, str]]:
    """The `name=value` words of an address, as libpq reads them: values with spaces in single quotes, a backslash before the next character."""
    words, at = [], 0
    text = text.rstrip()
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            message = "not a list of name=value words: put values with spaces in single quotes, and a backslash before \\ and '"
            raise AddressError(message)
        value = word["quoted"] if word["quoted"] is not None else word["bare"]
        words.append((word["name"], re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)))
        at = word.end()
    return words


def _by_parameters(address: DatabaseAddress, pairs: list[tuple[str, str]], form: UrlForm) -> DatabaseAddress:
    for name, value in pairs:
        if not _NAME.fullmatch(name):
            raise AddressError(_MALFORMED)
        if name not in form.parameters:
            message = f"its parameter {name} is not supported: remove it, if a migration does not need it"
            raise AddressError(message)
        address = form.parameters[name](address, name, value)
    return address


# -- what a parameter may mean -----------------------------------------------------------------------------------------


def part(attribute: str) -> UrlParameter:
    """The parameter is a part of the address: host, database, username or password."""

    def take(address: DatabaseAddress, _name: str, value: str) -> DatabaseAddress:
        if attribute == "host":
            return replace(address, host=_host(value))
        if attribute == "port":
            return replace(address, port=_port(value))
        fields: dict[str, str] = {attribute: value}
        return replace(address, **fields)  # type: ignore[arg-type]  # these are texts

    return take


def used(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    """The client takes the parameter as it is."""
    return replace(address, parameters=(*address.parameters, (name, value)))


def seconds(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
    """The client takes the parameter, a whole number of seconds; 0 asks for no limit, and is left out."""
    if not value.isascii() or not value.isdigit():
        message = f"its parameter {name} is not a whole number of seconds"
        raise AddressError(message)
    return used(address, name, value) if int(value[:9]) else address


def harmless(address: DatabaseAddress, _name: str, _value: str) -> DatabaseAddress:
    """The parameter tunes another client, such as the pool of an application, and means nothing to a migration."""
    return address


def only(*values: str, advice: str) -> UrlParameter:
    """The parameter may ask for what is so anyway, and for nothing else."""

    def take(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
        if value.lower() in values:
            return address
        message = f"its parameter {name} is not supported{' with this value' if values else ''}: {advice}"
        raise AddressError(message)

    return take


def tls_mode(modes: Mapping[str, TlsMode | None]) -> UrlParameter:
    """The parameter names a TLS mode, in any case; None for a value that asks for nothing."""

    def take(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
        if value.lower() not in modes:
            message = f"its parameter {name} has none of the values {', '.join(modes)}"
            raise AddressError(message)
        mode = modes[value.lower()]
        if mode is None or (address.tls and _STRICTNESS.index(address.tls) > _STRICTNESS.index(mode)):
            return address
        return replace(address, tls=mode)

    return take


def authority(*system: str) -> UrlParameter:
    """The parameter names a file of certificate authorities; those that begin as listed are the system's."""

    def take(address: DatabaseAddress, name: str, value: str) -> DatabaseAddress:
        return address if value.startswith(system) else replace(address, authority=name)

    return take


def is_true(value: str) -> bool:
    """Whether the value of a parameter switches something on."""
    return value.lower() in {"", "1", "true", "yes", "on"}
