"""An app's database at Supabase or Appwrite: made once whatever is lost, verified, and told to the app by references."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from landfall.api.deployment import AppDatabase
from landfall.controllers.context import Context
from landfall.controllers.deployment.provider_database import Prepared, prepared
from landfall.controllers.providers import Providers
from landfall.controllers.reports import Reports
from landfall.kube.client import Kube, Object
from landfall.kube.errors import AlreadyExistsError, KubeError
from tests.support.providers import Appwrite, Supabase

_DEPLOYMENT: Object = {"kind": "Deployment", "metadata": {"name": "shop", "namespace": "store", "uid": "u"}}


class Secrets:
    """The Secrets of a namespace, in memory; `fails` names the write after which the process is as good as dead."""

    def __init__(self, **data_of: dict[str, str]) -> None:
        self.held = {name: {k: base64.b64encode(v.encode()).decode() for k, v in data.items()} for name, data in data_of.items()}
        self.fails = ""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One of them."""
        assert (kind, namespace) == ("Secret", "store")
        return {"data": dict(self.held[name])} if name in self.held else None

    async def create(self, kind: str, body: Object) -> Object:
        """Another one."""
        assert kind == "Secret"
        name = body["metadata"]["name"]
        if name in self.held:
            raise AlreadyExistsError(409, name)
        assert "ownerReferences" not in body["metadata"], "it outlives the Deployment"
        self.held[name] = dict(body["data"])
        self._dies("create")
        return body

    async def patch(self, kind: str, namespace: str, name: str, operations: list[Object]) -> Object:
        """More in one."""
        del kind, namespace
        if self.fails != "before patch":
            for operation in operations:
                self.held[name][operation["path"].removeprefix("/data/")] = operation["value"]
        self._dies("patch")
        self._dies("before patch")
        return {}

    def _dies(self, at: str) -> None:
        if self.fails == at:
            self.fails = ""
            raise KubeError(0, "the answer was lost")

    def text(self, name: str) -> dict[str, str]:
        """What one holds."""
        return {k: base64.b64decode(v).decode() for k, v in self.held[name].items()}


def step(secrets: Secrets, database: dict[str, Any], supabase: str = "", inside: tuple[str, ...] = ("127.0.0.1",)) -> Prepared:
    """One look of the operator."""

    async def work() -> Prepared:
        providers = Providers.opened("", supabase, inside)
        hands = Context(
            cast("Kube", secrets),
            Reports(),
            "image",
            "",
            lambda: datetime(2026, 1, 1, tzinfo=UTC),
            cast("Any", SimpleNamespace()),
            providers,
        )
        try:
            return await prepared(hands, _DEPLOYMENT, AppDatabase.model_validate({"secretRef": {"name": "account"}, **database}))
        finally:
            await providers.close()

    return asyncio.run(work())


def until_ready(secrets: Secrets, database: dict[str, Any], supabase: str = "", looks: int = 12) -> Prepared:
    """Look until it is ready; the operator that died is started anew."""
    prepared = Prepared()
    for _ in range(looks):
        try:
            prepared = step(secrets, database, supabase)
        except KubeError:
            continue
        if prepared.problem is None:
            return prepared
    return prepared


@pytest.fixture
def supabase() -> Iterator[Supabase]:
    """The provider."""
    with Supabase() as fake:
        yield fake


@pytest.fixture
def appwrite() -> Iterator[Appwrite]:
    """The other one."""
    with Appwrite() as fake:
        yield fake


_CREATE = {"type": "Supabase", "action": "Create"}


@pytest.mark.parametrize("fault", ["", "create", "patch", "before patch", "lost", "limited"])
def test_supabase_is_made_once_whatever_is_lost(supabase: Supabase, fault: str) -> None:
    secrets = Secrets(account={"token": "sbp_good"})
    secrets.fails = fault if fault in {"create", "patch", "before patch"} else ""
    supabase.lost, supabase.limited = int(fault == "lost"), int(fault == "limited")
    prepared = until_ready(secrets, _CREATE, supabase.url)
    assert prepared.problem is None
    assert len(supabase.projects) == 1, "never a second project"
    (ref, project), variables = next(iter(supabase.projects.items())), secrets.text("shop-database")
    assert project.name == "store-shop"
    assert variables["landfall-password"] == project.password
    assert variables["SUPABASE_URL"] == variables["NEXT_PUBLIC_SUPABASE_URL"] == f"https://{ref}.supabase.co"
    assert (variables["VITE_SUPABASE_ANON_KEY"], variables["SUPABASE_SERVICE_ROLE_KEY"]) == ("sb_pub", "sb_sec")
    assert variables["DATABASE_URL"] == f"postgresql://postgres.{ref}:{project.password}@pooler.supabase.com:6543/postgres"
    names = {v.name for v in prepared.given}
    assert "SUPABASE_SERVICE_ROLE_KEY" in names
    assert not {n for n in names if n.startswith("landfall")}
    assert all(v.capture == "Live" and v.value is None for v in prepared.given)
    requests_before = len(supabase.asked)
    assert step(secrets, _CREATE, supabase.url).given == prepared.given
    assert len(supabase.asked) == requests_before, "what is ready is not asked about again"


def test_supabase_says_what_it_waits_for(supabase: Supabase) -> None:
    secrets = Secrets(account={"token": "sbp_good"})
    supabase.limited = 1
    prepared = step(secrets, _CREATE, supabase.url)
    assert (prepared.problem or ("",))[0] == "RateLimited"
    assert prepared.again_seconds == 7
    prepared = step(secrets, _CREATE, supabase.url)
    assert (prepared.problem or ("",))[0] == "DatabaseComing"
    assert "COMING_UP" in (prepared.problem or ("", ""))[1]


def test_supabase_in_the_way(supabase: Supabase) -> None:
    account = Secrets(account={"token": "sbp_good"})
    supabase.organizations = ["acme", "umbrella"]
    assert "acme, umbrella" in (step(account, _CREATE, supabase.url).problem or ("", ""))[1]
    supabase.organizations = ["acme"]
    for secrets, reason in (
        (Secrets(), "SecretMissing"),
        (Secrets(account={"key": "x"}), "SecretMissing"),
        (Secrets(account={"token": "sbp_old"}), "DatabaseRefused"),
        (Secrets(account={"token": "sbp_good", "organization": "nobody"}), "DatabaseRefused"),
    ):
        assert (step(secrets, _CREATE, supabase.url).problem or ("",))[0] == reason
    assert supabase.projects == {}
    until_ready(account, _CREATE, supabase.url)
    stranger = Secrets(account={"token": "sbp_good"})
    assert (step(stranger, _CREATE, supabase.url).problem or ("",))[0] == "DatabaseConflict"
    supabase.becomes = ["INIT_FAILED"]
    supabase.projects.clear()
    prepared = until_ready(Secrets(account={"token": "sbp_good"}), _CREATE, supabase.url, 3)
    assert (prepared.problem or ("",))[0] == "DatabaseFailed"
    assert len(supabase.projects) == 1
    assert (step(account, _CREATE, "http://127.0.0.1:9").problem or ("none",))[0] == "none", "what is ready stays so"
    assert (step(Secrets(account={"token": "x"}), _CREATE, "http://127.0.0.1:9").problem or ("",))[0] == "DatabaseUnreachable"


def test_supabase_is_connected_to(supabase: Supabase) -> None:
    supabase.legacy = True
    until_ready(Secrets(account={"token": "sbp_good"}), _CREATE, supabase.url)
    ref = next(iter(supabase.projects))
    connect = {"type": "Supabase", "action": "Connect"}
    secrets = Secrets(account={"token": "sbp_good", "ref": ref, "password": "p@ss"})
    assert step(secrets, connect, supabase.url).problem is None
    variables = secrets.text("shop-database")
    assert variables["SUPABASE_ANON_KEY"] == "eyJ-anon"
    assert ":p%40ss@" in variables["DATABASE_URL"]
    missing = Secrets(account={"token": "sbp_good", "ref": "nobody"})
    assert (step(missing, connect, supabase.url).problem or ("",))[0] == "DatabaseMissing"


def test_supabase_is_connected_to_by_its_address_and_its_key(supabase: Supabase) -> None:
    connect = {"type": "Supabase", "action": "Connect"}
    secrets = Secrets(account={"url": f"{supabase.url}/", "serviceRoleKey": "sb_secret_good"})
    assert step(secrets, connect).problem is None
    variables = secrets.text("shop-database")
    assert (variables["SUPABASE_URL"], variables["SUPABASE_SERVICE_ROLE_KEY"]) == (supabase.url, "sb_secret_good")
    assert "NEXT_PUBLIC_SUPABASE_SERVICE_ROLE_KEY" not in variables
    wrong = Secrets(account={"url": supabase.url, "serviceRoleKey": "sb_secret_old"})
    assert (step(wrong, connect).problem or ("",))[0] == "DatabaseRefused"
    assert (step(Secrets(account={"url": supabase.url}), connect).problem or ("",))[0] == "SecretMissing"


@pytest.mark.parametrize("fault", ["", "create", "patch", "lost"])
def test_appwrite_is_made_by_a_console_session(appwrite: Appwrite, fault: str) -> None:
    secrets = Secrets(account={"endpoint": f"{appwrite.url}/v1", "session": "cookie", "team": "t"})
    secrets.fails = fault if fault in {"create", "patch"} else ""
    appwrite.lost = int(fault == "lost")
    database = {"type": "Appwrite", "action": "Create"}
    assert until_ready(secrets, database).problem is None
    assert len(appwrite.projects) == 1
    variables = secrets.text("shop-database")
    assert variables["APPWRITE_PROJECT_ID"] == variables["VITE_APPWRITE_PROJECT_ID"] == next(iter(appwrite.projects))
    assert (variables["APPWRITE_API_KEY"], variables["APPWRITE_DATABASE_ID"]) == ("standard_secret", "app")


def test_appwrite_waits_for_the_key_that_only_a_person_can_make(appwrite: Appwrite) -> None:
    database, account = (
        {"type": "Appwrite", "action": "Create"},
        {"endpoint": f"{appwrite.url}/v1", "organization": "o", "key": "org_key"},
    )
    secrets = Secrets(account=account)
    prepared = until_ready(secrets, database, looks=2)
    assert (prepared.problem or ("",))[0] == "AwaitingApiKey"
    project = next(iter(appwrite.projects))
    appwrite.keys[project] = "standard_mine"
    secrets.held["account"]["apiKey"] = base64.b64encode(b"standard_mine").decode()
    assert until_ready(secrets, database).problem is None
    assert len(appwrite.projects) == 1


def test_appwrite_is_connected_to(appwrite: Appwrite) -> None:
    appwrite.keys["mine"] = "standard_mine"
    database = {"type": "Appwrite", "action": "Connect"}
    good = {"endpoint": f"{appwrite.url}/v1", "project": "mine", "key": "standard_mine"}
    assert step(Secrets(account=good), database).problem is None
    assert (step(Secrets(account={**good, "key": "x"}), database).problem or ("",))[0] == "DatabaseRefused"
    assert "'project'" in (step(Secrets(account={"endpoint": "x"}), database).problem or ("", ""))[1]


@pytest.mark.parametrize(
    ("database", "account", "reason", "words"),
    [
        (
            {"type": "Supabase"},
            {"url": "http://169.254.169.254", "serviceRoleKey": "k"},
            "DatabaseRefused",
            "builds.privateHosts",
        ),
        ({"type": "Appwrite"}, {"endpoint": "http://10.96.0.1/v1", "project": "p", "key": "k"}, "DatabaseRefused", "10.96.0.1"),
        (
            {"type": "Supabase"},
            {"url": "http://nowhere.invalid", "serviceRoleKey": "k"},
            "DatabaseUnreachable",
            "nowhere.invalid",
        ),
    ],
)
def test_what_only_the_operator_can_reach_is_not_asked(
    database: dict[str, Any], account: dict[str, str], reason: str, words: str
) -> None:
    problem = step(Secrets(account=account), {**database, "action": "Connect"}, inside=()).problem
    assert problem
    assert problem[0] == reason
    assert words in problem[1]
