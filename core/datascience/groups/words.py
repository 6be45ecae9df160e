"""What a group of customers is, in the words of who sells, in both languages."""

from __future__ import annotations

import math
from collections.abc import Callable

from core.datascience.groups.grouping import Group

# feature → (pt, en) where a group lies above all others, and below
_SAID: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "deals": (("muitos negócios", "many deals"), ("poucos negócios", "few deals")),
    "deals_open": (("muito em aberto", "much still open"), ("pouco em aberto", "little still open")),
    "win_share": (("ganhamos mais", "won more often"), ("ganhamos menos", "won less often")),
    "log_value": (("negócios grandes", "large deals"), ("negócios pequenos", "small deals")),
    "cycle_days": (("ciclo longo", "long cycle"), ("ciclo curto", "short cycle")),
    "touches_per_deal": (
        ("muitos contatos por negócio", "many contacts a deal"), ("poucos contatos por negócio", "few contacts a deal"),
    ),
    "inbound_share": (
        ("o cliente nos procura", "the customer reaches out"), ("somos nós que procuramos", "we do the reaching out"),
    ),
    "meetings_per_deal": (("muitas reuniões", "many meetings"), ("poucas reuniões", "few meetings")),
    "calls_per_deal": (("muitas ligações", "many calls"), ("poucas ligações", "few calls")),
    "mood": (("bom humor nas ligações", "good mood in calls"), ("mau humor nas ligações", "bad mood in calls")),
    "objections_per_deal": (("muitas objeções", "many objections"), ("poucas objeções", "few objections")),
    "competitors_per_deal": (
        ("citam concorrentes", "competitors are named"), ("mal citam concorrentes", "competitors are seldom named"),
    ),
    "days_since_contact": (("sem contato há tempo", "not in touch for long"), ("contato recente", "recently in touch")),
}  # fmt: skip
_NEAR = ("perto da média", "near the average")
TELLING = 0.5
"""Standard deviations from all accounts that are worth a word."""
_IN_A_NAME, _IN_A_DESCRIPTION = 2, 5


def name(group: Group, language: str) -> str:
    """By what sets it apart most."""
    found = _traits(group, language)[:_IN_A_NAME] or [_NEAR[_place(language)]]
    whole = ", ".join(found)
    return whole[:1].upper() + whole[1:]


def describe(group: Group, of: int, language: str) -> str:
    """`of`: how many accounts there are in all."""
    share = round(100 * group.accounts / max(1, of))
    traits = "; ".join(_traits(group, language)[:_IN_A_DESCRIPTION]) or _NEAR[_place(language)]
    facts = ", ".join(_facts(group, language))
    facts = facts[:1].upper() + facts[1:]
    if language == "pt":
        return f"{group.accounts} clientes ({share} %): {traits}. {facts}."
    return f"{group.accounts} customers ({share} %): {traits}. {facts}."


def _traits(group: Group, language: str) -> list[str]:
    ordered = sorted(group.apart.items(), key=lambda pair: -abs(pair[1]))
    return [_SAID[of][by < 0][_place(language)] for of, by in ordered if abs(by) >= TELLING]


def _facts(group: Group, language: str) -> list[str]:
    pt = language == "pt"
    won, closed = group.won, group.closed
    found = [f"{won} de {closed} negócios ganhos" if pt else f"{won} of {closed} deals won"] if closed else []
    shown: dict[str, Callable[[float], str]] = {
        "log_value": lambda v: _money(math.expm1(v), language),
        "cycle_days": lambda v: f"{v:.0f} dias até o fim" if pt else f"{v:.0f} days to the end",
        "touches_per_deal": lambda v: (
            f"{v:.1f} contatos por negócio".replace(".", ",") if pt else f"{v:.1f} contacts a deal"
        ),
    }
    return found + [say(value) for of, say in shown.items() if (value := group.profile.get(of)) is not None]


def _money(value: float, language: str) -> str:
    shown = f"{value:,.0f}"
    return f"{shown.replace(',', '.')} em média" if language == "pt" else f"{shown} on average"


def _place(language: str) -> int:
    return 0 if language == "pt" else 1
