"""Calls over HTTP: accepted once, refused without a trace, followed to the end, walled off from other tenants."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx2
import numpy as np
import pytest
from sqlalchemy import text

from core.flows import REACTIONS
from core.kit.ids import new_id
from core.kit.relay import Relay
from core.settings import CallSettings, Settings
from tests.fakes.speech import encoded, silence, tone
from tests.support import Api, Client, new_deal, sign_up

RESULTS = ("transcript", "sentiment", "insights")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Limits that a test can pass."""
    return settings.model_copy(update={"calls": CallSettings(max_upload_mb=1, max_decoded_s=60.0)})


def wav(hz: float = 440.0, seconds: float = 1.0) -> bytes:
    return encoded(tone(seconds, hz), "wav", "pcm_s16le")


def conversation() -> bytes:
    """The seller speaks from 0 to 3.5 s on the left, the customer from 4.5 to 8.5 s on the right."""
    left = np.concatenate([tone(3.5), silence(5.0)], axis=1)
    right = np.concatenate([silence(4.5), tone(4.0, 880.0)], axis=1)
    return encoded(np.concatenate([left, right]), "flac", "flac")


async def upload(
    client: Client, data: bytes, *, name: str = "call.wav", key: str | None = None, **form: Any
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post("/v1/calls", files={"audio": (name, io.BytesIO(data))}, data=form, headers=headers)


async def accepted(client: Client, data: bytes, **options: Any) -> dict[str, Any]:
    answer = await upload(client, data, **options)
    assert answer.status_code == 202, answer.text
    call: dict[str, Any] = answer.json()
    return call


async def held(api: Api, client: Client) -> dict[str, int]:
    """How much there is of calls, of what was said about them, and of recordings."""
    tenant_id = api.services.tokens.check(client.token).tenant_id
    async with api.services.db.tenant(tenant_id) as tx:
        calls = (await tx.session.execute(text("SELECT count(*) FROM calls"))).scalar_one()
        events = (
            await tx.session.execute(text("SELECT count(*) FROM events WHERE type LIKE 'CALL_%'"))
        ).scalar_one()  # fmt: skip
    return {"calls": calls, "events": events, "objects": len(await api.services.objects.keys(""))}


def process(api: Api) -> Relay:
    return Relay(api.services.db, REACTIONS, api.services)


# ── accepting ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_upload_is_accepted_with_all_that_was_said_about_it(api: Api, ana: Client) -> None:
    deal, data = await new_deal(ana), conversation()
    answer = await upload(
        ana, data, deal_id=deal["id"], language="en", region="south", title="Demo", seller_channel="1",
        participants='[{"name": " Rui ", "side": "customer", "email": "rui@example.com"}]',
        started_at="2026-11-23T12:30:00Z",
    )  # fmt: skip
    call = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/calls/{call['id']}"
    shown = {name: call[name] for name in call if name not in ("id", "owner_id", "created_at")}
    assert shown == {
        "deal_id": deal["id"], "title": "Demo", "status": "uploaded", "progress": None, "language": "en",
        "region": "south", "participants": [{"name": "Rui", "side": "customer", "email": "rui@example.com"}],
        "duration_s": pytest.approx(8.5), "channels": 2, "codec": "flac", "size_bytes": len(data), "error": None,
        "started_at": "2026-11-23T12:30:00Z",
    }  # fmt: skip
    assert (await ana.get(answer.headers["Location"])).json() == call
    assert await held(api, ana) == {"calls": 1, "events": 1, "objects": 1}
    recording = await ana.get(f"/v1/calls/{call['id']}/audio")
    assert recording.content == data
    assert recording.headers["Content-Disposition"] == f'attachment; filename="{call["id"]}"'


async def test_calls_are_listed_newest_first_by_deal_and_status_and_in_pages(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    first = await accepted(ana, wav(440), deal_id=deal["id"])
    second, third = [await accepted(ana, wav(hz)) for hz in (550, 660)]

    async def listed(query: str) -> list[str]:
        return [item["id"] for item in (await ana.get(f"/v1/calls?{query}")).json()["items"]]

    assert await listed("") == [third["id"], second["id"], first["id"]]
    assert await listed(f"deal_id={deal['id']}") == [first["id"]]
    assert await listed("status=ready") == []
    assert await listed("status=uploaded&limit=2") == [third["id"], second["id"]]
    cursor = (await ana.get("/v1/calls?limit=2")).json()["next_cursor"]
    assert await listed(f"limit=2&cursor={cursor}") == [first["id"]]
    assert (await ana.get("/v1/calls?status=dreaming")).json()["errors"][0]["field"] == "query.status"


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_repeated_key_gets_the_first_answer_again(api: Api, ana: Client) -> None:
    first = await upload(ana, wav(), key="k1", title="Demo")
    again = await upload(ana, wav(), key="k1", title="Demo")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert await held(api, ana) == {"calls": 1, "events": 1, "objects": 1}


async def test_the_same_recording_is_the_same_call_without_any_key(api: Api, ana: Client) -> None:
    first = await upload(ana, wav(), name="a.wav")
    again = await upload(ana, wav(), name="b.mp3")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["Location"] == first.headers["Location"]
    assert (await accepted(ana, wav(), key="new"))["id"] == first.json()["id"]
    assert await held(api, ana) == {"calls": 1, "events": 1, "objects": 1}


@pytest.mark.parametrize("key", ["k1", None])
async def test_many_uploads_of_one_recording_at_once_make_one_call(api: Api, ana: Client, key: str | None) -> None:
    answers = await asyncio.gather(*(upload(ana, wav(), key=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert await held(api, ana) == {"calls": 1, "events": 1, "objects": 1}


async def test_a_key_cannot_be_used_for_another_recording_or_another_deal(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    await accepted(ana, wav(), key="k1")
    for data, form in ((wav(880), {}), (wav(), {"deal_id": deal["id"]})):
        answer = await upload(ana, data, key="k1", **form)
        assert (answer.status_code, answer.json()["errorType"]) == (409, "Conflict")
        assert answer.json()["detail"] == ("This Idempotency-Key was already used for another request. Take a new key.")
    assert await held(api, ana) == {"calls": 1, "events": 1, "objects": 1}


async def test_two_recordings_under_one_key_at_once_leave_one_call_and_one_recording(api: Api, ana: Client) -> None:
    answers = await asyncio.gather(*(upload(ana, wav(hz), key="k1") for hz in (440, 550, 660)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409]
    assert await held(api, ana) == {"calls": 1, "events": 1, "objects": 1}


async def test_a_recording_belongs_to_one_deal(api: Api, ana: Client) -> None:
    ours, other = await new_deal(ana), await new_deal(ana)
    call = await accepted(ana, wav(), deal_id=ours["id"])
    assert (await accepted(ana, wav(), deal_id=ours["id"]))["id"] == call["id"]
    answer = await upload(ana, wav(), deal_id=other["id"])
    assert (answer.status_code, answer.json()["call_id"]) == (409, call["id"])
    assert answer.json()["detail"] == "This very recording was already uploaded for another deal."


# ── refusing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lying(change: Callable[[bytearray], None]) -> bytes:
    data = bytearray(wav())
    change(data)
    return bytes(data)


def _says_one_hertz(data: bytearray) -> None:
    struct.pack_into("<II", data, 24, 1, 2)


def _says_an_hour(data: bytearray) -> None:
    at = data.index(b"data") + 4
    struct.pack_into("<I", data, at, 3600 * 32_000)


RUBBISH: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 422, "The file is empty. Choose the recording again."),
    "a few bytes": (b"RIFF", 422, "The file is too short to be audio."),
    "zeros": (bytes(5000), 422, "The file holds only zeros. Export the recording again."),
    "text": (
        b"Ol\xc3\xa1, isto n\xc3\xa3o \xc3\xa9 som. " * 50, 422,
        "The file is text, not audio. Send WAV, FLAC, MP3, OGG/Opus, M4A or WebM.",
    ),
    "zip": (
        b"PK\x03\x04" + bytes(range(256)), 422,
        "The file is a ZIP archive, not audio. Send WAV, FLAC, MP3, OGG/Opus, M4A or WebM.",
    ),
    "cut off": (
        wav(seconds=4.0)[:60_000], 422,
        "The file is truncated: its header promises more sound than it holds. Send the whole file again.",
    ),
    "only a header": (
        wav()[: wav().index(b"data")], 422,
        "The file is truncated: it has a header and no sound. Send the whole file again.",
    ),
    "lying about its length": (
        _lying(_says_an_hour), 422,
        "The file is truncated: its header promises more sound than it holds. Send the whole file again.",
    ),
    "lying about its rate": (
        _lying(_says_one_hertz), 422,
        "A sample rate of 1 Hz makes no sense. Export the recording again.",
    ),
    "too short": (
        wav(seconds=0.1), 422,
        "The recording is shorter than 0.3 seconds or holds no sound. Choose the whole recording.",
    ),
    "six channels": (
        encoded(np.repeat(tone(1), 6, axis=0), "wav", "pcm_s16le", layout="5.1"), 422,
        "The recording has 6 channels. Mix it down to one, or to two with one side on each.",
    ),
    "too large": (
        wav(seconds=33.0), 413, "The file is over 1 MB. Send it compressed, as Opus or MP3.",
    ),
    "a long silence in a small file": (
        encoded(silence(90.0), "ogg", "libopus"), 413,
        "The recording is longer than 1 minutes. Cut it into parts and send each.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", RUBBISH)
async def test_rubbish_is_refused_with_a_reason_and_leaves_nothing_behind(api: Api, ana: Client, kind: str) -> None:
    data, status, detail = RUBBISH[kind]
    for key in (None, "k1"):
        answer = await upload(ana, data, key=key)
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["detail"]) == (status, status, detail)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert problem["type"] == f"urn:salesedge:error:{ {422: 'BadAudio', 413: 'TooLarge'}[status] }"
    assert await held(api, ana) == {"calls": 0, "events": 0, "objects": 0}
    # A key that met a refusal is free for the right file.
    assert (await upload(ana, wav(), key="k1")).status_code == 202


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"participants": "Ana"}, "body.participants"),
        ({"participants": '[{"name": "Ana", "side": "judge"}]'}, "body.participants.0.side"),
        ({"participants": '[{"name": " ", "side": "seller"}]'}, "body.participants.0.name"),
        ({"language": "fr"}, "body.language"),
        ({"seller_channel": "2"}, "body.seller_channel"),
        ({"started_at": "2026-11-23T09:30:00"}, "body.started_at"),
        ({"title": "t" * 201}, "body.title"),
        ({"deal_id": "mine"}, "body.deal_id"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_left_behind(
    api: Api, ana: Client, form: dict[str, str], field: str
) -> None:
    answer = await upload(ana, wav(), **form)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert await held(api, ana) == {"calls": 0, "events": 0, "objects": 0}


async def test_an_upload_without_a_file_names_the_file(api: Api, ana: Client) -> None:
    answer = await ana.post("/v1/calls", data={"title": "Demo"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.audio")


async def test_a_deal_that_is_not_there_takes_no_recording(api: Api, ana: Client) -> None:
    assert (await upload(ana, wav(), deal_id=str(new_id()))).status_code == 404
    assert await held(api, ana) == {"calls": 0, "events": 0, "objects": 0}


# ── following ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_results_before_their_time_say_so_and_the_call_shows_its_progress(api: Api, ana: Client) -> None:
    call = await accepted(ana, wav())
    for what in RESULTS:
        answer = await ana.get(f"/v1/calls/{call['id']}/{what}")
        assert (answer.status_code, answer.json()["call_status"]) == (404, "uploaded")
        assert answer.json()["detail"] == f"The {what} is not ready yet. Follow `status` of the call."
    await api.services.progress.set(UUID(call["id"]), "transcribe", 0.5)
    assert (await ana.get(f"/v1/calls/{call['id']}")).json()["progress"] == {"stage": "transcribe", "share": 0.5}


async def test_a_call_runs_to_the_end_and_every_result_is_there(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    call = await accepted(ana, conversation(), deal_id=deal["id"], language="en")
    await process(api).drain()
    url = f"/v1/calls/{call['id']}"
    shown = (await ana.get(url)).json()
    assert (shown["status"], shown["progress"], shown["error"], shown["language"]) == ("ready", None, None, "en")

    transcript = (await ana.get(f"{url}/transcript")).json()
    assert [transcript[name] for name in ("call_id", "language", "language_confidence", "engine")] == [
        call["id"], "en", 1.0, "fake"
    ]  # fmt: skip
    assert [(t["speaker"], t["start_s"], t["end_s"], t["text"]) for t in transcript["turns"]] == [
        ("seller", 0.1, 2.89, "word0 word1 word2"), ("customer", 4.6, 7.39, "word0 word1 word2")
    ]  # fmt: skip
    assert transcript["turns"][1]["words"][2] == {"text": "word2", "start_s": 6.6, "end_s": 7.39, "confidence": 0.9}

    segments = (await ana.get(f"{url}/sentiment")).json()["segments"]
    assert [(s["turn"], s["speaker"], s["start_s"], s["valence"], s["emotion"], s["intention"]) for s in segments] == [
        (0, "seller", 0.1, 0.4, "trust", "information"), (1, "customer", 4.6, 0.4, "trust", "information")
    ]  # fmt: skip

    insights = (await ana.get(f"{url}/insights")).json()
    metrics, reasons = insights["insights"]["metrics"], insights["insights"]["score"]["reasons"]
    assert metrics["talk_ratio"] == {"seller": 0.5, "customer": 0.5}
    assert metrics["longest_silence_s"] == 1.71
    assert {r["key"]: r["points"] for r in reasons} == {"talk_share": 10, "next_step": -10, "questions": -5}
    assert insights["score"] == 45


async def test_the_transcript_comes_as_subtitles_and_as_text(api: Api, ana: Client) -> None:
    call = await accepted(ana, conversation())
    await process(api).drain()
    expected = {
        "srt": ("application/x-subrip", "1\n00:00:00,100 --> 00:00:02,890\nseller: word0 word1 word2\n\n"
                                        "2\n00:00:04,600 --> 00:00:07,390\ncustomer: word0 word1 word2\n"),
        "vtt": ("text/vtt", "WEBVTT\n\n1\n00:00:00.100 --> 00:00:02.890\n<v seller>word0 word1 word2\n\n"
                            "2\n00:00:04.600 --> 00:00:07.390\n<v customer>word0 word1 word2\n"),
        "text": ("text/plain", "[00:00] seller: word0 word1 word2\n[00:04] customer: word0 word1 word2\n"),
    }  # fmt: skip
    for form, (kind, written) in expected.items():
        answer = await ana.get(f"/v1/calls/{call['id']}/transcript?format={form}")
        assert (answer.headers["Content-Type"].split(";")[0], answer.text) == (kind, written)
    refused = await ana.get(f"/v1/calls/{call['id']}/transcript?format=pdf")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "query.format")


async def test_a_call_in_which_nobody_speaks_ends_with_empty_results(api: Api, ana: Client) -> None:
    call = await accepted(ana, encoded(silence(2.0), "wav", "pcm_s16le"))
    await process(api).drain()
    url = f"/v1/calls/{call['id']}"
    assert (await ana.get(url)).json()["status"] == "ready"
    assert (await ana.get(f"{url}/transcript")).json()["turns"] == []
    assert (await ana.get(f"{url}/sentiment")).json()["segments"] == []
    found = (await ana.get(f"{url}/insights")).json()["insights"]
    assert (found["metrics"]["turns"], found["objections"], found["competitors"]) == (0, [], [])


async def test_a_recording_that_is_lost_fails_its_call_and_says_why(api: Api, ana: Client) -> None:
    call = await accepted(ana, wav())
    [key] = await api.services.objects.keys("")
    await api.services.objects.delete(key)
    await process(api).drain()
    shown = (await ana.get(f"/v1/calls/{call['id']}")).json()
    assert (shown["status"], shown["error"]) == ("failed", "There is no such object.")
    for what in RESULTS:
        answer = await ana.get(f"/v1/calls/{call['id']}/{what}")
        assert (answer.status_code, answer.json()["call_status"]) == (404, "failed")
        assert answer.json()["detail"] == f"This call has no {what}: There is no such object."


# ── walls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", ["", "/transcript", "/sentiment", "/insights", "/audio"])
async def test_a_call_that_is_not_ones_own_is_as_unknown_as_one_that_never_was(
    api: Api, ana: Client, part: str
) -> None:
    call = await accepted(ana, wav())
    await process(api).drain()
    assert (await ana.get(f"/v1/calls/{call['id']}{part}")).status_code == 200
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    for client, call_id in ((eve, call["id"]), (ana, str(new_id()))):
        answer = await client.get(f"/v1/calls/{call_id}{part}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such call.")
    assert (await eve.get("/v1/calls")).json()["items"] == []
    assert (await api.get(f"/v1/calls/{call['id']}{part}")).status_code == 401


async def test_another_tenant_with_the_same_recording_and_key_has_a_call_of_its_own(api: Api, ana: Client) -> None:
    deal = await new_deal(ana)
    ours = await accepted(ana, wav(), key="k1", deal_id=deal["id"])
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    theirs = await accepted(eve, wav(), key="k1")
    assert theirs["id"] != ours["id"]
    stolen = await upload(eve, wav(550), deal_id=deal["id"])
    assert (stolen.status_code, deal["id"] in stolen.text) == (404, False)
    keys = await api.services.objects.keys("")
    tenants = {str(api.services.tokens.check(client.token).tenant_id) for client in (ana, eve)}
    assert {key.split("/")[0] for key in keys} == tenants
    assert sorted(key.split("/", 1)[1] for key in keys) == sorted(f"calls/{call['id']}" for call in (ours, theirs))
