"""What was approved is carried out: once to its reader, again where it failed, never where somebody said no."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy

import pytest
from icalendar import Calendar

from core.automation.execution import repository
from core.gateways.mail import written
from core.kit.ids import new_id
from tests.core.automation.conftest import Office


async def test_an_approved_mail_goes_out_once_it_is_due(office: Office) -> None:
    task_id = await office.approved(in_days=1)
    assert office.post.sent == []
    await office.after(86_400 + 1)
    [mail] = office.post.sent
    assert (mail.id, mail.to, mail.reply_to) == (task_id, "maria@example.com", "ana@example.com")
    assert mail.subject == "Our talk Bcc: all@example.com", "a line break in a text opens no header"
    assert await office.status(task_id) == "done"
    assert await office.rows("SELECT kind, direction FROM activities") == [("email", "out")]


async def test_what_is_done_makes_room_for_the_next(office: Office) -> None:
    task_id = await office.approved()
    assert await office.rows("SELECT data->>'status' FROM events WHERE type = 'TASK_FINISHED'") == [("done",)]
    assert await office.outcomes(task_id) == ["done"]
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        await office.api.services.executor.carry_out(tx, task_id)
        await office.api.services.executor.carry_out(tx, new_id())
    assert len(office.post.sent) == 1


async def test_a_server_that_is_away_is_asked_again_later_and_later(office: Office) -> None:
    office.post.down = True
    task_id = await office.approved()
    assert (await office.outcomes(task_id), await office.status(task_id)) == (["failed"], "approved")
    office.post.down = False
    await office.after(5)
    assert office.post.sent == [], "not at once"
    await office.after(60)
    assert await office.outcomes(task_id) == ["failed", "done"]


async def test_what_fails_each_time_is_given_up_told_and_tried_again_when_a_person_says_so(office: Office) -> None:
    office.post.down = True
    task_id = await office.approved()
    for _ in range(4):
        await office.after(3_600)
    assert (await office.outcomes(task_id), await office.status(task_id)) == (["failed"] * 3, "failed")
    assert await office.rows("SELECT count(*) FROM notifications WHERE kind = 'task_failed'") == [(1,)]
    office.post.down = False
    office.ana.token = await _log_in(office)
    assert (await office.ana.post(f"/v1/tasks/{task_id}/retry")).json()["status"] == "approved"
    await office.after(60)
    assert await office.status(task_id) == "done"
    assert (await office.ana.post(f"/v1/tasks/{task_id}/retry")).status_code == 409


async def _log_in(office: Office) -> str:
    body = {"email": "ana@example.com", "password": office.api.PASSWORD, "tenant": "acme"}
    return str((await office.api.post("/v1/login", json=body)).json()["access_token"])


async def test_an_address_that_nobody_has_is_not_asked_again(office: Office) -> None:
    office.post.knows_nobody = True
    task_id = await office.approved()
    [attempt] = (await office.ana.get(f"/v1/tasks/{task_id}/attempts")).json()
    assert attempt["outcome"] == "refused"
    assert "Correct it" in attempt["error"]
    assert await office.status(task_id) == "failed"


async def test_a_try_that_is_cut_short_is_written_down_and_repeated_under_the_same_id(office: Office) -> None:
    async def die() -> None:
        office.post.meanwhile = None
        raise RuntimeError("the process dies")

    office.post.meanwhile = die
    task_id = await office.approved()
    await office.after(60)
    assert await office.outcomes(task_id) == ["begun", "done"]
    assert [mail.id for mail in office.post.sent] == [task_id]


async def test_who_objected_is_not_written_to(office: Office) -> None:
    path = f"/v1/contacts/{office.contact_id}/consents"
    given = {"purpose": "marketing", "basis": "consent", "evidence": "mail of 3 May"}
    assert (await office.ana.post(path, json=given)).status_code == 201
    assert (await office.ana.post(f"{path}/withdraw", json={"purpose": "marketing"})).status_code == 201
    task_id = await office.approved()
    assert (await office.status(task_id), office.post.sent) == ("failed", [])


async def test_what_nobody_looked_at_needs_a_basis(office: Office) -> None:
    task_id = await office.task(status="approved")
    await office.work()
    assert (await office.status(task_id), office.post.sent) == ("failed", [])
    given = {"purpose": "marketing", "basis": "consent", "evidence": "mail of 3 May"}
    await office.ana.post(f"/v1/contacts/{office.contact_id}/consents", json=given)
    other = await office.task(status="approved")
    await office.work()
    assert (await office.status(other), len(office.post.sent)) == ("done", 1)


async def test_a_pause_holds_everything_back_and_its_end_lets_it_go(office: Office) -> None:
    assert (await office.ana.post("/v1/automation/pause")).json()["state"] == "paused"
    task_id = await office.approved()
    assert (office.post.sent, await office.status(task_id)) == ([], "approved")
    assert (await office.ana.post("/v1/automation/resume")).json()["state"] == "running"
    await office.work()
    assert await office.status(task_id) == "done"


async def test_a_halt_that_comes_between_claim_and_sending_is_heard(office: Office) -> None:
    executor = office.api.services.executor
    begin = executor._begin

    async def halted_meanwhile(task, destination):  # type: ignore[no-untyped-def]
        found = await begin(task, destination)
        async with office.api.services.db.system() as tx:
            await repository.set_halt(tx, "A wrong text is going out")
        return found

    executor._begin = halted_meanwhile  # type: ignore[method-assign]
    task_id = await office.approved()
    assert (office.post.sent, await office.outcomes(task_id)) == ([], ["held"])
    assert (await office.ana.get("/v1/automation/state")).json()["reason"] == "A wrong text is going out"
    executor._begin = begin  # type: ignore[method-assign]
    async with office.api.services.db.system() as tx:
        await repository.end_halt(tx)
    await office.after(301)
    assert await office.status(task_id) == "done"


async def test_two_processes_carry_a_task_out_once(office: Office) -> None:
    task_id = await office.task()
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        task = await repository.locked(tx, task_id)
        assert task is not None
        task.status, task.decided_by, task.decided_at = "approved", office.user_id, tx.clock.now()

    async def try_it() -> None:
        async with office.api.services.db.tenant(office.tenant_id) as tx:
            await office.api.services.executor.carry_out(tx, task_id)

    await asyncio.gather(*(try_it() for _ in range(4)))
    assert len(office.post.sent) == 1
    assert await office.outcomes(task_id) == ["done"]


async def test_a_destination_that_fails_for_all_is_left_alone_for_a_while(office: Office) -> None:
    office.post.down = True
    first = [await office.approved() for _ in range(4)]
    fifth = await office.approved()
    assert [await office.outcomes(one) for one in first] == [["failed"]] * 4
    assert await office.outcomes(fifth) == [], "the breaker is open"
    told = await office.approved("notify_user")
    assert await office.status(told) == "done", "another destination is not"
    office.post.down = False
    await office.after(3_600)
    await office.after(3_600)
    assert {await office.status(one) for one in (*first, fifth)} == {"done"}


async def test_a_meeting_is_an_invitation_that_calendars_read(office: Office) -> None:
    task_id = await office.approved("schedule_meeting")
    [mail] = office.post.sent
    message = message_from_bytes(bytes(written(mail, "sales@example.com")), policy=policy.default)
    [part] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    assert part.get_param("method") == "REQUEST"
    [event] = Calendar.from_ical(part.get_content()).walk("VEVENT")
    assert event["uid"] == f"{task_id}@salesedge"
    assert {str(guest) for guest in event["attendee"]} == {"mailto:maria@example.com", "mailto:ana@example.com"}
    begins = event["dtstart"].dt
    assert begins.weekday() < 5
    assert begins > office.clock.now()


@pytest.mark.parametrize("kind", ["notify_user", "create_crm_task"])
async def test_people_are_told_what_is_theirs_to_do(office: Office, kind: str) -> None:
    task_id = await office.approved(kind)
    assert await office.status(task_id) == "done"
    told = await office.rows("SELECT user_id, text FROM notifications WHERE kind = 'task_to_do'")
    assert told == [(office.user_id, "Write to Maria")]


async def test_the_log_tells_each_try(office: Office) -> None:
    office.post.knows_nobody = True
    failed, told = await office.approved(), await office.approved("notify_user")
    log = (await office.ana.get("/v1/automation/log")).json()["items"]
    assert [(one["task_id"], one["kind"], one["outcome"]) for one in log] == [
        (str(told), "notify_user", "done"), (str(failed), "send_email", "refused"),
    ]  # fmt: skip
