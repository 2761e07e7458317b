"""The settings of the gateway, as a pydantic model over environment variables that the chart sets."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, Json
from pydantic.alias_generators import to_camel

from landfall.gateway.rate_limit import USUAL, Rate, Rates
from landfall.kube.settings import ClusterSettings


class RateValues(BaseModel):
    """A rate in the chart's values: requests per second on average, and the size of a burst."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    per_second: float = Field(gt=0, allow_inf_nan=False)
    burst: int = Field(ge=1)

    def rate(self) -> Rate:
        """The rate for the limiter."""
        return Rate(self.per_second, self.burst)


class LimitValues(BaseModel):
    """`gateway.limits` of the chart's values."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    key: RateValues
    address: RateValues


class GatewaySettings(ClusterSettings):
    """Settings of the gateway."""

    namespace: str = Field(
        validation_alias="LANDFALL_NAMESPACE",
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="the name of the gateway's own namespace",
    )
    intake_url: str = Field(
        validation_alias="LANDFALL_INTAKE_URL",
        min_length=1,
        description="the URL of the operator's intake, such as http://landfall-intake.landfall.svc:8443",
    )
    port: int = Field(8000, validation_alias="LANDFALL_LISTEN", ge=1, le=65535, description="a TCP port from 1 to 65535")
    limits: Json[LimitValues] | None = Field(
        None,
        validation_alias="LANDFALL_LIMITS",
        description='a JSON object such as {"key": {"perSecond": 50, "burst": 200}, "address": {"perSecond": 2, "burst": 30}}',
    )

    @property
    def rates(self) -> Rates:
        """The rate limits of callers."""
        return Rates(self.limits.key.rate(), self.limits.address.rate()) if self.limits else USUAL
