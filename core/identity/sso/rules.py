"""Pure decisions: which address counts, and which roles groups give."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from email_validator import EmailNotValidError, validate_email

NEVER_BY_GROUP = frozenset({"SYSTEM", "SUPER_ADMIN"})


def verified_email(claims: Mapping[str, Any], allowed_domains: Collection[str]) -> str | None:
    """The address that the provider vouches for, where its domain is one of the tenant's; None otherwise.

    ASCII only: letters that merely look alike, or turn alike in lower case, shall not enter another's account.
    """
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or not email.isascii() or not (verified is True or verified == "true"):
        return None
    try:
        checked = validate_email(email, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return checked.normalized if checked.domain.lower() in {domain.lower() for domain in allowed_domains} else None


def groups_in(claims: Mapping[str, Any], claim: str | None) -> list[str]:
    """The groups that an ID token names; a claim of another form names none."""
    value = claims.get(claim) if claim else None
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def roles_after(
    current: Sequence[str], groups: Iterable[str], group_roles: Mapping[str, str], default_role: str,
    formerly: Iterable[str] = (),
) -> list[str]:  # fmt: skip
    """Roles that the mapping speaks of come and go with the groups; all others stay as they are. Nobody is left
    without any. `formerly`: roles that it spoke of until now."""
    governed = {*group_roles.values(), *formerly}
    given = {group_roles[group] for group in groups if group in group_roles}
    kept = [role for role in current if role not in governed or role in given]
    return kept + sorted(given - set(kept)) or [default_role]


def team_after(current: str | None, groups: Collection[str], governed: Collection[str]) -> str | None:
    """The team of somebody in these groups. One that no group is named for (not in `governed`) was given by a person
    and stays where the groups name none."""
    if current in groups:
        return current
    if groups:
        return min(groups)
    return None if current in governed else current
