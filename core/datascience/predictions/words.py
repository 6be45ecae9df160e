"""Reasons in the words of the business, in both languages."""

from __future__ import annotations

from core.ports import Reason, WhatIf

# feature → (pt, en); {v} is the value, rounded.
_SAID: dict[str, tuple[str, str]] = {
    "days_open": ("aberta há {v} dias", "open for {v} days"),
    "days_in_stage": ("na mesma etapa há {v} dias", "in the same stage for {v} days"),
    "stage_moves": ("avançou {v} etapas", "moved through {v} stages"),
    "stage_moves_back": ("voltou de etapa {v} vezes", "moved back a stage {v} times"),
    "days_per_stage": ("{v} dias por etapa, em média", "{v} days per stage on average"),
    "activities_14d": ("{v} contatos em 14 dias", "{v} contacts in 14 days"),
    "activities_30d": ("{v} contatos em 30 dias", "{v} contacts in 30 days"),
    "days_since_contact": ("último contato há {v} dias", "last contact {v} days ago"),
    "days_since_inbound": ("cliente respondeu há {v} dias", "customer last answered {v} days ago"),
    "meetings": ("{v} reuniões", "{v} meetings"),
    "calls": ("{v} ligações", "{v} calls"),
    "objections": ("{v} objeções até agora", "{v} objections so far"),
    "competitors": ("concorrentes citados {v} vezes", "competitors named {v} times"),
    "buying_signals": ("{v} sinais de compra", "{v} buying signals"),
}
_NONE = {
    "days_since_contact": ("nenhum contato registrado", "no contact on record"),
    "days_since_inbound": ("o cliente nunca respondeu", "the customer never answered"),
    "inbound_share": ("nenhum contato registrado", "no contact on record"),
    "sentiment_last": ("nenhuma ligação analisada", "no call analysed yet"),
    "sentiment_mean": ("nenhuma ligação analisada", "no call analysed yet"),
    "sentiment_trend": ("ligações insuficientes para ver tendência", "too few calls to see a trend"),
    "unanswered_objections": ("nenhuma ligação ou reunião", "no call or meeting yet"),
    "next_step": ("nenhuma ligação ou reunião", "no call or meeting yet"),
    "days_to_expected_close": ("sem data prevista de fechamento", "no expected closing date"),
}
_STAGES = {
    "pt": ("prospecção", "qualificação", "descoberta", "proposta", "negociação"),
    "en": ("prospecting", "qualification", "discovery", "proposal", "negotiation"),
}
_VALUES = {
    "segment_smb": ("pequena empresa", "small business"), "segment_mid_market": ("média empresa", "mid-market"),
    "segment_enterprise": ("grande empresa", "enterprise"), "source_inbound": ("veio pelo site", "came inbound"),
    "source_outbound": ("veio de prospecção ativa", "came by outbound"),
    "source_referral": ("veio por indicação", "came by referral"),
    "source_partner": ("veio por parceiro", "came through a partner"),
}  # fmt: skip
_BASIS = {
    "tenant": ("modelo treinado com os negócios da sua empresa", "model trained on your own deals"),
    "segment": ("modelo do segmento do cliente", "model of the customer's segment"),
    "global": ("modelo geral", "general model"),
    "rule": ("ainda sem modelo: tudo é possível", "no model yet: anything is possible"),
    "base_rate": (
        "poucos negócios fechados para treinar um modelo: taxa média de ganho",
        "too few closed deals to train a model: plain share of deals won",
    ),
}


_EVENTS = ("histórico das etapas", "the course of its stages")
# action → (pt, en)
_DONE = {
    "meeting": ("com uma reunião esta semana", "with a meeting this week"),
    "two_meetings": ("com duas reuniões esta semana", "with two meetings this week"),
    "call": ("com uma ligação esta semana", "with a call this week"),
    "answer_objections": ("com as objeções respondidas", "with the objections answered"),
    "agree_next_step": ("com um próximo passo combinado", "with a next step agreed"),
    "customer_reply": ("com uma resposta do cliente", "with an answer of the customer"),
    "advance_stage": ("na próxima etapa", "in the next stage"),
    "set_date": ("com fechamento previsto em 30 dias", "with a closing date in 30 days"),
}


def advise(what: WhatIf, language: str) -> str:
    """“With a meeting this week: 61 %.”"""
    return f"{_DONE[what.action][_index(language)]}: {round(what.probability * 100)} %"


def basis(name: str, language: str) -> str:
    return _BASIS[name][_index(language)]


def explain(reason: Reason, language: str) -> str:
    """One reason as a person would say it."""
    place, name, value = _index(language), reason.feature, reason.value
    if name == "events":
        return _EVENTS[place]
    if value is None:
        return _NONE[name][place] if name in _NONE else f"{name}: {('não se sabe', 'not known')[place]}"
    if name in _SAID:
        return _SAID[name][place].format(v=round(value))
    if name in _VALUES:
        said = _VALUES[name][place]
        return said if value else ("não: " if language == "pt" else "not: ") + said
    return _special(name, value, language)


def _special(name: str, value: float, language: str) -> str:
    pt = language == "pt"
    if name == "log_value":
        return "tamanho do negócio" if pt else "size of the deal"
    if name == "stage":
        return ("etapa: " if pt else "stage: ") + _STAGES["pt" if pt else "en"][int(value)]
    if name == "inbound_share":
        share = round(value * 100)
        return f"{share} % dos contatos vieram do cliente" if pt else f"{share} % of contacts came from the customer"
    if name in ("sentiment_last", "sentiment_mean"):
        last = name == "sentiment_last"
        mood = _mood(value, pt)
        if pt:
            return f"cliente {mood} na última ligação" if last else f"cliente {mood} em média"
        return f"customer {mood} in the last call" if last else f"customer {mood} on average"
    if name == "sentiment_trend":
        up = value >= 0
        if pt:
            return "humor do cliente melhorando" if up else "humor do cliente piorando"
        return "customer's mood is improving" if up else "customer's mood is getting worse"
    if name == "unanswered_objections":
        count = round(value)
        if pt:
            return f"{count} objeções sem resposta" if count else "nenhuma objeção sem resposta"
        return f"{count} objections unanswered" if count else "no objection unanswered"
    if name == "next_step":
        if pt:
            return "próximo passo combinado" if value else "sem próximo passo combinado"
        return "next step agreed" if value else "no next step agreed"
    if name != "days_to_expected_close":
        return f"{name}: {value:g}"
    days = round(value)
    if days < 0:
        return f"data prevista passou há {-days} dias" if pt else f"expected date passed {-days} days ago"
    return f"faltam {days} dias para a data prevista" if pt else f"{days} days to the expected date"


def _mood(value: float, pt: bool) -> str:
    if value > 0.15:
        return "positivo" if pt else "positive"
    if value < -0.15:
        return "negativo" if pt else "negative"
    return "neutro" if pt else "neutral"


def _index(language: str) -> int:
    return 0 if language == "pt" else 1
