"""The common rules, ready to be taken over and changed."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import yaml

from core.automation.rules.definition import Definition
from core.settings import configs_dir


@functools.cache
def templates(language: str) -> Mapping[str, Definition]:
    """By key."""
    raw = yaml.safe_load((configs_dir() / "rules" / f"{language}.yaml").read_text("utf-8"))
    return {key: Definition.model_validate(says) for key, says in raw.items()}
