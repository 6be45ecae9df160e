"""Where tasks go. Each is told the task's id, by which what arrives twice after a crash is one to its reader."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Protocol

from core.automation.execution.invitation import invitation
from core.automation.model import Task
from core.automation.rules.company import working_days
from core.content import repository as content
from core.deals import repository as deals
from core.deals.change import add_activity
from core.deals.model import Contact, Deal
from core.deals.schemas import ActivityIn
from core.kit.db import Tx
from core.kit.errors import Conflict, Unavailable
from core.notifications.notify import Notice, notify
from core.ports import Consents, Mail, Mailer
from core.tenants import repository as tenants

_MEETINGS_AT = 10


class Destination(Protocol):
    name: str

    async def carry_out(self, tx: Tx, task: Task) -> None:
        """Raises `Unavailable` where another try may do; any other error of ours where none will."""
        ...


class MailDestination:
    """The drafted text to the deal's contact; his answer goes to the seller."""

    name = "mail"

    def __init__(self, mailer: Mailer, consents: Consents) -> None:
        self._mailer = mailer
        self._consents = consents

    async def carry_out(self, tx: Tx, task: Task) -> None:
        deal, _, address = await reachable(tx, task, self._consents)
        draft = await content.of_task(tx, task.id)
        if draft is None:
            raise Unavailable("The text is not written yet.")
        owner = await tenants.user(tx, deal.owner_id) if deal.owner_id else None
        mail = Mail(task.id, address, _line(draft.subject), draft.body, reply_to=owner.email if owner else None)
        await _send(self._mailer, mail)
        await note(tx, deal, "email")


class MeetingDestination:
    """An invitation to the contact and the seller: half an hour, on a working morning that leaves him a day."""

    name = "calendar"

    def __init__(self, mailer: Mailer, consents: Consents) -> None:
        self._mailer = mailer
        self._consents = consents

    async def carry_out(self, tx: Tx, task: Task) -> None:
        deal, contact, address = await reachable(tx, task, self._consents)
        if deal.owner_id is None:
            raise Conflict("The deal has no owner who could meet the customer. Give it one, and try again.")
        owner, tenant = await tenants.user(tx, deal.owner_id), await tenants.tenant(tx)
        draft = await content.of_task(tx, task.id)
        if draft is None and task.template is not None:
            raise Unavailable("The text is not written yet.")
        title = draft.subject if draft else f"{tenant.name} · {deal.name}"
        text = draft.body if draft else title
        made_at = task.decided_at or task.created_at
        at = (await working_days(tx)).next_at(made_at + timedelta(days=1), _MEETINGS_AT)
        told = invitation(
            uid=task.id, at=at, made_at=made_at, title=_line(title), text=text, organizer=(owner.name, owner.email),
            guests=[(contact.name, address), (owner.name, owner.email)],
        )  # fmt: skip
        await _send(self._mailer, Mail(task.id, address, _line(title), text, reply_to=owner.email, invitation=told))
        await note(tx, deal, "email")


class PeopleDestination:
    """The deal's owner is told, else all who work at the tenant. Until a CRM is connected, that is also where a task
    of the CRM goes."""

    name = "people"

    async def carry_out(self, tx: Tx, task: Task) -> None:
        deal = await deals.deal(tx, task.deal_id)
        notice = Notice("task_to_do", task.id, f"do:{task.id}", deal.id, text=task.title)
        await notify(tx, notice, [deal.owner_id] if deal.owner_id else None)


async def reachable(tx: Tx, task: Task, consents: Consents) -> tuple[Deal, Contact, str]:
    """Whom the task is for, and that he may be written to. Raises `Conflict` with what to do about it.

    What nobody looked at needs a basis for marketing; what a person approved goes to whoever has not objected.
    """
    deal = await deals.deal(tx, task.deal_id)
    contact = await deals.contact(tx, deal.contact_id) if deal.contact_id else None
    if contact is None or not contact.email:
        raise Conflict("The deal's contact has no e-mail address. Add one, and try again.")
    if await consents.objects(tx, contact.id, "marketing"):
        raise Conflict("The contact does not want to be written to.")
    if task.decided_by is None and not await consents.allows(tx, contact.id, "marketing"):
        raise Conflict(
            "There is no basis to write to the contact without a person who approves it. Record one at "
            f"POST /v1/contacts/{contact.id}/consents, or approve the task yourself."
        )
    return deal, contact, contact.email


async def note(tx: Tx, deal: Deal, kind: Literal["email", "meeting", "note"]) -> None:
    """The deal's history says that the customer was written to."""
    await add_activity(tx, deal.id, ActivityIn(kind=kind, direction="out"))


async def _send(mailer: Mailer, mail: Mail) -> None:
    if not await mailer.send(mail):
        raise Conflict("The customer's mail server knows no such address. Correct it, and try again.")


def _line(text: str) -> str:
    """A name with line breaks must not end the header that it stands in."""
    return " ".join(text.split())


def destinations(mailer: Mailer, consents: Consents) -> dict[str, Destination]:
    """Kind of task → where it goes."""
    people = PeopleDestination()
    return {
        "send_email": MailDestination(mailer, consents), "schedule_meeting": MeetingDestination(mailer, consents),
        "create_crm_task": people, "notify_user": people,
    }  # fmt: skip
