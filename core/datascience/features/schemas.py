from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.datascience.features.definitions import ALL
from core.datascience.features.kinds import Entity, Kind
from core.tenants.schemas import In

SetName = Annotated[str, Field(max_length=64, json_schema_extra={"enum": [one.name for one in ALL]})]
PlottedSet = Annotated[
    str,
    Field(max_length=64, json_schema_extra={"enum": [o.name for o in ALL if o.entity in (Entity.DEAL, Entity.CALL)]}),
]
MOST_ROWS = 500
MOST_POINTS = 2_000


class Words(BaseModel):
    pt: str
    en: str


class FeatureOut(BaseModel):
    """`window_days`: how far back it looks, null: to the beginning."""

    name: str
    kind: Kind
    description: Words
    window_days: int | None
    size: int | None
    low: float | None
    high: float | None


class FeatureSetOut(BaseModel):
    """Features that are computed together by `module`, after each fact of `sources`."""

    name: str
    entity: Entity
    version: int
    module: str
    sources: list[str]
    fresh_days: int
    only_for: str | None
    description: Words
    features: list[FeatureOut]


class RowIn(In):
    set: SetName
    entity_id: UUID
    at: AwareDatetime = Field(description="When it was so")
    values: dict[str, Any] = Field(description="By name, as the set is defined; what is left out is not known")
    cause: UUID | None = Field(None, description="The event that it follows from")


class RowsIn(In):
    rows: list[RowIn] = Field(min_length=1, max_length=MOST_ROWS)


class Written(BaseModel):
    """`written` counts what was new: rows that stood there already are not written again."""

    given: int
    written: int


class ValuesOut(BaseModel):
    """`stale`: older than the set's `fresh_days`."""

    set: str
    version: int
    event_at: datetime
    written_at: datetime
    stale: bool
    values: dict[str, Any]


class OnlineOut(BaseModel):
    entity: Entity
    entity_id: UUID
    sets: list[ValuesOut]


class HistoryOut(BaseModel):
    """One row as it was written. `known_at`: from when on it could be known; `cause`: the event it follows from."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    entity: Entity
    entity_id: UUID
    feature_set: str
    version: int
    event_at: datetime
    written_at: datetime
    known_at: datetime
    cause: UUID | None
    cause_type: str
    module: str
    code: str
    values: dict[str, Any]


class FreshnessOut(BaseModel):
    """Of how many entities there are values, and of how many they are older than `fresh_days`."""

    set: str
    version: int
    fresh_days: int
    entities: int
    stale: int
    newest_event_at: datetime | None
    newest_written_at: datetime | None
    features: list[FeatureFreshness]


class FeatureFreshness(BaseModel):
    """Of how many entities a feature is known now, and the moment of the newest of those values."""

    name: str
    entities: int
    newest_event_at: datetime | None


class ProjectionIn(In):
    set: PlottedSet
    features: list[str] = Field([], max_length=200, description="Numbers and vectors; all of them where left out")
    entity_ids: list[UUID] = Field([], max_length=MOST_POINTS, description="These alone; else the newest")
    most: int = Field(1_000, ge=3, le=MOST_POINTS, description="How many points at most")


class Point(BaseModel):
    entity_id: UUID
    event_at: datetime
    x: float
    y: float


class Axis(BaseModel):
    """`explained`: its share of all differences. `features`: what it is made of, the heaviest first."""

    explained: float
    features: dict[str, float]


class ProjectionOut(BaseModel):
    """Points that lie near each other are alike. The axes have no unit."""

    set: str
    axes: list[Axis]
    points: list[Point]
