"""Journeys that nobody makes: two log-ins of one person, too far apart for the time between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as some
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from core.app import create_app
from core.gateways.places import MmdbPlaces
from core.identity.devices import Sighting, distance_km, too_far
from core.kit.clock import VirtualClock
from core.kit.errors import BadInput
from core.ports import Place
from tests.core.identity.mailbox import mails
from tests.support import Api, Client, sign_up

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
SAO_PAULO, CAMPINAS, TOKYO, NOWHERE = "203.0.113.7", "203.0.113.200", "198.51.100.9", "192.0.2.1"
LogIn = Callable[[str], Awaitable[Client]]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> MmdbPlaces:
    writer = MMDBWriter(4, "GeoLite2-City", languages=["en"])
    for network, city, country, latitude, longitude in (
        ("203.0.113.0/25", "São Paulo", "BR", -23.55, -46.63), ("203.0.113.128/25", "Campinas", "BR", -22.91, -47.06),
        ("198.51.100.0/24", "Tokyo", "JP", 35.68, 139.69),
    ):  # fmt: skip
        where = {"latitude": latitude, "longitude": longitude, "accuracy_radius": 20}
        record: dict[str, Any] = {"city": {"names": {"en": city}}, "country": {"iso_code": country}, "location": where}
        writer.insert_network(IPSet([network]), record)
    path = tmp_path_factory.mktemp("places") / "places.mmdb"
    writer.to_db_file(str(path))
    return MmdbPlaces(path)


@pytest.fixture
async def log_in(api: Api, places: MmdbPlaces) -> LogIn:
    await sign_up(api, "acme")
    api.services.places = places
    app = create_app(api.services)

    async def enter(address: str) -> Client:
        transport = httpx2.ASGITransport(app=app, client=(address, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"email": "ana@example.com", "password": api.PASSWORD}
            answer = await client.post("/v1/login", json=body)
        assert answer.status_code == 200, answer.text
        return Client(api, answer.json()["access_token"])

    return enter


async def anomalies(client: Client) -> list[tuple[str, int | None]]:
    entries = (await client.get("/v1/audit", params={"limit": 200})).json()["items"]
    told = ("session.impossible_travel", "session.from_new_device")
    return [(one["action"], one["after"].get("distance_km")) for one in entries if one["action"] in told]


async def test_impossible_travel_is_an_event_and_a_mail(api: Api, log_in: LogIn, clock: VirtualClock) -> None:
    await log_in(SAO_PAULO)
    clock.advance(timedelta(hours=2))
    ana = await log_in(TOKYO)
    assert (await anomalies(ana))[0] == ("session.impossible_travel", 18515)
    subjects = [mail.subject for mail in await mails(api, "ana@example.com")]
    assert subjects[-1] == "Acesso de um lugar em que você não pode estar"
    shown = {one["place"]: one["current"] for one in (await ana.get("/v1/me/sessions")).json()}
    assert shown == {"Tokyo, JP": True, "São Paulo, BR": False, None: False}


async def test_who_takes_an_airliner_is_only_somewhere_new(log_in: LogIn, clock: VirtualClock) -> None:
    await log_in(SAO_PAULO)
    clock.advance(timedelta(hours=26))
    ana = await log_in(TOKYO)
    assert [action for action, _ in await anomalies(ana)][:1] == ["session.from_new_device"]


async def test_a_city_nearby_or_an_unknown_address_is_no_journey(log_in: LogIn) -> None:
    for address in (SAO_PAULO, CAMPINAS, NOWHERE):
        ana = await log_in(address)
    assert "session.impossible_travel" not in dict(await anomalies(ana))


async def test_a_place_between_does_not_hide_the_journey(log_in: LogIn, clock: VirtualClock) -> None:
    """A log-in from where nobody knows does not count as having been seen there."""
    await log_in(SAO_PAULO)
    await log_in(NOWHERE)
    clock.advance(timedelta(hours=1))
    assert (await anomalies(await log_in(TOKYO)))[0][0] == "session.impossible_travel"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "places.mmdb"
    path.write_bytes(b"no database")
    with pytest.raises(BadInput, match="is no database in MaxMind"):
        MmdbPlaces(path)


def test_what_is_no_address_is_nowhere(places: MmdbPlaces) -> None:
    assert [places.find(text) for text in (None, "", "testclient", "2001:db8::1", NOWHERE)] == [None] * 5
    found = places.find(SAO_PAULO)
    assert found == Place("São Paulo, BR", -23.55, -46.63, 20.0)


def test_distances_are_those_of_the_globe() -> None:
    assert distance_km(-23.55, -46.63, 35.68, 139.69) == pytest.approx(18_530, rel=0.01)
    assert distance_km(0, 0, 0, 180) == pytest.approx(20_015, rel=0.01)


_DEGREES = (some.floats(-90, 90), some.floats(-180, 180))


@given(*_DEGREES, *_DEGREES, some.integers(0, 10_000), some.floats(0, 1000))
def test_time_only_ever_makes_a_journey_possible(
    latitude: float, longitude: float, to_latitude: float, to_longitude: float, minutes: int, radius_km: float
) -> None:
    last, here = Sighting(latitude, longitude, NOW), Place(None, to_latitude, to_longitude, radius_km)
    now = NOW + timedelta(minutes=minutes)
    found = too_far(last, here, now)
    assert found is None or 300 <= found <= 20_100
    if found is None:
        assert too_far(last, here, now + timedelta(hours=1)) is None
    assert too_far(last, here, NOW + timedelta(hours=21)) is None, "no two places are further apart than that"
    assert too_far(None, here, now) is None
