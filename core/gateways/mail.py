"""E-mail leaves the house by SMTP, or stays in a folder on a developer's machine."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Literal

import aiosmtplib

from core.kit.errors import BadInput, Unavailable
from core.kit.log import logger
from core.ports import Mail

log = logger("mail")
_TIMEOUT_S = 20.0


def written(mail: Mail, sender: str) -> EmailMessage:
    """Raises `BadInput` for an address or a subject that would break out of its header."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
        if mail.reply_to:
            message["Reply-To"] = mail.reply_to
        message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    except ValueError:
        raise BadInput("An address or a subject of a mail holds a line break. Take it out.") from None
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.invitation is not None:
        message.add_alternative(mail.invitation, subtype="calendar", params={"method": "REQUEST"})
    return message


class SmtpMailer:
    """`Mailer`. The mail's id is its Message-ID, by which one that was sent twice after a crash is one to readers."""

    def __init__(
        self, host: str, port: int, sender: str, *, username: str | None = None, password: str | None = None,
        tls: Literal["none", "starttls", "tls"] = "starttls",
    ) -> None:  # fmt: skip
        self._sender = sender
        self._client = {"hostname": host, "port": port, "username": username, "password": password}
        self._tls = {"use_tls": tls == "tls", "start_tls": tls == "starttls"}

    async def send(self, mail: Mail) -> bool:
        message = written(mail, self._sender)
        try:
            await aiosmtplib.send(message, timeout=_TIMEOUT_S, **self._client, **self._tls)  # type: ignore[arg-type]
        except aiosmtplib.SMTPRecipientsRefused:
            log.warning("mail_refused", mail_id=str(mail.id))  # nobody is there: another try finds nobody either
            return False
        except (aiosmtplib.SMTPException, OSError):
            raise Unavailable("The mail server does not take the mail just now.") from None
        return True


class FolderMailer:
    """`Mailer` that writes each mail to a file `<id>.eml`, for people to open."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> bool:
        raw = bytes(written(mail, self._sender))
        await asyncio.to_thread(self._write, f"{mail.id}.eml", raw)
        return True

    def _write(self, name: str, raw: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / name).write_bytes(raw)
