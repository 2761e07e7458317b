"""Instance types: requests and limits of an app, under the names of a cloud provider."""

from __future__ import annotations

from collections.abc import Mapping

# Name: (CPU request, memory request and limit). The CPU request is a quarter of the nominal size, without a limit.
TABLE: Mapping[str, tuple[str, str]] = {
    "t3.nano": ("125m", "256Mi"),
    "t3.micro": ("250m", "512Mi"),
    "t3.small": ("500m", "1Gi"),
    "t3.medium": ("500m", "2Gi"),
    "t3.large": ("500m", "4Gi"),
    "t3.xlarge": ("1", "8Gi"),
}
DEFAULT = ("50m", "128Mi")


def resources(name: str | None) -> dict[str, dict[str, str]]:
    """Resource requests and limits of a container."""
    if name is None or name not in TABLE:
        cpu, memory = DEFAULT
        return {"requests": {"cpu": cpu, "memory": memory}}
    cpu, memory = TABLE[name]
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
