"""What a notification says, in the tenant's language, from `configs/notifications/<language>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from string import Template
from typing import Any

import yaml

from core.notifications.model import Notification
from core.settings import configs_dir


def said(row: Notification, language: str, deals: Mapping[Any, str]) -> str:
    """One line. `deals`: names by id; a deal that the reader may not see, or that is gone, has none."""
    texts = _texts(language)
    words = {name: value for name, value in row.data.items() if isinstance(value, str | int | float)}
    deal = deals.get(row.deal_id) or texts["_a_deal"]
    return Template(texts[row.kind]).safe_substitute({**words, "deal": deal, "text": row.text or ""}).strip()


def subject(count: int, language: str) -> str:
    return Template(_texts(language)["_subject"]).substitute(count=count)


def closing(address: str, language: str) -> str:
    return Template(_texts(language)["_closing"]).substitute(address=address)


@cache
def _texts(language: str) -> dict[str, str]:
    read: dict[str, str] = yaml.safe_load((configs_dir() / "notifications" / f"{language}.yaml").read_text("utf-8"))
    return read
