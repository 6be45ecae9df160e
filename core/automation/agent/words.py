"""What the agent decided, in the words of the business, in both languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from core.datascience.predictions import words as predictions
from core.ports import WhatIf

_TITLES: dict[str, tuple[str, str]] = {
    "send_email": ("Enviar e-mail de acompanhamento: {deal}", "Send a follow-up e-mail: {deal}"),
    "create_crm_task": ("Fazer contato: {deal}", "Get in touch: {deal}"),
    "schedule_meeting": ("Propor uma conversa: {deal}", "Propose a conversation: {deal}"),
    "notify_user": ("Veja o que mudou: {deal}", "See what changed: {deal}"),
}
_TITLES_FOR: dict[tuple[str, str], tuple[str, str]] = {
    ("create_crm_task", "promise_due"): ("Prometido para hoje: {deal}", "Promised for today: {deal}"),
    ("notify_user", "no_follow_up"): ("O cliente espera uma resposta: {deal}", "The customer awaits an answer: {deal}"),
    ("notify_user", "deal_stalled"): ("Negócio parado: {deal}", "The deal has stalled: {deal}"),
}
_SIGNALS: dict[str, tuple[str, str]] = {
    "forecast_fell": ("as chances caíram {v} pontos", "the odds fell by {v} points"),
    "unanswered_objection": ("objeções sem resposta: {v}", "objections without an answer: {v}"),
    "customer_negative": ("o cliente ficou negativo ({v})", "the customer was negative ({v})"),
    "competitor_named": ("concorrente citado: {v}", "a competitor was named: {v}"),
    "next_step_promised": ("o vendedor prometeu um próximo passo ({v})", "the seller promised a next step ({v})"),
    "buying_signal": ("sinais de compra: {v}", "buying signals: {v}"),
    "no_next_step": ("a ligação terminou sem próximo passo", "the call ended without a next step"),
    "no_follow_up": (
        "ninguém respondeu ao cliente há {v} dias úteis", "nobody got back to the customer for {v} working days",
    ),
    "promise_due": ("o vendedor prometeu algo para {v}", "the seller promised something for {v}"),
    "deal_stalled": ("nenhum contato há {v} dias úteis", "no contact for {v} working days"),
    "high_value": ("negócio de alto valor", "the deal is worth a lot"),
    "at_risk": ("chances baixas, mas não perdidas ({v})", "the odds are low, but not hopeless ({v})"),
    "would_help": ("agir pode somar {v} pontos", "acting may add {v} points"),
    "rule": ("regra: {v}", "rule: {v}"),
}  # fmt: skip
_WHY: dict[str, tuple[str, str]] = {
    "nothing_seen": ("nada pede uma ação", "nothing asks for action"),
    "below_threshold": (
        "os motivos somam {weight}, abaixo do limite de {threshold}",
        "the reasons weigh {weight}, below the threshold of {threshold}",
    ),
    "already_open": ("já há uma tarefa igual aberta", "a task of that kind is open already"),
    "turned_down": (
        "alguém recusou isso desde a última palavra do cliente",
        "somebody turned this down since the customer's last word",
    ),
    "no_longer_true": ("o motivo deixou de existir", "what was watched for is not so any more"),
    "deal_closed": ("o negócio está fechado", "the deal is closed"),
    "customer_answered": ("o cliente falou: o que estava aberto foi retirado",
                          "the customer has spoken: what was open was withdrawn"),
}  # fmt: skip
_DONE: dict[str, tuple[str, str]] = {
    "send_email": ("enviar um e-mail", "send an e-mail"),
    "create_crm_task": ("fazer contato", "get in touch"),
    "schedule_meeting": ("marcar uma conversa", "arrange a conversation"),
    "notify_user": ("avisar o vendedor", "tell the seller"),
}
_AWAY = ("o motor de previsão não respondeu", "the prediction engine did not answer")


class _Reason(Protocol):
    @property
    def key(self) -> str: ...


def title(kind: str, reasons: Iterable[_Reason], deal: str, language: str) -> str:
    """Of a task; the first reason that has a title of its own gives it."""
    own = (_TITLES_FOR[kind, one.key] for one in reasons if (kind, one.key) in _TITLES_FOR)
    return next(own, _TITLES[kind])[_place(language)].format(deal=deal)[:300]


def reason(key: str, evidence: Any, language: str) -> str:
    """“The odds fell by 12 points.” A reason that is no signal of ours is a field of a rule: its name and value."""
    if key not in _SIGNALS:
        return f"{key}: {evidence}"
    shown = f"{evidence:g}" if isinstance(evidence, float) else str(evidence)
    return _SIGNALS[key][_place(language)].format(v=shown)


def summary(
    verdict: str, why: str | None, kind: str | None, weight: float, threshold: float, language: str
) -> str:  # fmt: skip
    """What was decided, in one sentence."""
    place = _place(language)
    if kind is not None:
        return (f"Decidiu {_DONE[kind][0]}.", f"Decided to {_DONE[kind][1]}.")[place]
    said = _WHY[why or "nothing_seen"][place].format(weight=f"{weight:g}", threshold=f"{threshold:g}")
    if verdict == "withdrew":
        return f"{said[0].upper()}{said[1:]}."
    return (f"Não agiu: {said}.", f"Did not act: {said}.")[place]


def basis(odds: Mapping[str, Any] | None, language: str) -> str:
    """On what the odds rest."""
    return predictions.basis(odds["basis"], language) if odds else _AWAY[_place(language)]


def advice(odds: Mapping[str, Any], language: str) -> list[str]:
    return [predictions.advise(WhatIf(one["action"], one["probability"]), language) for one in odds["what_ifs"]]


def _place(language: str) -> int:
    return 0 if language == "pt" else 1
