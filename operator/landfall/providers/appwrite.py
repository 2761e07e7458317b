"""Appwrite's server API, as far as the database of an app needs it. Contract: its code and documentation of version 1.9.

A project's key can be created only with a console session. An organization's key can create projects but no keys; then a user creates
the key, and the operator waits for it.
"""

from __future__ import annotations

from typing import Any

from landfall.lib import outgoing
from landfall.providers.errors import ProviderConflictError
from landfall.providers.http import ProviderRequest, send_request

SCOPES = (
    "databases.read",
    "databases.write",
    "tables.read",
    "tables.write",
    "rows.read",
    "rows.write",
    "users.read",
    "users.write",
    "files.read",
    "files.write",
)
_DATABASE = "app"


class Appwrite:
    """One endpoint (with /v1) and one identity."""

    def __init__(self, endpoint: str, client: outgoing.Client, headers: dict[str, str]) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._client = client
        self._headers = headers

    @classmethod
    def of_project(cls, endpoint: str, client: outgoing.Client, project: str, key: str) -> Appwrite:
        """With a project's own key."""
        return cls(endpoint, client, {"X-Appwrite-Project": project, "X-Appwrite-Key": key})

    @classmethod
    def of_organization(cls, endpoint: str, client: outgoing.Client, organization: str, key: str) -> Appwrite:
        """With an organization's key."""
        return cls(endpoint, client, {"X-Appwrite-Organization": organization, "X-Appwrite-Key": key})

    @classmethod
    def of_console(cls, endpoint: str, client: outgoing.Client, cookie: str, project: str = "console") -> Appwrite:
        """With a session of the console."""
        return cls(
            endpoint,
            client,
            {"X-Appwrite-Project": project, "Cookie": f"a_session_console={cookie}", "X-Appwrite-Mode": "admin"},
        )

    async def verify(self) -> None:
        """Check that the key has access to the project."""
        await self._request(ProviderRequest("GET", "/health/db", "the health of its databases"))

    async def create_project(self, identifier: str, name: str, region: str, team: str = "") -> bool:
        """Create a project with this identifier; an existing one was created by an earlier try, because identifiers are Landfall's.

        Returns:
            Whether this call created it.
        """
        body: dict[str, Any] = {
            "projectId": identifier,
            "name": name,
            **({"region": region} if region else {}),
            **({"teamId": team} if team else {}),
        }
        return await self._create(
            ProviderRequest("POST", "/projects" if team else "/organization/projects", f"the project {identifier}", body)
        )

    async def create_key(self, identifier: str, name: str) -> str:
        """Create a key of the project; requires a console session."""
        body = {"keyId": "unique()", "name": name, "scopes": list(SCOPES)}
        key = await self._request(ProviderRequest("POST", f"/projects/{identifier}/keys", f"a key of {identifier}", body))
        return str(key["secret"])

    async def create_database(self, name: str) -> str:
        """Create the database, if it does not exist, and return its identifier."""
        await self._create(
            ProviderRequest("POST", "/tablesdb", f"the database {_DATABASE}", {"databaseId": _DATABASE, "name": name})
        )
        return _DATABASE

    async def _create(self, question: ProviderRequest) -> bool:
        try:
            await self._request(question)
        except ProviderConflictError:
            return False
        return True

    async def _request(self, question: ProviderRequest) -> Any:  # noqa: ANN401  as the contract has it
        return await send_request(self._client, "Appwrite", self._endpoint, self._headers, question)


def environment(endpoint: str, project: str, key: str, database: str) -> dict[str, str]:
    """The variables for apps; the public ones also with the prefixes that bundlers pass to browsers."""
    variables = {
        "APPWRITE_ENDPOINT": endpoint,
        "APPWRITE_PROJECT_ID": project,
        "APPWRITE_API_KEY": key,
        "APPWRITE_DATABASE_ID": database,
    }
    for prefix in ("NEXT_PUBLIC", "VITE"):
        variables |= {f"{prefix}_APPWRITE_ENDPOINT": endpoint, f"{prefix}_APPWRITE_PROJECT_ID": project}
    return {k: v for k, v in variables.items() if v}
