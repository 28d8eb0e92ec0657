"""Kafka: the brokers, and the topics."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, Field, FilePath, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings.types import Brokers, Names, Pairs, Positive, Seconds, Topic


class KafkaSettings(BaseSettings):
    """How to reach the brokers. File settings name mounted files, so that secrets stay out of the environment."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True)

    bootstrap_servers: Brokers = Field(
        "localhost:9092", description="Brokers to ask first, `host:port,host:port`; IPv6 as `[fd00::1]:9092`."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512", description="How to log in, with a `SASL_` protocol."
    )
    sasl_username: str | None = Field(None, description="User, with a `SASL_` protocol.")
    sasl_password_file: FilePath | None = Field(
        None, description="File of the password, in the place of `KAFKA_SASL_PASSWORD`; read for each connection."
    )
    sasl_password: SecretStr | None = Field(None, description="Password, with a `SASL_` protocol.")
    sasl_oauth_token_url: AnyHttpUrl | None = Field(
        None,
        description="OAuth 2.0 token endpoint to ask for tokens with the client's credentials, with `OAUTHBEARER`.",
    )
    sasl_oauth_token_file: Path | None = Field(
        None,
        description="File of a token that something else renews, such as a projected service account token, with "
        "`OAUTHBEARER`; read for each connection.",
    )
    sasl_oauth_client_id: str | None = Field(None, description="Client id for the token endpoint.")
    sasl_oauth_client_secret_file: FilePath | None = Field(
        None, description="File of the client secret for the token endpoint."
    )
    sasl_oauth_scope: str | None = Field(None, description="Scope to ask the token endpoint for.")
    sasl_oauth_ca_file: FilePath | None = Field(
        None, description="PEM file of the authority of the token endpoint; unset: the system's."
    )
    sasl_oauth_extensions: Pairs = Field(
        (), description="SASL extensions sent with the token, `name=value,name=value`, as Confluent Cloud wants them."
    )
    ssl_ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates."
    )
    ssl_cert_file: FilePath | None = Field(None, description="PEM file of the client certificate, for mutual TLS.")
    ssl_key_file: FilePath | None = Field(None, description="PEM file of the client certificate's key.")
    client_id: str = Field("job-submission", description="Name shown in the brokers' logs and quotas.")
    request_timeout_seconds: Seconds = Field(
        15, description="How long one request to a broker, or the delivery of one record, may take."
    )
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="How long a record waits for company in its batch, besides for the request before it."
    )

    @field_validator("sasl_username", "sasl_password")
    @classmethod
    def _given_for_a_login(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("security_protocol", "")
        is_elsewhere = info.field_name == "sasl_password" and info.data.get("sasl_password_file")
        if protocol.startswith("SASL") and not cls._has_token(info) and not (value and len(value)) and not is_elsewhere:
            msg = f"is needed for the protocol {protocol}"
            raise ValueError(msg)
        return value

    @field_validator("sasl_oauth_token_file")
    @classmethod
    def _one_source_of_tokens(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if cls._has_token(info) and (file is None) == (info.data.get("sasl_oauth_token_url") is None):
            raise ValueError("with OAUTHBEARER give either this or KAFKA_SASL_OAUTH_TOKEN_URL")
        return file

    @field_validator("sasl_oauth_client_id", "sasl_oauth_client_secret_file")
    @classmethod
    def _given_for_the_endpoint(cls, value: str | Path | None, info: ValidationInfo) -> str | Path | None:
        if cls._has_token(info) and info.data.get("sasl_oauth_token_url") and not value:
            raise ValueError("is needed for KAFKA_SASL_OAUTH_TOKEN_URL")
        return value

    @staticmethod
    def _has_token(info: ValidationInfo) -> bool:
        protocol = info.data.get("security_protocol", "")
        return protocol.startswith("SASL") and info.data.get("sasl_mechanism") == "OAUTHBEARER"

    @field_validator("ssl_key_file")
    @classmethod
    def _with_its_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if key and not info.data.get("ssl_cert_file"):
            msg = "needs KAFKA_SSL_CERT_FILE beside it"
            raise ValueError(msg)
        return key


class TopicSettings(BaseSettings):
    """The four topics. All times of the duplicate window derive from `duplicate_window_seconds`."""

    model_config = SettingsConfigDict(env_prefix="TOPICS_", frozen=True)

    submissions: Topic = Field("job-submissions", description="Topic of the submissions.")
    outcomes: Topic = Field("job-outcomes", description="Topic of the outcomes, compacted; same partition count.")
    dead_letters: Topic = Field("job-submissions-dead-letters", description="Topic of records that cannot be handled.")
    job_events: Topic = Field(
        "job-events", description="Topic of what becomes of the jobs, compacted; same partition count."
    )
    job_events_readable_seconds: Positive = Field(
        7 * 24 * 3600, description="How long every event stays readable; after that the last one of each job does."
    )
    create: bool = Field(
        default=True, description="Create missing topics on start. Existing ones are checked, never altered."
    )
    partitions: Positive = Field(
        6, description="Partitions of topics created on start; bounds the number of consumers."
    )
    replication_factor: Annotated[int, Field(ge=-1)] = Field(
        -1, description="Replicas of topics created on start; -1 leaves it to the broker's default."
    )
    duplicate_window_seconds: Positive = Field(
        7 * 24 * 3600,
        description="How long outcomes are kept at least, by which what was done is known. An older submission is "
        "refused only where its outcome may be among those deleted since.",
    )
    reply_allowed: Names = Field(
        frozenset(), description="Further topics a record's `reply-topic` header may name, separated by commas."
    )

    @field_validator("outcomes", "dead_letters", "job_events")
    @classmethod
    def _of_its_own(cls, name: str, info: ValidationInfo) -> str:
        for field in ("submissions", "outcomes", "dead_letters"):
            if field != info.field_name and info.data.get(field) == name:
                msg = f"must be another topic than TOPICS_{field.upper()}, {name}"
                raise ValueError(msg)
        return name
