"""Every event has a schema; what does not fit is not written; what is old is brought up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.flows import REACTIONS
from core.kit import asyncapi
from core.kit.db import Database
from core.kit.errors import BadEvent, Unavailable
from core.kit.events import Event, EventType
from core.kit.facts import FACTS
from core.kit.ids import new_id
from core.kit.schemas import Data, Schemas
from tests.support import Api

PUBLISHED = asyncapi.document("0", REACTIONS, topic="t")
FORMATS = {
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "date-time": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
}


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Whatever a published schema allows."""
    if "$ref" in schema:
        return fitting(PUBLISHED["components"]["schemas"][schema["$ref"].split("/")[-1]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return st.one_of([fitting(one) for one in schema["anyOf"]])
    low, high = schema.get("minimum"), schema.get("maximum")
    kinds: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: st.integers(low, high),
        "number": lambda: st.floats(low, high, allow_nan=False, allow_infinity=False),
        "string": lambda: FORMATS[schema["format"]] if "format" in schema else st.text(max_size=20),
        "array": lambda: st.lists(fitting(schema["items"]), max_size=3),
        "object": lambda: _object(schema),
    }
    return kinds[schema["type"]]()


def _object(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" not in schema and isinstance(schema.get("additionalProperties"), dict):
        return st.dictionaries(st.text(max_size=5), fitting(schema["additionalProperties"]), max_size=3)
    parts = {name: fitting(one) for name, one in schema.get("properties", {}).items()}
    needed = schema.get("required", [])
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in needed},
        optional={name: part for name, part in parts.items() if name not in needed},
    )


def some_event() -> st.SearchStrategy[Event]:
    def of(kind: EventType) -> st.SearchStrategy[Event]:
        schema = PUBLISHED["components"]["messages"][kind.value]["payload"]["schema"]["properties"]["data"]
        return st.builds(Event, st.just(kind), st.uuids(), st.uuids(), fitting(schema))

    return st.sampled_from(EventType).flatmap(of)


def test_every_type_of_event_has_a_schema() -> None:
    assert FACTS.missing() == [], "add a class for each of these to core/kit/facts.py"
    assert FACTS.stuck() == [], "these old versions need an upcast to the next"


def test_a_type_without_a_schema_is_noticed_and_the_error_says_what_to_do() -> None:
    empty = Schemas()
    assert empty.missing() == list(EventType)
    with pytest.raises(BadEvent, match=r"Add a class under @FACTS.of\(EventType.DEAL_CREATED\) to core/kit/facts.py"):
        empty.written(EventType.DEAL_CREATED, {})


@given(some_event())
def test_what_the_published_schema_allows_is_written_and_comes_back_whole(event: Event) -> None:
    FACTS.written(event.type, event.data)
    raw = json.loads(json.dumps(event.to_cloudevent()))
    again = Event.from_cloudevent(raw)
    assert (again.id, again.type, again.tenant_id, again.subject) == (event.id, event.type, event.tenant_id, event.subject)  # fmt: skip # noqa: E501
    assert (again.at, again.data) == (event.at, event.data)
    payload = PUBLISHED["components"]["messages"][event.type.value]["payload"]["schema"]
    jsonschema.Draft7Validator({**payload, "components": PUBLISHED["components"]}).validate(raw)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"deal_id": str(uuid4()), "kind": "email", "verdict": "perhaps"},
        {"deal_id": "of Ana", "kind": "email", "verdict": "approved"},
        {"deal_id": str(uuid4()), "kind": 5, "verdict": "approved"},
        {"deal_id": str(uuid4()), "kind": "email", "verdict": "approved", "note": "Ana said yes"},
        {"deal_id": uuid4(), "kind": "email", "verdict": "approved"},
    ],
)
async def test_data_that_does_not_fit_is_not_written(db: Database, data: dict[str, Any]) -> None:
    tenant = new_id()
    with pytest.raises(BadEvent) as caught:
        async with db.tenant(tenant) as tx:
            await tx.emit(Event(EventType.TASK_DECIDED, tenant, new_id(), data))
    assert "TASK_DECIDED" in caught.value.detail
    assert "Ana" not in caught.value.detail, "the error does not repeat what it keeps out"


def test_an_older_version_is_brought_up_step_by_step() -> None:
    own = Schemas()

    @own.of(EventType.DEAL_CHANGED, version=1)
    class First(Data):
        field: str
        upcast = staticmethod(lambda data: {"fields": [data["field"]]})

    @own.of(EventType.DEAL_CHANGED, version=2)
    class Second(Data):
        fields: list[str]
        upcast = staticmethod(lambda data: {**data, "count": len(data["fields"])})

    @own.of(EventType.DEAL_CHANGED, version=3)
    class Third(Data):
        fields: list[str]
        count: int

    assert own.stuck() == []
    assert own.read(EventType.DEAL_CHANGED, 1, {"field": "stage"}) == {"fields": ["stage"], "count": 1}
    assert own.upcast(EventType.DEAL_CHANGED, 3, {"fields": [], "count": 0}) == {"fields": [], "count": 0}
    assert own.written(EventType.DEAL_CHANGED, {"fields": [], "count": 0})[0] == 3
    with pytest.raises(Unavailable):
        own.read(EventType.DEAL_CHANGED, 4, {})
    with pytest.raises(BadEvent):
        own.read(EventType.DEAL_CHANGED, 2, {"fields": "stage"})


def test_readers_pass_over_what_they_do_not_know() -> None:
    assert FACTS.read(EventType.DEAL_CREATED, 1, {"new": 1}) == {"new": 1}


@pytest.mark.parametrize(
    "raw",
    [{}, {"type": "MADE_UP"}, {"type": "DEAL_CREATED", "tenantid": 7}, {"type": ["DEAL_CREATED"]}, {"type": None}],
)
def test_what_is_no_event_of_ours_is_a_bad_event(raw: dict[str, Any]) -> None:
    with pytest.raises(BadEvent):
        Event.from_cloudevent(raw)


def test_the_document_names_every_message_and_who_takes_it() -> None:
    told = asyncapi.document("1.2.3", REACTIONS, topic="salesedge.events")
    assert set(told["components"]["messages"]) == {kind.value for kind in EventType}
    heard = {operation["title"] for name, operation in told["operations"].items() if name != "publish"}
    assert heard == {reaction.name for reaction in REACTIONS}
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)


async def test_the_document_is_served(api: Api) -> None:
    answer = await api.get("/asyncapi.json")
    assert (answer.status_code, answer.json()["asyncapi"]) == (200, "3.0.0")
