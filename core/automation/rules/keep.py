"""Keep a rule: each change is a new version, and what waited under the old one waits no longer."""

from __future__ import annotations

from uuid import UUID

from core.automation.rules import check, repository, waits
from core.automation.rules.definition import Definition
from core.automation.rules.model import Rule, RuleVersion
from core.kit.db import Tx
from core.kit.errors import Conflict, Invalid
from core.kit.ids import new_id

MOST_RULES = 200
_WRONG = {"pt": "A regra tem erros: cada um está com o seu lugar.", "en": "The rule has mistakes: each with its place."}


async def create(
    tx: Tx, says: Definition, *, is_enabled: bool, by: UUID, language: str
) -> tuple[Rule, RuleVersion]:  # fmt: skip
    """`language`: of what is told about mistakes, as in all that checks."""
    checked(says, language)
    if await repository.count(tx) >= MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} rules already, which is the most. Change one that is not needed.")
    now = tx.clock.now()
    rule = Rule(
        id=new_id(), tenant_id=tx.tenant_id, trigger=says.on, version=1, is_enabled=is_enabled, created_at=now,
        changed_at=now,
    )  # fmt: skip
    said = _version(tx, rule, says, by)
    await repository.add(tx, rule, said)
    tx.audit("rule.created", f"rule:{rule.id}", after={"version": 1, "is_enabled": is_enabled})
    return rule, said


async def change(
    tx: Tx, rule_id: UUID, says: Definition, *, by: UUID, language: str
) -> tuple[Rule, RuleVersion]:  # fmt: skip
    """The same again makes no version."""
    checked(says, language)
    rule = await repository.rule(tx, rule_id, lock=True)
    now = await repository.version(tx, rule.id, rule.version)
    if now.definition == says.model_dump(mode="json"):
        return rule, now
    rule.version += 1
    rule.trigger, rule.changed_at = says.on, tx.clock.now()
    said = _version(tx, rule, says, by)
    await repository.add(tx, said)
    await waits.drop(tx, rule_id=rule.id)
    tx.audit("rule.changed", f"rule:{rule.id}", before={"version": rule.version - 1}, after={"version": rule.version})
    return rule, said


async def switch(tx: Tx, rule_id: UUID, *, is_enabled: bool) -> tuple[Rule, RuleVersion]:
    rule = await repository.rule(tx, rule_id, lock=True)
    if rule.is_enabled != is_enabled:
        rule.is_enabled, rule.changed_at = is_enabled, tx.clock.now()
        await waits.drop(tx, rule_id=rule.id)
        tx.audit(f"rule.{'enabled' if is_enabled else 'disabled'}", f"rule:{rule.id}")
    return rule, await repository.version(tx, rule.id, rule.version)


def checked(says: Definition, language: str, place: str = "body") -> None:
    """Raises `Invalid` with each mistake at its place."""
    found = check.definition_problems(says, language, place)
    if found:
        raise Invalid(_WRONG["pt" if language == "pt" else "en"], problems=found)


def _version(tx: Tx, rule: Rule, says: Definition, by: UUID) -> RuleVersion:
    return RuleVersion(
        id=new_id(), tenant_id=tx.tenant_id, rule_id=rule.id, version=rule.version,
        definition=says.model_dump(mode="json"), created_at=tx.clock.now(), created_by=by,
    )  # fmt: skip
