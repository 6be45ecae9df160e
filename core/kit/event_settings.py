"""How events come to reactions: through the database alone, or over a Kafka broker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, SecretStr, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """`bootstrap_servers` empty: an embedded broker, on a developer's machine."""

    bootstrap_servers: str | None = Field(None, pattern=r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$")
    topic: str = Field("salesedge.events", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    partitions: PositiveInt = Field(12, description="Of a new topic; so many consumers can share it")
    replication: PositiveInt = Field(1, description="Of a new topic")
    group: str = Field("salesedge", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Prefix of the consumer groups")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    grace_s: PositiveFloat = Field(30.0, description="What the broker has not brought by then comes from the database")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        login = (self.mechanism, self.username, self.password)
        if self.security.startswith("SASL") != all(login) or any(login) != all(login):
            raise ValueError("security SASL_… goes together with mechanism, username and password")
        absent = [str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file and not file.is_file()]
        if absent:
            raise ValueError(f"there is no file {', '.join(absent)}")
        return self


class EventSettings(_Section):
    """`lease_s`: how long waits what a worker had claimed that died."""

    transport: Literal["embedded", "kafka"] = "embedded"
    workers: PositiveInt = 4
    slow_workers: PositiveInt = 1
    max_attempts: PositiveInt = 8
    backoff_base_s: PositiveFloat = 0.5
    lease_s: PositiveFloat = 5.0
    kafka: KafkaSettings = KafkaSettings()
