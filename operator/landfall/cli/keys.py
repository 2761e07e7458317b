"""`landfall keys`: API keys for the gateway, as manifests to apply or to commit. The key itself is printed once and is not in the manifests."""

from __future__ import annotations

import re
import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from landfall.api.apikey import LABEL, Key, hashed, read, secret_name
from landfall.cli.cluster_client import ClusterClient, RefusedError, console, reaching
from landfall.cli.render_objects import age, today

app = typer.Typer(no_args_is_help=True, help="Manage API keys of the gateway.")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_RBAC = "rbac.authorization.k8s.io"
_DAYS = re.compile(r"(\d+)d")
Object = dict[str, Any]
GatewayNamespace = Annotated[str, typer.Option("--gateway-namespace", help="Namespace of the Landfall installation.")]


@app.command()
def create(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace that the key gives access to.")],
    name: Annotated[
        str, typer.Option("--name", help="Name of the user or system that the key is for; also the name of its service account.")
    ],
    role: Annotated[str, typer.Option("--role", help="Role of the key: viewer (read-only) or editor.")] = "viewer",
    expires: Annotated[str, typer.Option("--expires", help="Validity period in days, for example 90d.")] = "365d",
    gateway_namespace: GatewayNamespace = "landfall-system",
    release: Annotated[str, typer.Option("--release", help="Name of the Helm release.")] = "landfall",
    *,
    namespaced: Annotated[
        bool,
        typer.Option("--namespaced", help="Set if the chart was installed with watchNamespaces: roles are then per namespace."),
    ] = False,
) -> None:
    """Create a key. Prints the key once to standard error, and its manifests to standard output.

    landfall keys create -n shop --name ci --role editor | kubectl apply -f -
    """
    days = _DAYS.fullmatch(expires)
    if role not in {"viewer", "editor"} or not days:
        typer.echo(
            f"invalid --role {role!r} or --expires {expires!r}: use --role viewer or editor, and --expires with days (example: 90d)",
            err=True,
        )
        raise typer.Exit(2)
    identifier, secret = "".join(secrets.choice(_ALPHABET) for _ in range(12)), secrets.token_urlsafe(32)
    until = (datetime.now(UTC) + timedelta(days=int(days[1]))).isoformat(timespec="seconds")  # noqa: TID251  a terminal's clock
    key_data = {"digest": hashed(secret), "namespace": namespace, "serviceAccount": name, "role": role, "expires": until}
    reference = {"apiGroup": _RBAC, "kind": "Role" if namespaced else "ClusterRole", "name": f"{release}-{role}"}
    gateway = {"kind": "ServiceAccount", "name": f"{release}-gateway", "namespace": gateway_namespace}
    documents = [
        _secret(identifier, gateway_namespace, key_data),
        *_identity(namespace, name, f"landfall-{role}-{name}", reference, gateway),
    ]
    sys.stdout.write(yaml.safe_dump_all(documents, sort_keys=False))
    typer.echo(
        f"key (shown only once): lf_{identifier}_{secret}\nvalid until {until}, or until the Secret {secret_name(identifier)} is deleted",
        err=True,
    )


@app.command("list")
@reaching
async def listed(cluster: ClusterClient, gateway_namespace: GatewayNamespace = "landfall-system") -> None:
    """List keys with namespace, name, role and expiry.

    Lists all keys; with -n, those for one namespace. The keys themselves are not stored.
    """
    now = today()
    grid = Table(box=None, pad_edge=False)
    for title in ("ID", "NAMESPACE", "NAME", "ROLE", "EXPIRES", "AGE"):
        grid.add_column(title)
    for identifier, raw, key in await _keys(cluster, gateway_namespace):
        if cluster.namespace_given and key.namespace != cluster.namespace:
            continue
        until = key.expires.isoformat(timespec="minutes") if key.expires else "never"
        over = " [red](expired)[/]" if key.expires and key.expires <= now else ""
        cells = (identifier, key.namespace, key.account, key.role, until + over)
        grid.add_row(*cells, age(raw["metadata"]["creationTimestamp"], now))
    console().print(grid)


@app.command()
@reaching
async def revoke(
    cluster: ClusterClient,
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="ID of the key, from `landfall keys list` or the middle part of lf_ID_….")
    ],
    gateway_namespace: GatewayNamespace = "landfall-system",
) -> None:
    """Revoke a key within 10 s. Its service account and roles are not deleted."""
    raw = await cluster.kube.get("Secret", gateway_namespace, secret_name(identifier))
    if raw is None or LABEL not in raw["metadata"].get("labels", {}):
        message = f"key {identifier!r} not found in namespace {gateway_namespace}"
        raise RefusedError(message)
    await cluster.kube.delete("Secret", gateway_namespace, raw["metadata"]["name"], raw["metadata"]["uid"])
    console().print(f"{identifier}: revoked; the gateway rejects it within 10 s")


async def _keys(cluster: ClusterClient, gateway_namespace: str) -> list[tuple[str, Object, Key]]:
    keys = []
    for raw in await cluster.kube.listed("Secret", gateway_namespace, LABEL):
        identifier = raw["metadata"]["labels"][LABEL]
        key = read(identifier, raw)
        if key:
            keys.append((identifier, raw, key))
    return sorted(keys, key=lambda entry: (entry[2].namespace, entry[2].account, entry[0]))


def _secret(identifier: str, namespace: str, key_data: dict[str, str]) -> Object:
    metadata = {"name": secret_name(identifier), "namespace": namespace, "labels": {LABEL: identifier}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "immutable": True, "stringData": key_data}


def _identity(namespace: str, name: str, binding: str, role: Object, gateway: Object) -> list[Object]:
    """Service account of the holder, its role binding, and the permission of the gateway to impersonate it."""
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}

    def bound(binding_name: str, reference: Object, whom: Object) -> Object:
        metadata = {"name": binding_name, "namespace": namespace}
        return {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [whom],
        }

    acts = f"landfall-acts-as-{name}"
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": [name], "verbs": ["impersonate"]}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
            "automountServiceAccountToken": False,
        },
        bound(binding, role, subject),
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": {"name": acts, "namespace": namespace}, "rules": [rule]},
        bound(acts, {"apiGroup": _RBAC, "kind": "Role", "name": acts}, gateway),
    ]
