"""An app's environment: the captured values of a Release, read from Secrets and ConfigMaps by name."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable

from landfall.api.deployment import Variable
from landfall.controllers.context import Context, log_write
from landfall.controllers.deployment.observed import DeploymentProblem
from landfall.kube.client import Object
from landfall.manifests.release import KEY_BYTES, environment, environment_name, key_name, key_secret


async def captured(
    context: Context, namespace: str, variables: Iterable[Variable]
) -> tuple[dict[str, str], DeploymentProblem | None]:
    """The values of variables, or why one is missing."""
    values: dict[str, str] = {}
    read: dict[tuple[str, str], Object | None] = {}
    for variable in variables:
        source = variable.value_from
        if source is None:
            values[variable.name] = variable.value or ""
            continue
        kind = "Secret" if source.secret_key_ref else "ConfigMap"
        reference = source.secret_key_ref or source.config_map_key_ref
        if reference is None:
            continue
        source_key = (kind, reference.name)
        if source_key not in read:
            read[source_key] = await context.kube.get(kind, namespace, reference.name)
        source_object = read[source_key]
        if source_object is None:
            return {}, (
                f"{kind}Missing",
                f"env {variable.name}: {kind} {reference.name!r} not found in this namespace. Create it.",
            )
        data = source_object.get("data") or {}
        if reference.key not in data:
            keys = ", ".join(sorted(data)) or "none"
            message = f"env {variable.name}: {kind} {reference.name!r} has no key {reference.key!r}. Its keys: {keys}."
            return {}, (f"{kind}Missing", message)
        text = data[reference.key]
        values[variable.name] = base64.b64decode(text).decode("utf-8", "replace") if kind == "Secret" else text
    return values, None


async def content(context: Context, namespace: str, name: str) -> dict[str, str] | None:
    """The content of a Secret; None if it does not exist."""
    secret = await context.kube.get("Secret", namespace, name)
    if secret is None:
        return None
    return {k: base64.b64decode(v).decode("utf-8", "replace") for k, v in (secret.get("data") or {}).items()}


async def secret_name_of(context: Context, deployment: Object, values: dict[str, str]) -> str | None:
    """The name of the Secret for these values; empty if there are none, None if the key for names does not exist yet."""
    if not values:
        return ""
    key = await _key(context, deployment)
    return environment_name(deployment["metadata"]["name"], values, key) if key else None


async def store(context: Context, deployment: Object, values: dict[str, str]) -> str:
    """Store the values in a Secret of their own and return its name; empty if there are none."""
    if not values:
        return ""
    await make_key(context, deployment)
    name = await secret_name_of(context, deployment, values) or ""
    if name:
        await context.created("Secret", environment(deployment, name, values))
    return name


async def make_key(context: Context, deployment: Object) -> None:
    """Create the Secret with the key for names, if it does not exist."""
    if not await _key(context, deployment):
        await context.created("Secret", key_secret(deployment, secrets.token_bytes(KEY_BYTES)))
        log_write(deployment, "create_environment_key", object=key_name(deployment["metadata"]["name"]))


async def _key(context: Context, deployment: Object) -> bytes:
    """The key for names; empty if it does not exist."""
    secret = await context.kube.get("Secret", deployment["metadata"]["namespace"], key_name(deployment["metadata"]["name"]))
    return base64.b64decode(secret["data"]["key"]) if secret else b""
