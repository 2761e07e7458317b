"""The settings of the operator and of the uninstall hook, as pydantic models over environment variables.

The chart sets the variables. Other roles: `gateway/settings.py`; `landfall journal` reads `JournalSettings`; workers read a task file and
have no settings; the command line reads options, `LANDFALL_SECRET_…` (`cli/manifests.py`) and `KUBECONFIG`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, model_validator
from pydantic.alias_generators import to_camel

from landfall.api.worker_protocol import RunImage
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.journal.settings import JournalSettings
from landfall.kube.settings import ClusterSettings
from landfall.lib.environment import SECRET
from landfall.providers.supabase import BASE as SUPABASE

_OBJECT = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_USUAL = BuildSettings()
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, BeforeValidator(str)]  # a YAML number or boolean is accepted as text, such as `CI: 1`


def _contents(path: object) -> str:
    """The text of a file; empty if it does not exist, because its ConfigMap is optional. Raises ValueError."""
    file = Path(str(path))
    try:
        return file.read_text(encoding="ascii") if path and file.exists() else ""
    except OSError as error:
        message = f"the file cannot be read ({error.strerror})"
        raise ValueError(message) from error
    except UnicodeDecodeError as error:
        message = "the file is not in PEM format"
        raise ValueError(message) from error


class BuildValues(BaseModel):
    """`builds` of the chart's values. Empty, null and 0 mean the default."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )

    registry: Text = ""
    insecure: bool = False
    secret: Text = ""
    builder: Text = ""
    images: tuple[RunImage, ...] = ()
    env: dict[str, Text] = Field(default_factory=dict)
    memory: Text = _USUAL.memory
    disk: Text = _USUAL.disk
    timeout_seconds: int = Field(default=_USUAL.timeout_seconds, ge=1)
    github: Text = _USUAL.github
    private_hosts: tuple[Text, ...] = ()
    follow_seconds: int = Field(default=_USUAL.follow_seconds, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _stated(cls, values: Any) -> Any:  # noqa: ANN401  parsed JSON of any type
        return {name: value for name, value in values.items() if value} if isinstance(values, dict) else values

    def settings(self, authorities: str) -> BuildSettings:
        """As the controllers read them. `authorities`: certificates of authorities as PEM."""
        stated = {name: getattr(self, name) for name in type(self).model_fields}
        stated |= {"registry": self.registry.strip("/"), "github": self.github.rstrip("/")}
        return BuildSettings(**stated, authorities=authorities)


class OperatorSettings(ClusterSettings, JournalSettings):
    """Settings of the operator. Ports are TCP ports; times are in seconds unless the name says days."""

    image: str = Field(
        validation_alias="LANDFALL_IMAGE",
        min_length=1,
        description="the image of workers, such as ghcr.io/landfall/landfall:0.1.0",
    )
    intake_url: str = Field(
        validation_alias="LANDFALL_INTAKE_URL",
        min_length=1,
        description="the URL at which pods reach the operator, such as http://landfall-intake.landfall.svc:8443",
    )
    intake_port: Port = Field(8443, validation_alias="LANDFALL_LISTEN_INTAKE", description="a TCP port from 1 to 65535")
    health_port: Port = Field(8080, validation_alias="LANDFALL_LISTEN_HEALTH", description="a TCP port from 1 to 65535")
    resync_seconds: int = Field(
        300, validation_alias="LANDFALL_RESYNC_SECONDS", ge=1, description="a whole number of seconds, at least 1"
    )
    journal_keep_days: int = Field(
        30, validation_alias="LANDFALL_JOURNAL_KEEP_DAYS", ge=0, description="a whole number of days, at least 0"
    )
    journal_keep_lines: int = Field(
        1_000_000, validation_alias="LANDFALL_JOURNAL_KEEP_LINES", ge=0, description="a whole number of lines, at least 0"
    )
    build_values: Json[BuildValues] = Field(
        BuildValues(),
        validation_alias="LANDFALL_BUILDS",
        description="a JSON object in the form of `builds` in the chart's values",
        json_schema_extra=SECRET,  # build variables can contain the password of a mirror
    )
    authorities: Annotated[str, BeforeValidator(_contents)] = Field(
        "", validation_alias="LANDFALL_AUTHORITIES", description="the path of a PEM file with certificates"
    )
    supabase: str = Field(SUPABASE, validation_alias="LANDFALL_SUPABASE_URL", description="an https URL")
    webhook_secret: str = Field(
        "", validation_alias="LANDFALL_WEBHOOK_SECRET", description="the secret of a GitHub webhook", json_schema_extra=SECRET
    )
    gateway: str = Field(
        "", validation_alias="LANDFALL_GATEWAY", pattern=_OBJECT, description="the gateway's service account as NAMESPACE/NAME"
    )

    @property
    def builds(self) -> BuildSettings:
        """How apps are built."""
        return self.build_values.settings(self.authorities)


class UninstallSettings(ClusterSettings):
    """Settings of the chart's pre-delete hook."""

    operator: str = Field(
        validation_alias="LANDFALL_OPERATOR", pattern=_OBJECT, description="the operator's Deployment as NAMESPACE/NAME"
    )
