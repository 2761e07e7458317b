"""How a server may ask for a password: one policy, translated for every client, as `tls` is for encryption.

The rules: a password is sent in clear text only where it cannot be read on the network, or where the address asks for it. A login by
SCRAM counts only after the server's signature has shown that it knows the password.
"""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.clients import tls
from landfall.engine.clients.ca_file import authority_file
from landfall.engine.errors import CredentialRefusedError
from landfall.engine.model.options import AuthMethod, Endpoint

_ASKED_FOR = {
    "a cleartext password": AuthMethod.PASSWORD,
    "an MD5 ": AuthMethod.MD5,
    "a hashed password": AuthMethod.MD5,
    "SASL authentication": AuthMethod.SCRAM,
    "did not complete authentication": AuthMethod.NONE,
}
UNFULFILLED = "authentication method requirement"
"""What libpq's message contains if the server asks for another method than those allowed."""

_MYSQL_WITHOUT_KEY = "mysql_native_password,client_ed25519,parsec"
"""Methods that reveal no password without TLS. For `caching_sha2_password` and `sha256_password` the server's key would be taken unseen."""


def accepted(endpoint: Endpoint, *, private: bool) -> frozenset[AuthMethod]:
    """Return the methods that a server may use. `private`: the connection is encrypted, or does not leave the machine."""
    methods = endpoint.login.methods or frozenset(AuthMethod)
    if endpoint.login.channel_binding:
        methods &= {AuthMethod.SCRAM}
    return methods if private or endpoint.login.clear_text else methods - {AuthMethod.PASSWORD}


@dataclass(frozen=True, slots=True)
class LibpqAttempt:
    """Connection parameters for libpq, and the methods that they allow."""

    parameters: dict[str, str]
    methods: frozenset[AuthMethod]


def libpq(endpoint: Endpoint) -> tuple[LibpqAttempt, ...]:
    """Return the attempts by which libpq connects, the next one only where the server asks for another method.

    Two attempts are needed because libpq accepts an unfinished SCRAM exchange where it accepts servers that ask for no password, and
    because it cannot tie a method to TLS where TLS is optional.
    """
    policy = tls.policy(endpoint)
    local = endpoint.host.startswith("/")
    methods = accepted(endpoint, private=local or policy.encrypt is tls.Encrypt.ALWAYS)
    base_parameters = tls.libpq(policy)
    if endpoint.login.channel_binding:
        base_parameters["channel_binding"] = "require"
    if not endpoint.password:
        return (_attempt(base_parameters, methods),)
    attempts = [(base_parameters, methods - {AuthMethod.NONE})]
    if policy.encrypt is tls.Encrypt.IF_OFFERED and AuthMethod.PASSWORD in accepted(endpoint, private=True) - methods:
        attempts.append(({**base_parameters, "sslmode": "require"}, frozenset({AuthMethod.PASSWORD})))
    if AuthMethod.NONE in methods:
        attempts.append((base_parameters, frozenset({AuthMethod.NONE})))
    return tuple(_attempt(parameters, allowed) for parameters, allowed in attempts if allowed)


def _attempt(parameters: dict[str, str], methods: frozenset[AuthMethod]) -> LibpqAttempt:
    return LibpqAttempt({**parameters, "require_auth": ",".join(sorted(methods))}, methods)


def asked_for(text: str) -> AuthMethod | None:
    """The method that a server asked for, from libpq's message that it is not allowed; None if it is another one."""
    return next((method for words, method in _ASKED_FOR.items() if words in text), None)


def not_accepted(method: AuthMethod | None, endpoint: Endpoint, side: str) -> CredentialRefusedError:
    """The error for a server that asks for a method that is not accepted; None for one that is not supported."""
    if method is AuthMethod.PASSWORD and not endpoint.login.methods:
        message = (
            f"{side}: the server at {endpoint.host} asks for the password in clear text, and the connection is not encrypted"
        )
        advice = (
            "Enable TLS on the server and set `tls.mode: Require`, or use scram-sha-256 in its pg_hba.conf. To send it in clear"
            " text nevertheless, give the Secret a `url` with the parameter require_auth=password."
        )
        return CredentialRefusedError(message, advice=advice)
    if method is AuthMethod.NONE:
        return unproven(endpoint, side)
    method_text = f"authentication by {method}" if method else "an authentication method that is not supported"
    message = f"{side}: the server at {endpoint.host} asks for {method_text}, which the Connection does not accept"
    return CredentialRefusedError(
        message, advice="Use scram-sha-256 in its pg_hba.conf, or correct require_auth in the Secret's `url`."
    )


def unproven(endpoint: Endpoint, side: str) -> CredentialRefusedError:
    """The error for a server that lets a session in without a signature that shows that it knows the password."""
    message = f"{side}: the server at {endpoint.host} did not prove that it knows the password of the user"
    advice = "Check that the host is the database server and nothing stands in its place; set `tls.mode: VerifyFull`."
    return CredentialRefusedError(message, advice=advice)


def mysql(endpoint: Endpoint, fingerprints: frozenset[str]) -> dict[str, object]:
    """Return arguments for the client library of MySQL and MariaDB.

    Args:
        endpoint: The server.
        fingerprints: SHA-1 of certificates of which the server has to show one; none if the connection is not encrypted.
    """
    options = []
    if fingerprints:
        options.append("ssl-fplist=" + authority_file("".join(f"{digest}\n" for digest in sorted(fingerprints))))
    elif not endpoint.login.clear_text:
        options.append(f"restricted-auth={_MYSQL_WITHOUT_KEY}")
    if not options:
        return {}
    return {"read_default_file": authority_file("\n".join(("[landfall]", *options, ""))), "read_default_group": "landfall"}
