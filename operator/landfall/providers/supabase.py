"""Supabase's Management API, as far as the database of an app needs it. Contract: its OpenAPI document of June 2026.

Creation has no idempotency key: after a lost response, look for the project by its name before creating it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from landfall.lib import outgoing
from landfall.providers.errors import ProviderError
from landfall.providers.http import ProviderRequest, send_request

BASE = "https://api.supabase.com"
_COMING = frozenset({"COMING_UP", "UNKNOWN", "RESTORING", "UPGRADING", "RESTARTING", "RESIZING", "ACTIVE_UNHEALTHY"})


@dataclass(frozen=True, slots=True)
class Project:
    """A project. `status` is the provider's word."""

    ref: str
    name: str
    organization: str
    status: str
    host: str = ""

    @property
    def active(self) -> bool:
        """Whether it can be used."""
        return self.status == "ACTIVE_HEALTHY"

    @property
    def coming(self) -> bool:
        """Whether it will be usable without any action."""
        return self.status in _COMING


@dataclass(frozen=True, slots=True)
class Pooler:
    """The address of pooled connections."""

    host: str
    port: int
    user: str
    database: str


class Supabase:
    """The projects of one account, by its token."""

    def __init__(self, base: str, client: outgoing.Client, token: str) -> None:
        self._base = base
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    async def organizations(self) -> tuple[str, ...]:
        """The slugs of the organizations."""
        return tuple(str(organization["slug"]) for organization in await self._get("/v1/organizations", "its organizations"))

    async def projects(self) -> tuple[Project, ...]:
        """All projects that the token has access to."""
        return tuple(_project(project) for project in await self._get("/v1/projects", "its projects"))

    async def project(self, ref: str) -> Project:
        """One project."""
        return _project(await self._get(f"/v1/projects/{ref}", f"the project {ref}"))

    async def create(self, name: str, organization: str, password: str, region: str) -> Project:
        """Create a project. `region`: a region code of the provider, or a group: americas, emea, apac."""
        smart = region in {"americas", "emea", "apac"}
        body = {
            "name": name,
            "organization_slug": organization,
            "db_pass": password,
            "region_selection": {"type": "smartGroup" if smart else "specific", "code": region},
        }
        return _project(await self._request(ProviderRequest("POST", "/v1/projects", f"a project in {organization}", body)))

    async def healthy(self, ref: str) -> bool:
        """Whether its database is healthy."""
        services = await self._get(f"/v1/projects/{ref}/health?services=db", f"the health of {ref}")
        return all(service["status"] == "ACTIVE_HEALTHY" for service in services)

    async def keys(self, ref: str) -> Mapping[str, str]:
        """Its API keys: `public`, for browsers, and `secret`. Newer kinds are preferred to legacy ones."""
        keys = await self._get(f"/v1/projects/{ref}/api-keys?reveal=true", f"the keys of {ref}")
        values: dict[str, str] = {}
        for kind, name, word in (
            ("legacy", "anon", "public"),
            ("legacy", "service_role", "secret"),
            ("publishable", "", "public"),
            ("secret", "", "secret"),
        ):
            for key in keys:
                if key.get("api_key") and (key.get("type") or "legacy") == kind and name in {"", key["name"]}:
                    values[word] = str(key["api_key"])
        return values

    async def pooler(self, ref: str) -> Pooler:
        """The address of its pooled connections."""
        poolers = await self._get(f"/v1/projects/{ref}/config/database/pooler", f"the pooler of {ref}")
        primary = next((p for p in poolers if p["database_type"] == "PRIMARY"), None)
        if primary is None:
            raise ProviderError("DatabaseUnreachable", f"project {ref} has no pooler yet.", after_seconds=5)
        return Pooler(str(primary["db_host"]), int(primary["db_port"]), str(primary["db_user"]), str(primary["db_name"]))

    async def _get(self, path: str, subject: str) -> Any:  # noqa: ANN401  as the contract has it
        return await self._request(ProviderRequest("GET", path, subject))

    async def _request(self, question: ProviderRequest) -> Any:  # noqa: ANN401  as the contract has it
        return await send_request(self._client, "Supabase", self._base, self._headers, question)


async def environment_of_url(client: outgoing.Client, url: str, key: str) -> dict[str, str]:
    """The variables of a project of which only the URL and the secret key are known, after checking the key. Raises ProviderError."""
    base = url.rstrip("/")
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    await send_request(client, "Supabase", base, headers, ProviderRequest("GET", "/rest/v1/", "the data API of the project"))
    return {"SUPABASE_URL": base, "SUPABASE_SERVICE_ROLE_KEY": key, "NEXT_PUBLIC_SUPABASE_URL": base, "VITE_SUPABASE_URL": base}


def _project(project: Mapping[str, Any]) -> Project:
    organization = str(project.get("organization_slug") or project.get("organization_id") or "")
    host = str((project.get("database") or {}).get("host", ""))
    return Project(str(project["ref"]), str(project["name"]), organization, str(project["status"]), host)


def environment(project: Project, keys: Mapping[str, str], pooler: Pooler, password: str) -> dict[str, str]:
    """The variables that libraries expect, for servers; the public ones also with the prefixes that bundlers pass to browsers."""
    url = f"https://{project.ref}.supabase.co"
    public, secret = keys.get("public", ""), keys.get("secret", "")
    variables = {"SUPABASE_URL": url, "SUPABASE_ANON_KEY": public, "SUPABASE_SERVICE_ROLE_KEY": secret}
    for prefix in ("NEXT_PUBLIC", "VITE"):
        variables |= {f"{prefix}_SUPABASE_URL": url, f"{prefix}_SUPABASE_ANON_KEY": public}
    return {k: v for k, v in (variables | (_postgresql(project, pooler, password) if password else {})).items() if v}


def _postgresql(project: Project, pooler: Pooler, password: str) -> dict[str, str]:
    """The variables of the database. The main URL is the pooled one, because the direct one is reachable only over IPv6."""
    word = quote(password, safe="")
    direct = f"postgresql://postgres:{word}@{project.host}:5432/postgres"
    pooled = f"postgresql://{pooler.user}:{word}@{pooler.host}:{pooler.port}/{pooler.database}"
    return {
        "POSTGRES_URL": pooled,
        "POSTGRES_PRISMA_URL": f"{pooled}?pgbouncer=true&connection_limit=1",
        "POSTGRES_URL_NON_POOLING": direct,
        "POSTGRES_HOST": project.host,
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DATABASE": "postgres",
        "DATABASE_URL": pooled,
    }
