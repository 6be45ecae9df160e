"""A recorded call through the whole house on real weights, and what happens when parts of it die on the way."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from pathlib import Path
from typing import Any

import jiwer
import pytest
import yaml

from core.settings import configs_dir
from tests.e2e.house import House, User, piece

pytestmark = [pytest.mark.cluster, pytest.mark.weights]
DEMO = configs_dir() / "demo"
PROCESSES = {
    "stt": "ServeReplica:salesedge:stt",
    "flows": "ServeReplica:salesedge:flows",
    "tenant_host": "ray::TenantHost",
}
COMPETITORS = ("Salesforce", "Pipedrive", "HubSpot")


def plain(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))


def script(language: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEMO / f"call_{language}.yaml").read_text("utf-8"))
    return read


def word_errors(turns: list[dict[str, Any]], told: dict[str, Any], side: str) -> float:
    said = " ".join(turn["text"] for turn in told["turns"] if turn["speaker"] == side)
    heard = " ".join(turn["text"] for turn in turns if turn["speaker"] == side)
    return float(jiwer.wer(plain(said), plain(heard)))


def upload_demo(user: User, language: str) -> tuple[dict[str, Any], dict[str, Any]]:
    for name in COMPETITORS:
        user.post("/v1/competitors", json={"name": name})
    deal = user.deal()
    call = user.upload((DEMO / f"call_{language}.opus").read_bytes(), "call.opus", deal["id"])
    return deal, user.finished(call["id"])


@pytest.mark.parametrize(("language", "most"), [("en", 0.12), ("pt", 0.16)])
def test_demo_call_from_upload_to_approved_follow_up(house: House, language: str, most: float) -> None:
    user, told = house.tenant(locale="pt-BR" if language == "pt" else "en-US"), script(language)
    deal, call = upload_demo(user, language)
    assert (call["language"], call["channels"]) == (language, 2)

    turns = user.get(f"/v1/calls/{call['id']}/transcript")["turns"]
    assert {turn["speaker"] for turn in turns} == {"seller", "customer"}
    for side in ("seller", "customer"):
        assert word_errors(turns, told, side) <= most, side
    assert all(a["start_s"] <= b["start_s"] for a, b in itertools.pairwise(turns))

    segments = user.get(f"/v1/calls/{call['id']}/sentiment")["segments"]
    assert len(segments) == len(turns)
    assert all(-1 <= s["valence"] <= 1 and 0 <= s["arousal"] <= 1 for s in segments)

    found = user.get(f"/v1/calls/{call['id']}/insights")["insights"]
    assert {naming["name"] for naming in found["competitors"]} == set(told["facts"]["competitors"])
    objections = [(objection["kind"], objection["met"]) for objection in found["objections"]]
    assert objections == [(fact["kind"], fact["answered"]) for fact in told["facts"]["objections"]]
    assert sum(found["metrics"]["talk_ratio"].values()) == pytest.approx(1, abs=0.01)
    assert found["next_steps"]

    # No model yet: the answer says so, and the call is in what was looked at.
    assert user.forecast(deal["id"], "INSIGHTS_READY")["now"]["basis"] == "base_rate"
    [task] = user.tasks(deal["id"])
    assert (task["status"], task["call_id"], task["kind"]) == ("waiting", call["id"], "send_email")
    assert task["draft"]["language"] == language
    assert all(fact["source"] for fact in task["draft"]["facts"])
    [decision] = user.get(f"/v1/automation/decisions?task_id={task['id']}")["items"]
    assert decision["verdict"] == "acted"
    assert decision["odds"]["basis"] == "base_rate", "the agent's host reaches the engine"
    approved = user.post(f"/v1/tasks/{task['id']}/approve")
    assert (approved["status"], approved["draft"]["status"]) == ("approved", "approved")
    assert user.http.post(f"/v1/tasks/{task['id']}/dismiss").status_code == 409


def test_a_call_moves_the_forecast_of_a_model_that_was_trained_here(house: House) -> None:
    user = house.tenant()
    report = asyncio.run(house.train(user.tenant_id))
    assert report.metrics["auc"] > 0.7
    deal = user.deal()
    before = user.forecast(deal["id"], "DEAL_CREATED")
    assert (before["now"]["basis"], before["now"]["version"]) == ("tenant", "1")
    call = user.upload(piece(DEMO / "call_en.opus", 44, 30), "a.wav", deal["id"])
    user.finished(call["id"])
    after = user.forecast(deal["id"], "INSIGHTS_READY")
    assert after["before"]["id"] == before["now"]["id"]
    assert after["change"] == pytest.approx(after["now"]["probability"] - before["now"]["probability"], abs=1e-6)
    assert after["now"]["low"] <= after["now"]["probability"] <= after["now"]["high"]
    moved = {reason["feature"] for reason in after["changed_by"]}
    assert moved & {"objections", "last_sentiment", "buying_signals", "competitors", "calls"}, moved


def test_transcript_for_people_in_three_forms(house: House) -> None:
    user = house.tenant()
    deal = user.deal()
    call = user.upload(piece(DEMO / "call_en.opus", 0, 20), "a.wav", deal["id"])
    user.finished(call["id"])
    url = f"/v1/calls/{call['id']}/transcript?format="
    assert user.http.get(url + "vtt").text.startswith("WEBVTT\n\n1\n00:00:")
    assert " --> " in user.http.get(url + "srt").text
    assert "seller: " in user.http.get(url + "text").text


@pytest.mark.parametrize("victim", ["stt", "flows", "tenant_host", "connections"])
def test_whatever_dies_in_the_middle_each_thing_happens_once(house: House, victim: str) -> None:
    user = house.tenant()
    user.post("/v1/competitors", json={"name": "Salesforce"})
    deal = user.deal()
    start_s = {"stt": 40.0, "flows": 41.0, "tenant_host": 42.0, "connections": 43.0}[victim]
    call = user.upload(piece(DEMO / "call_en.opus", start_s, 60), "a.wav", deal["id"])
    user.follow(call["id"], lambda c: (c["progress"] or {}).get("stage") == "transcribe" or c["status"] != "uploaded")
    if victim == "connections":
        assert house.cut_connections() > 0
    else:
        assert house.kill(PROCESSES[victim]) > 0
    user.finished(call["id"])
    tasks = user.tasks(deal["id"])
    assert len(tasks) == 1
    for table in ("transcripts", "sentiments", "insights"):
        assert house.rows(f"SELECT count(*) FROM {table} WHERE id = %s", call["id"]) == [(1,)]
    assert house.rows("SELECT count(*) FROM activities WHERE call_id = %s", call["id"]) == [(1,)]
    assert house.rows("SELECT count(*) FROM tasks WHERE deal_id = %s", deal["id"]) == [(1,)]
    assert house.rows("SELECT count(*) FROM drafts WHERE task_id = %s", tasks[0]["id"]) == [(1,)]
    parked = "SELECT count(*) FROM deliveries WHERE tenant_id = %s AND status = 'parked'"
    assert house.rows(parked, user.tenant_id) == [(0,)]
    kinds = [kind for (kind,) in house.rows("SELECT type FROM events WHERE subject = %s ORDER BY seq", call["id"])]
    assert kinds == ["CALL_UPLOADED", "CALL_TRANSCRIBED", "CALL_ANALYZED", "INSIGHTS_READY"]


def test_serving_processes_hold_no_torch(house: House) -> None:
    """What a replica has mapped tells what it has imported."""
    import psutil

    seen = 0
    for process in psutil.process_iter(["cmdline"]):
        if "ServeReplica:salesedge" in " ".join(process.info["cmdline"] or []):
            assert "/torch/" not in Path(f"/proc/{process.pid}/maps").read_text()
            seen += 1
    assert seen >= 7


def test_another_tenant_sees_nothing_of_a_call(house: House) -> None:
    user, other = house.tenant(), house.tenant()
    deal = user.deal()
    call = user.upload(piece(DEMO / "call_en.opus", 5, 10), "a.wav", deal["id"])
    user.finished(call["id"])
    for path in ("", "/transcript", "/sentiment", "/insights", "/audio"):
        assert other.http.get(f"/v1/calls/{call['id']}{path}").status_code == 404
    assert other.get("/v1/calls")["items"] == []
    again = other.http.post("/v1/calls", files={"audio": ("a.wav", b"x")}, data={"deal_id": deal["id"]})
    assert again.status_code == 404
    assert json.dumps(again.json()).count(deal["id"]) == 0
