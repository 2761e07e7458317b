"""Supabase's Management API and Appwrite's server API as their documents have them, as far as a database for an app asks.

Requests are held against the documented bodies; projects come up in time; keys may be null, rate limits strike, answers get lost, and an
organization's key may make projects and no keys.
"""

from __future__ import annotations

import json
import random
import string
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.quiet import Listening, QuietHandler


class Served(Listening, ABC):
    """A server that answers by `answer`. `limited` and `lost` count what is still to go wrong."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(_Handler, (host, port))
        self.limited = 0
        self.lost = 0
        self.asked: list[str] = []
        self.url = f"http://{host}:{self.ports[0]}"

    @abstractmethod
    def answer(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, object]:
        """Status and body."""


class _Handler(QuietHandler):
    service: Served

    def handled(self) -> None:
        """Whatever is asked."""
        body = json.loads(self.body() or b"{}")
        self.service.asked.append(f"{self.command} {self.path}")
        headers = {k.lower(): v for k, v in self.headers.items()}
        if self.service.limited:
            self.service.limited -= 1
            status, document, more = 429, {"message": "Too Many Requests"}, {"Retry-After": "7"}
        else:
            (status, document), more = self.service.answer(self.command, self.path, headers, body), {}
        if self.service.lost and self.command == "POST":
            self.service.lost -= 1
            self.close_connection = True
            return
        self.answer(status, json.dumps(document).encode(), {"Content-Type": "application/json", **more})


@dataclass
class _Project:
    name: str
    organization: str
    password: str
    statuses: list[str] = field(default_factory=lambda: ["COMING_UP", "COMING_UP", "ACTIVE_HEALTHY"])


class Supabase(Served):
    """`becomes` is what new projects go through."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.organizations = ["acme"]
        self.projects: dict[str, _Project] = {}
        self.becomes = ["COMING_UP", "COMING_UP", "ACTIVE_HEALTHY"]
        self.legacy = False

    def answer(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, object]:
        """As the OpenAPI document has it; and the data API of one project, which its secret key opens."""
        url = urlsplit(path)
        if url.path == "/rest/v1/":
            right = headers.get("apikey") == "sb_secret_good"
            return (200, {"swagger": "2.0"}) if right else (401, {"message": "Invalid API key"})
        if headers.get("authorization") != "Bearer sbp_good":
            return 401, {"message": "Unauthorized"}
        parts = url.path.strip("/").split("/")
        if parts == ["v1", "organizations"]:
            return 200, [{"id": slug, "slug": slug, "name": slug.title()} for slug in self.organizations]
        if parts == ["v1", "projects"]:
            return self._create(body) if method == "POST" else (200, [self._project_document(ref) for ref in self.projects])
        ref = parts[2] if parts[:2] == ["v1", "projects"] else ""
        if ref not in self.projects:
            return 404, {"message": "Project not found"}
        return self._answer_of(ref, "/".join(parts[3:]), url.query)

    def _create(self, body: dict[str, Any]) -> tuple[int, object]:
        allowed = {"db_pass", "name", "organization_slug", "region_selection", "desired_instance_size"}
        selection = body.get("region_selection", {})
        if (
            set(body) - allowed
            or not {"db_pass", "name", "organization_slug"} <= set(body)
            or selection.get("type") not in {"specific", "smartGroup"}
        ):
            return 400, {"message": "body does not match the schema"}
        if body["organization_slug"] not in self.organizations:
            return 403, {"message": "Forbidden resource"}
        ref = "".join(random.choices(string.ascii_lowercase, k=20))
        self.projects[ref] = _Project(body["name"], body["organization_slug"], body["db_pass"], list(self.becomes))
        return 201, self._project_document(ref)

    def _project_document(self, ref: str) -> dict[str, Any]:
        project = self.projects[ref]
        return {
            "id": ref,
            "ref": ref,
            "organization_id": project.organization,
            "organization_slug": project.organization,
            "name": project.name,
            "region": "us-east-1",
            "created_at": "2026-01-01T00:00:00Z",
            "status": project.statuses[0],
        }

    def _answer_of(self, ref: str, resource: str, query: str) -> tuple[int, object]:
        project = self.projects[ref]
        if resource == "":
            if len(project.statuses) > 1:
                project.statuses.pop(0)
            return 200, {**self._project_document(ref), "database": {"host": f"db.{ref}.supabase.co", "version": "17.4"}}
        if resource == "health":
            return 200, [{"name": "db", "healthy": True, "status": "ACTIVE_HEALTHY"}] if "services=db" in query else (400, {})
        if resource == "api-keys":
            reveals = "reveal=true" in query
            legacy = [
                {"name": "anon", "type": "legacy", "api_key": "eyJ-anon"},
                {"name": "service_role", "type": "legacy", "api_key": "eyJ-role"},
            ]
            newer = [
                {"name": "default", "type": "publishable", "api_key": "sb_pub"},
                {"name": "default", "type": "secret", "api_key": "sb_sec" if reveals else None},
            ]
            return 200, legacy if self.legacy else [*newer, *legacy]
        if resource == "config/database/pooler":
            pooler = {
                "identifier": ref,
                "database_type": "PRIMARY",
                "db_user": f"postgres.{ref}",
                "db_host": "pooler.supabase.com",
                "db_port": 6543,
            }
            return 200, [{**pooler, "db_name": "postgres", "pool_mode": "transaction"}]
        return 404, {"message": "Not Found"}


class Appwrite(Served):
    """`session` is the console's cookie, `organization` an organization's key."""

    def __init__(self) -> None:
        super().__init__()
        self.projects: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.databases: set[tuple[str, str]] = set()

    def answer(  # noqa: PLR0911  a table of routes
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, object]:
        """As the server's code has it."""
        parts = urlsplit(path).path.strip("/").split("/")[1:]
        project, key = headers.get("x-appwrite-project", ""), headers.get("x-appwrite-key", "")
        console = "a_session_console=cookie" in headers.get("cookie", "")
        if method == "POST" and parts == ["organization", "projects"]:
            return self._project(body) if key == "org_key" and headers.get("x-appwrite-organization") else _denied()
        if method == "POST" and parts == ["projects"]:
            return self._project(body) if console and project == "console" and body.get("teamId") else _denied()
        if method == "POST" and len(parts) == 3 and parts[2] == "keys":
            return self._key(parts[1]) if console else (403, {"message": "key creation denied", "type": "key_creation_denied"})
        if self.keys.get(project) != key or not key:
            return _denied()
        if parts == ["health", "db"]:
            return 200, {"total": 1, "statuses": [{"name": "db", "status": "pass", "ping": 1}]}
        if method == "POST" and parts == ["tablesdb"]:
            exists = (project, body["databaseId"]) in self.databases
            self.databases.add((project, body["databaseId"]))
            return (
                (409, {"message": "exists", "type": "database_already_exists"}) if exists else (201, {"$id": body["databaseId"]})
            )
        return 404, {"message": "Route not found"}

    def _project(self, body: dict[str, Any]) -> tuple[int, object]:
        identifier = body["projectId"]
        if len(identifier) > 36 or set(identifier) - set(string.ascii_lowercase + string.digits + "-"):
            return 400, {"message": "Invalid projectId"}
        if identifier in self.projects:
            return 409, {"message": "exists", "type": "project_already_exists"}
        self.projects[identifier] = body["name"]
        return 201, {"$id": identifier, "name": body["name"]}

    def _key(self, project: str) -> tuple[int, object]:
        self.keys[project] = "standard_secret"
        return 201, {"$id": "k", "secret": "standard_secret", "scopes": []}


def _denied() -> tuple[int, object]:
    return 401, {"message": "missing scopes", "type": "general_unauthorized_scope", "code": 401}
