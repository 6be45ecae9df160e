"""How live sessions are held."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class LiveSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: PositiveInt = Field(2, description="Two, so that one is there at once when the other dies")
    sessions_per_host: PositiveInt = 8
    lease_s: PositiveFloat = Field(1.2, description="A host that says nothing for so long holds its sessions no more")
    look_s: PositiveFloat = Field(0.2, description="How often a host looks for sessions that nobody holds")
    resumable_s: PositiveFloat = Field(60.0, description="So long a session waits for its client to come back")
    most_s: PositiveFloat = Field(3 * 3600.0, description="A session ends by itself then")
    settle_s: PositiveFloat = Field(20.0, description="Sound older than this leaves Valkey for the object store")
