"""The Ingress that routes a domain to an app's Service. An annotation holds a digest of the route, so that a change of the spec is noticed."""

from __future__ import annotations

from typing import Any

from landfall.api.deployment import Route
from landfall.lib.digest import digest
from landfall.manifests.parts import owned

MADE_FROM = "landfall.dev/made-from"
_ISSUER = "cert-manager.io/cluster-issuer"
Object = dict[str, Any]


def ingress(deployment: Object, route: Route) -> Object:
    """The Ingress, named after the Deployment."""
    name = deployment["metadata"]["name"]
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    rule = {"host": route.domain, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    annotations = {MADE_FROM: made_from(route)}
    spec: Object = {"rules": [rule]}
    if route.ingress_class_name:
        spec["ingressClassName"] = route.ingress_class_name
    if route.tls:
        secret = route.tls.secret_ref.name if route.tls.secret_ref else f"{name}-tls"
        spec["tls"] = [{"hosts": [route.domain], "secretName": secret}]
        if route.tls.cluster_issuer:
            annotations[_ISSUER] = route.tls.cluster_issuer
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**owned(deployment, "Deployment", name), "annotations": annotations},
        "spec": spec,
    }


def made_from(route: Route) -> str:
    """The digest of a route."""
    return digest(route.model_dump(mode="json"))
