"""`python -m tests.cluster up|down`: a cluster on this machine, by kind where there is Docker."""

from __future__ import annotations

import argparse

from tests.cluster import kind, machine


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["up", "down"], help="start the cluster, or end it and remove all of it")
    told = parser.parse_args()
    if told.verb == "down":
        kind.down()
        machine.down()
        print("the cluster is gone")
        return
    cluster = machine.chosen()
    print(f"the cluster is up:\n  export KUBECONFIG={cluster.kubeconfig} PATH={cluster.programs}:$PATH\n  kubectl get nodes")


if __name__ == "__main__":
    main()
