"""Addresses that are none: told in words by whoever takes them, and with no letter of a password."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from landfall.api.connection import Connection
from landfall.api.deployment import GitSource, ZipSource
from landfall.api.webhook import Webhook
from landfall.builds.fetch import Archive, SourceError, fetched
from landfall.engine.errors import SpecError
from landfall.errors import Retry
from landfall.lib import outgoing
from landfall.lib import urls as addresses
from landfall.notifications.send import NotDeliveredError, ping
from landfall.providers import git
from landfall.providers.errors import ProviderError
from landfall.runspec import RunInputs, endpoint

_LONG = "a" * 64
HOOK = Webhook.model_validate({"metadata": {"name": "ops", "namespace": "store"}, "spec": {"secretRef": {"name": "hook"}}})
_NO_HOSTS = (f"{_LONG}.example", "db..example", "db..db", ".example", "é" * 63)


def ends(url: str = "", **spec: object) -> RunInputs:
    raw = {"metadata": {"name": "shop"}, "spec": {"type": "PostgreSQL", "secretRef": {"name": "door"}, **spec}}
    return RunInputs({"shop": Connection.model_validate(raw)}, lambda *_: {"url": url} if url else {}, {"shop": Path()})


@pytest.mark.parametrize("host", ["db", "db.example.", "127.0.0.1", "::1", "fe80::1%eth0", "bücher.example", "a_b.example"])
def test_a_host_stays_as_it_is(host: str) -> None:
    assert addresses.checked(host) == host


@pytest.mark.parametrize("host", _NO_HOSTS)
def test_what_no_resolver_takes_is_no_host(host: str) -> None:
    with pytest.raises(
        addresses.AddressError, match="is not a valid host name: each label between dots must have 1 to 63 characters"
    ):
        addresses.checked(host)


@given(st.text(max_size=60))
def test_any_text_is_read_or_is_told_to_be_none(text: str) -> None:
    for url in (text, f"https://{text}", f"postgresql://u:{text}@db/shop"):
        with contextlib.suppress(addresses.AddressError):
            addresses.split(url)


@pytest.mark.parametrize("letter", ["#", "/", "?", "["])
def test_a_password_with_a_letter_of_urls_is_told_and_not_shown(letter: str) -> None:
    with pytest.raises(SpecError, match=r"its Secret's url: not a valid URL.*%23 for #") as caught:
        endpoint("shop", ends(f"postgresql://sailor:hun{letter}ter2@db.example/shop"), "source")
    assert "ter2" not in str(caught.value)
    assert "hun" not in str(caught.value)
    good = f"postgresql://sailor:hun%{ord(letter):02X}ter2@db.example:5433/shop"
    resolved = endpoint("shop", ends(good), "source")
    assert (resolved.host, resolved.port, resolved.database, resolved.password) == (
        "db.example",
        5433,
        "shop",
        f"hun{letter}ter2",
    )


@pytest.mark.parametrize("host", _NO_HOSTS)
def test_a_host_that_is_none_is_told_by_whoever_takes_it(host: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"source: Connection shop, its Secret's url: .* is not a valid host name"):
        endpoint("shop", ends(f"postgresql://u:p@{host}/shop"), "source")
    with pytest.raises(ProviderError, match=r"source.git.url: .* is not a valid host name") as caught:
        asyncio.run(git.head(outgoing.client(), git.Remote(f"https://{host}/shop.git")))
    assert (caught.value.reason, caught.value.retry) == ("SourceMissing", Retry.AFTER_CHANGE)
    with pytest.raises(SourceError, match="has no valid host"):
        asyncio.run(fetched(Archive(f"https://{host}/shop.zip"), tmp_path, tmp_path / "app"))
    with pytest.raises(NotDeliveredError, match=r"its url: .* is not a valid host name"):
        ping(HOOK, lambda _: {"url": f"https://{host}/hook", "key": "k3y"}, lambda _: None)


@pytest.mark.parametrize("host", _NO_HOSTS)
def test_the_kinds_refuse_it_at_once(host: str) -> None:
    with pytest.raises(ValidationError, match="host is not a valid host name"):
        ends(host=host)
    with pytest.raises(ValidationError, match="url"):
        GitSource(url=f"https://{host}/shop.git")
    with pytest.raises(ValidationError, match="url"):
        ZipSource(url=f"https://{host}/shop.zip", sha256="0" * 64)


@pytest.mark.parametrize(
    "url", ["https://git.example/a/b.git", "http://[::1]:3000/a", "https://git.example:8443", "http://a_b/c?d"]
)
def test_addresses_of_repositories_are_taken(url: str) -> None:
    assert GitSource(url=url).url == url


@pytest.mark.parametrize("host", ["/var/run/postgresql", f"/{_LONG}/{_LONG}", "::1", "fe80::1%eth0", "10.0.0.7", "db.shop.svc"])
def test_hosts_of_connections_are_taken(host: str) -> None:
    assert endpoint("shop", ends(host=host), "source").host == host
