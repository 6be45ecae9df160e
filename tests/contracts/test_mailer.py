"""What every mailer does: the fake, a folder, and SMTP to a real server on loopback."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from cluster.local import free_port
from core.gateways.mail import FolderMailer, SmtpMailer, written
from core.kit.errors import BadInput, Unavailable
from core.kit.ids import new_id
from core.ports import Mail, Mailer
from tests.fakes.engines import FakeMailer

SENDER = "salesedge@localhost"
Sent = Callable[[], list[EmailMessage]]


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


class Inbox(Message):
    """Takes every mail, but none for `refused@`."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[bytes] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if address.startswith("refused@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Any) -> None:
        self.raw.append(message.as_bytes())


@pytest.fixture(params=["fake", "folder", "smtp"])
def mailer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Mailer, Sent]]:
    if request.param == "fake":
        fake = FakeMailer()
        yield fake, lambda: [parsed(bytes(written(mail, SENDER))) for mail in fake.sent]
    elif request.param == "folder":
        folder = tmp_path / "mail"
        yield FolderMailer(folder, SENDER), lambda: [parsed(path.read_bytes()) for path in folder.glob("*.eml")]
    else:
        inbox = Inbox()
        server = Controller(inbox, hostname="127.0.0.1", port=free_port())
        server.start()
        yield SmtpMailer("127.0.0.1", server.port, SENDER, tls="none"), lambda: [parsed(raw) for raw in inbox.raw]
        server.stop()


async def test_a_mail_arrives_as_it_was_written(mailer: tuple[Mailer, Sent]) -> None:
    send, sent = mailer
    mail = Mail(new_id(), "bia@acme.example", "Convite de São Paulo", "Olá, Bia:\n\nação — “já”\n" + "x" * 2_000)
    await send.send(mail)
    (arrived,) = sent()
    assert (arrived["To"], arrived["From"], arrived["Subject"]) == (mail.to, SENDER, mail.subject)
    assert arrived["Message-ID"] == f"<{mail.id}@localhost>"
    assert arrived.get_content().replace("\r\n", "\n").rstrip() == mail.text


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("a@b.example\r\nBcc: eve@evil.example", "Hello"),
        ("a@b.example", "Hello\r\nBcc: eve@evil.example"),
        ("a@b.example", "Hello\n\nanother body"),
    ],
)
async def test_a_header_cannot_be_injected_into_mail(mailer: tuple[Mailer, Sent], to: str, subject: str) -> None:
    send, sent = mailer
    with pytest.raises(BadInput):
        await send.send(Mail(new_id(), to, subject, "text"))
    assert sent() == []


async def test_a_server_that_is_away_is_tried_again_later() -> None:
    away = SmtpMailer("127.0.0.1", free_port(), SENDER, tls="none")
    with pytest.raises(Unavailable) as refused:
        await away.send(Mail(new_id(), "a@b.example", "s", "t"))
    assert refused.value.retryable


async def test_a_mailbox_that_does_not_exist_is_not_tried_for_ever() -> None:
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        await SmtpMailer("127.0.0.1", server.port, SENDER, tls="none").send(
            Mail(new_id(), "refused@b.example", "s", "t")
        )
    finally:
        server.stop()
    assert inbox.raw == []
