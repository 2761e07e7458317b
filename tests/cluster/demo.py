"""`make demo`: a cluster, the chart, a MariaDB with the shop and an empty PostgreSQL, and the Migration from apply to Completed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from tests.cluster import images, machine
from tests.cluster.install import install
from tests.cluster.machine import Cluster

SPACE = "shop"
_STORY = images.ROOT / "examples" / "shop-in-cluster"
_LIMIT_SECONDS = 600


def said(text: str) -> None:
    """A line for whoever watches."""
    print(text, flush=True)


def databases(cluster: Cluster, scale: float) -> None:
    """Both databases as workloads, one of them with the shop."""
    if not cluster.by_kind:  # which pulls them itself
        cluster.load(images.databases(), images.DATABASES, *images.PUBLIC_DATABASES)
    cluster.kubectl("create", "namespace", SPACE, check=False)
    cluster.kubectl("label", "namespace", SPACE, "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    cluster.kubectl("apply", "-n", SPACE, "-f", str(_STORY / "databases.yaml"))
    for name in ("shop-mariadb", "warehouse"):
        cluster.kubectl("rollout", "status", "-n", SPACE, f"deployment/{name}", "--timeout=300s")
    client = "mariadb -h 127.0.0.1 -u shop -pchange-me-in-earnest shop"
    inside = ("exec", "-i", "-n", SPACE, "deployment/shop-mariadb", "--", "sh", "-c")
    if cluster.kubectl(*inside, f"{client} -N -e 'SHOW TABLES'").strip():
        return
    shop = subprocess.Popen(
        [sys.executable, "-m", "examples.shop", "mariadb", "--scale", str(scale)], cwd=images.ROOT, stdout=subprocess.PIPE
    )
    subprocess.run(
        [str(cluster.programs / "kubectl"), "--kubeconfig", str(cluster.kubeconfig), *inside, client],
        stdin=shop.stdout,
        check=True,
    )
    if shop.wait():
        message = "the shop could not be made"
        raise RuntimeError(message)


def migration(cluster: Cluster) -> dict[str, Any]:
    """The Migration as it is."""
    return dict(json.loads(cluster.kubectl("get", "migration", "-n", SPACE, "shop", "-o", "json")))


def ready(raw: dict[str, Any]) -> dict[str, str]:
    """Its condition Ready."""
    return next((c for c in raw.get("status", {}).get("conditions", []) if c["type"] == "Ready"), {})


def followed(cluster: Cluster, until: set[str]) -> dict[str, Any]:
    """Print how it stands, whenever that changes, until it stands at one of these reasons."""
    before, deadline = "", time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        raw = migration(cluster)
        condition = ready(raw)
        line = f"  {raw.get('status', {}).get('phase', ''):12} {condition.get('message', '')[:140]}"
        if line != before:
            said(line)
            before = line
        if condition.get("reason") in until:
            return raw
        if any(c["type"] == "Stalled" for c in raw.get("status", {}).get("conditions", [])):
            message = f"stalled: {condition.get('message')}"
            raise RuntimeError(message)
        time.sleep(0.5)
    message = f"not {' or '.join(until)} within {_LIMIT_SECONDS} s"
    raise RuntimeError(message)


def story(cluster: Cluster) -> dict[str, Any]:
    """Apply, read the plan, approve it by its digest, and follow it to the end."""
    cluster.kubectl("apply", "-n", SPACE, "-f", str(_STORY / "migration.yaml"))
    raw = followed(cluster, {"ApprovalRequired", "Completed", "AlreadyCompleted"})
    if ready(raw)["reason"] != "ApprovalRequired":
        return raw
    plan = raw["status"]["plan"]
    said(
        f"\nThe plan: {plan['tables']} tables, {plan['columns']} columns, {plan['rows']} rows, about {plan['estimatedSeconds']} s. Its risks:"
    )
    for risk in plan["risks"]:
        said(f"  {risk['severity']:7} {risk['affected']}: {risk['description'][:120]}")
    said(f"\nApproving it, as a commit would: spec.data.approval.planDigest: {plan['digest']}")
    change = {"spec": {"data": {"approval": {"planDigest": plan["digest"]}}}}
    cluster.kubectl("patch", "migration", "-n", SPACE, "shop", "--type", "merge", "-p", json.dumps(change))
    return followed(cluster, {"Completed"})


def main() -> None:
    """The whole demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.3, help="1 is a shop of about a million rows")
    arguments = parser.parse_args()
    said("1/4 a cluster of one node (without Docker the first time takes up to 15 minutes, for it is built from its Go modules)")
    cluster = machine.chosen()
    said("2/4 the chart (the first time: some minutes for Helm and the image)")
    install(cluster, builds=False)
    said("3/4 a MariaDB with the shop and an empty PostgreSQL (the first time: 2 minutes)")
    databases(cluster, arguments.scale)
    said("4/4 kubectl apply -f examples/shop-in-cluster/migration.yaml")
    story(cluster)
    said(
        f"""
Look around:
  export KUBECONFIG={cluster.kubeconfig} PATH=$PATH:{cluster.programs}
  kubectl get migrations,runs,connections -n {SPACE}
  kubectl describe migration -n {SPACE} shop
  kubectl exec -n {SPACE} deployment/warehouse -- env PGPASSWORD=change-me-in-earnest psql -h 127.0.0.1 -U warehouse -c '\\dt'
  kubectl patch migration -n {SPACE} shop --type merge -p '{{"spec":{{"desiredState":"RolledBack"}}}}'   # and go back
`make cluster-down` ends it and leaves nothing behind."""
    )


if __name__ == "__main__":
    main()
