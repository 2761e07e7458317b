"""An app's database at a provider: created once, or verified, and its environment stored in a Secret.

Values that must survive a crash are stored in the Secret before a call that cannot be undone: first the name and password of a project,
then, after the request, its reference. After a lost response, the next reconcile looks for the name first. The Secret has no owner:
deleting a Deployment deletes neither a database nor its password.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from landfall.api.deployment import AppDatabase, KeyReference, ValueFrom, Variable
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.controllers.context import Context, log_write
from landfall.controllers.deployment.environment import content
from landfall.kube.client import Object
from landfall.lib import outgoing
from landfall.lib import urls as addresses
from landfall.lib.digest import digest
from landfall.manifests.release import encoded
from landfall.providers import appwrite, supabase
from landfall.providers.appwrite import Appwrite
from landfall.providers.errors import ProviderError
from landfall.providers.outside import checked_addresses, forbidden
from landfall.providers.supabase import Supabase

_OURS = frozenset({"landfall-project", "landfall-password", "landfall-ref", "landfall-ready"})
_REGION = "americas"
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Prepared:
    """The app's environment and the provider's name of the database; or why it is not ready, and seconds until the next reconcile."""

    given: tuple[Variable, ...] = ()
    problem: tuple[str, str] | None = None
    again_seconds: float | None = None
    project: str = ""


class _Own:
    """The Secret with the state of the database."""

    def __init__(self, context: Context, deployment: Object, secret_data: dict[str, str] | None) -> None:
        self._context = context
        self._deployment = deployment
        self._metadata = deployment["metadata"]
        self.name = f"{self._metadata['name']}-database"
        self.held = secret_data

    async def begin(self, **values: str) -> None:
        """Create the Secret with what is about to be requested."""
        labels = {LABEL_DEPLOYMENT: self._metadata["name"], "app.kubernetes.io/managed-by": "landfall"}
        metadata = {"name": self.name, "namespace": self._metadata["namespace"], "labels": labels}
        await self._context.kube.create(
            "Secret", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded(values)}
        )
        self._log("create_database_secret", values)
        self.held = dict(values)

    async def add(self, **values: str) -> None:
        """Add values."""
        change = [{"op": "add", "path": f"/data/{k}", "value": v} for k, v in encoded(values).items()]
        await self._context.kube.patch("Secret", self._metadata["namespace"], self.name, change)
        self._log("add_to_database_secret", values)
        self.held = {**(self.held or {}), **values}

    def _log(self, action: str, values: Mapping[str, str]) -> None:
        log_write(self._deployment, action, object=self.name, keys=", ".join(sorted(values)))


async def prepared(context: Context, deployment: Object, database: AppDatabase) -> Prepared:
    """One step towards the database at each reconcile."""
    metadata = deployment["metadata"]
    reference = database.secret_ref.name if database.secret_ref else ""
    database_secret = _Own(context, deployment, await content(context, metadata["namespace"], f"{metadata['name']}-database"))
    spec_digest = digest(database.model_dump(mode="json"))
    if database_secret.held and database_secret.held.get("landfall-ready") == spec_digest:
        return Prepared(_variables_of(database_secret), project=_project(database_secret.held or {}))
    credentials = await content(context, metadata["namespace"], reference)
    if credentials is None:
        return Prepared((), ("SecretMissing", f"database: Secret {reference!r} not found in this namespace. Create it."), 15)
    steps = {
        ("Supabase", "Create"): _supabase_made,
        ("Supabase", "Connect"): _supabase,
        ("Appwrite", "Create"): _appwrite_made,
        ("Appwrite", "Connect"): _appwrite,
    }
    try:
        await _reachable(credentials, context.providers.private_hosts)
        values = await steps[database.type or "", database.action or ""](context, deployment, credentials, database_secret)
    except ProviderError as error:
        return Prepared((), (error.reason, error.message), error.after_seconds if error.retry.by_itself else 30)
    if database_secret.held is None:
        await database_secret.begin()
    await database_secret.add(**values, **{"landfall-ready": spec_digest})
    return Prepared(_variables_of(database_secret), project=_project(database_secret.held or {}))


async def _reachable(credentials: Mapping[str, str], inside: Collection[str]) -> None:
    """Raises ProviderError for a host that cannot be resolved, or whose address is internal."""
    for name in ("url", "endpoint"):
        try:
            host = addresses.split(credentials.get(name, "")).host
        except addresses.AddressError as error:
            raise ProviderError("DatabaseRefused", f"database: its Secret's key {name!r}: {error}.") from error
        if not host:
            continue
        try:
            await checked_addresses(host, inside)
        except outgoing.ForbiddenHostError as error:
            raise ProviderError("DatabaseRefused", forbidden(host)) from error
        except OSError as error:
            message = f"database: the host {host!r} in key {name!r} of its Secret cannot be resolved. It is retried."
            raise ProviderError("DatabaseUnreachable", message) from error


def _project(secret_data: Mapping[str, str]) -> str:
    """The provider's name of the project. It is not secret: browsers see it in addresses."""
    host = addresses.split(secret_data.get("SUPABASE_URL", "")).host
    return secret_data.get("landfall-ref") or secret_data.get("APPWRITE_PROJECT_ID") or host.partition(".")[0]


def _variables_of(database_secret: _Own) -> tuple[Variable, ...]:
    names = sorted(set(database_secret.held or {}) - _OURS)
    return tuple(
        Variable(name=n, value_from=ValueFrom(secret_key_ref=KeyReference(name=database_secret.name, key=n)), capture="Live")
        for n in names
    )


def _needed(credentials: Mapping[str, str], *names: str) -> None:
    missing = [n for n in names if not credentials.get(n)]
    if missing:
        keys = ", ".join(sorted(credentials)) or "none"
        message = f"database: its Secret has no key {missing[0]!r}. Its keys: {keys}."
        raise ProviderError("SecretMissing", message)


def _name(deployment: Object) -> str:
    return f"{deployment['metadata']['namespace']}-{deployment['metadata']['name']}"[:_LONGEST_NAME]


# -- Supabase ---------------------------------------------------------------------------------------------------------


async def _supabase_made(
    context: Context, deployment: Object, credentials: Mapping[str, str], database_secret: _Own
) -> dict[str, str]:
    _needed(credentials, "token")
    api = Supabase(context.providers.supabase, context.providers.client, credentials["token"])
    if not (database_secret.held and database_secret.held.get("landfall-ref")):
        await database_secret.add(**{"landfall-ref": await _supabase_asked_for(api, deployment, credentials, database_secret)})
    secret_data = database_secret.held or {}
    return await _supabase_ready(api, secret_data["landfall-ref"], secret_data["landfall-password"])


async def _supabase_asked_for(api: Supabase, deployment: Object, credentials: Mapping[str, str], database_secret: _Own) -> str:
    """The reference of the project, created now or by an earlier try whose response was lost."""
    name, organization = _name(deployment), credentials.get("organization", "")
    if not organization:
        organizations = await api.organizations()
        if len(organizations) != 1:
            message = f"database: the token has access to the organizations {', '.join(organizations) or 'none'}. Name one in the Secret's key organization."
            raise ProviderError("SecretMissing", message)
        organization = organizations[0]
    project = next((p for p in await api.projects() if (p.name, p.organization) == (name, organization)), None)
    if database_secret.held is None:
        if project:
            message = f"Supabase already has a project {name} that Landfall did not create. Use action: Connect, or rename one of the two."
            raise ProviderError("DatabaseConflict", message)
        await database_secret.begin(**{"landfall-project": name, "landfall-password": secrets.token_urlsafe(32)})
    if project is None:
        secret_data = database_secret.held or {}
        project = await api.create(name, organization, secret_data["landfall-password"], credentials.get("region", _REGION))
        log_write(deployment, "create_project", provider="Supabase", project=project.ref)
    return project.ref


async def _supabase_ready(api: Supabase, ref: str, password: str) -> dict[str, str]:
    project = await api.project(ref)
    if not project.active:
        if project.coming:
            raise ProviderError("DatabaseComing", f"the project {ref} is {project.status}.", after_seconds=5)
        raise ProviderError("DatabaseFailed", f"the project {ref} is {project.status}. Check it in Supabase's dashboard.")
    if not await api.healthy(ref):
        raise ProviderError("DatabaseComing", f"the database of {ref} is not reachable yet.", after_seconds=5)
    return supabase.environment(project, await api.keys(ref), await api.pooler(ref), password)


async def _supabase(
    context: Context, deployment: Object, credentials: Mapping[str, str], database_secret: _Own
) -> dict[str, str]:
    """An existing project: by its reference and a token, or by its URL and secret key, which give fewer values."""
    del deployment, database_secret
    if credentials.get("url") and not credentials.get("token"):
        _needed(credentials, "serviceRoleKey")
        return await supabase.environment_of_url(context.providers.user_client, credentials["url"], credentials["serviceRoleKey"])
    _needed(credentials, "token", "ref")
    api = Supabase(context.providers.supabase, context.providers.client, credentials["token"])
    return await _supabase_ready(api, credentials["ref"], credentials.get("password", ""))


# -- Appwrite ---------------------------------------------------------------------------------------------------------


async def _appwrite_made(
    context: Context, deployment: Object, credentials: Mapping[str, str], database_secret: _Own
) -> dict[str, str]:
    """With a console session, create project and key; with an organization's key, create the project, and a user creates its key."""
    _needed(credentials, "endpoint")
    if database_secret.held is None:
        await database_secret.begin(**{"landfall-project": f"lf-{secrets.token_hex(8)}"})
    project, name, client = (database_secret.held or {})["landfall-project"], _name(deployment), context.providers.user_client
    endpoint, region = credentials["endpoint"], credentials.get("region", "")
    if credentials.get("session"):
        _needed(credentials, "team")
        is_created = await Appwrite.of_console(endpoint, client, credentials["session"]).create_project(
            project, name, region, credentials["team"]
        )
        key = (database_secret.held or {}).get("APPWRITE_API_KEY") or await Appwrite.of_console(
            endpoint, client, credentials["session"], project
        ).create_key(project, "landfall")
        await database_secret.add(APPWRITE_API_KEY=key)
    else:
        _needed(credentials, "organization", "key")
        is_created = await Appwrite.of_organization(
            endpoint, client, credentials["organization"], credentials["key"]
        ).create_project(project, name, region)
        key = credentials.get("apiKey", "")
        if not key:
            message = f"project {project} is created; only a user can create its API key. Create one in Appwrite's console and add it to the database's Secret as apiKey."
            raise ProviderError("AwaitingApiKey", message)
    if is_created:
        log_write(deployment, "create_project", provider="Appwrite", project=project)
    database_id = await Appwrite.of_project(endpoint, client, project, key).create_database(name)
    log_write(deployment, "create_database", provider="Appwrite", project=project)
    return appwrite.environment(endpoint, project, key, database_id)


async def _appwrite(
    context: Context, deployment: Object, credentials: Mapping[str, str], database_secret: _Own
) -> dict[str, str]:
    """An existing project, by its key."""
    del deployment, database_secret
    _needed(credentials, "endpoint", "project", "key")
    endpoint, project, key = credentials["endpoint"], credentials["project"], credentials["key"]
    await Appwrite.of_project(endpoint, context.providers.user_client, project, key).verify()
    return appwrite.environment(endpoint, project, key, credentials.get("database", ""))
