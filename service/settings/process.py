"""The process: its probes, its log, and its spans."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings.types import Port


class ProbeSettings(BaseSettings):
    """The port of `/metrics`, `/healthz` and `/readyz`."""

    model_config = SettingsConfigDict(env_prefix="METRICS_", frozen=True)

    host: str = Field(
        "::", min_length=1, description="Address to listen on; `::` takes IPv4 and IPv6, `0.0.0.0` IPv4 alone."
    )
    port: Port = Field(9090, description="Port to listen on; 0 takes a free one.")


class LogSettings(BaseSettings):
    """The log, one line an event, on standard error."""

    model_config = SettingsConfigDict(env_prefix="LOG_", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level to write.")
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` on a terminal, else JSON."
    )


class TracingSettings(BaseSettings):
    """Spans of submissions; where they are sent, say OpenTelemetry's own variables (see `docs/operations.md`)."""

    model_config = SettingsConfigDict(env_prefix="TRACING_", frozen=True)

    enabled: bool = Field(
        default=False,
        description="Send spans of the submissions whose `traceparent` is sampled; needs the extra `tracing`.",
    )
