"""Every feature that the house knows, in one place. A change of meaning raises the version of its set."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from core.datascience.features.kinds import Entity, Feature, FeatureSet, Kind, wrong
from core.kit.errors import NotFound
from core.kit.events import EventType

_NUM, _CAT, _BEHAVES, _VECTOR = Kind.NUMERIC, Kind.CATEGORICAL, Kind.BEHAVIOUR, Kind.VECTOR
_OF_A_DEAL = (EventType.DEAL_CREATED, EventType.DEAL_CHANGED, EventType.INSIGHTS_READY)


def _unit(name: str, pt: str, en: str) -> Feature:
    """From 0 to 1: a flag, a share, odds."""
    return Feature(name, _NUM, pt, en, low=0, high=1)


def _count(name: str, pt: str, en: str, window_days: int | None = None) -> Feature:
    return Feature(name, _NUM, pt, en, window_days=window_days, low=0)


DEAL = FeatureSet(
    "deal",
    Entity.DEAL,
    1,
    "core.forecasting.features",
    _OF_A_DEAL,
    7,
    "O que o negócio mostrava naquele momento",
    "What the deal showed at that moment",
    (
        _count("log_value", "tamanho do negócio, em logaritmo", "size of the deal, as a logarithm"),
        _count("days_open", "dias desde a abertura", "days since it was opened"),
        Feature(
            "stage",
            _NUM,
            "etapa, de 0 (prospecção) a 4 (negociação)",
            "stage, from 0 (prospecting) to 4 (negotiation)",
            low=0,
            high=4,
        ),
        _count("days_in_stage", "dias na etapa", "days in its stage"),
        _count("stage_moves", "mudanças de etapa", "moves between stages"),
        _count("stage_moves_back", "voltas a uma etapa anterior", "moves back to an earlier stage"),
        _count("days_per_stage", "dias por etapa, em média", "days per stage on average"),
        _count("activities_14d", "contatos em 14 dias", "contacts in 14 days", 14),
        _count("activities_30d", "contatos em 30 dias", "contacts in 30 days", 30),
        _count("days_since_contact", "dias desde o último contato", "days since the last contact"),
        _count(
            "days_since_inbound", "dias desde a última resposta do cliente", "days since the customer last answered"
        ),
        _unit(
            "inbound_share", "parte dos contatos que veio do cliente", "share of contacts that came from the customer"
        ),
        _count("meetings", "reuniões", "meetings"),
        _count("calls", "ligações", "calls"),
        Feature("sentiment_last", _NUM, "humor do cliente na última ligação", "customer's mood in the last call"),
        Feature("sentiment_mean", _NUM, "humor médio do cliente", "customer's mean mood"),
        Feature(
            "sentiment_trend",
            _NUM,
            "humor da última ligação menos o da primeira",
            "mood of the last call less that of the first",
        ),
        _count("objections", "objeções até agora", "objections so far"),
        _count(
            "unanswered_objections",
            "objeções sem resposta na última conversa",
            "objections unanswered in the last talk",
        ),
        _count("competitors", "concorrentes citados", "competitors named"),
        _count("buying_signals", "sinais de compra", "buying signals"),
        _unit("next_step", "próximo passo combinado na última conversa", "a next step agreed in the last talk"),
        Feature("days_to_expected_close", _NUM, "dias até a data prevista", "days to the expected date"),
        _unit("segment_smb", "pequena empresa", "small business"),
        _unit("segment_mid_market", "média empresa", "mid-market"),
        _unit("segment_enterprise", "grande empresa", "enterprise"),
        _unit("source_inbound", "veio pelo site", "came inbound"),
        _unit("source_outbound", "veio de prospecção ativa", "came by outbound"),
        _unit("source_referral", "veio por indicação", "came by referral"),
        _unit("source_partner", "veio por parceiro", "came through a partner"),
    ),
)

DEAL_SCORE = FeatureSet(
    "deal_score",
    Entity.DEAL,
    1,
    "core.forecasting.remember",
    (EventType.FORECAST_CHANGED,),
    7,
    "O que o modelo disse do negócio",
    "What the model said of the deal",
    (
        _unit("probability", "probabilidade de ganho", "probability of winning"),
        _unit("probability_low", "limite inferior do intervalo de 90 %", "lower end of the 90 % interval"),
        _unit("probability_high", "limite superior do intervalo de 90 %", "upper end of the 90 % interval"),
        Feature("days_to_close", _NUM, "dias até o fechamento previsto", "days to the predicted close"),
        Feature("basis", _CAT, "em que o modelo se baseou", "what the model was fitted on"),
    ),
)


def _sales(name: str, entity: Entity, pt: str, en: str, *more: Feature) -> FeatureSet:
    return FeatureSet(
        name,
        entity,
        1,
        "core.forecasting.remember",
        _OF_A_DEAL,
        30,
        pt,
        en,
        (
            _count("deals_open", "negócios abertos", "open deals"),
            _count("deals_won", "negócios ganhos", "deals won"),
            _count("deals_lost", "negócios perdidos", "deals lost"),
            _unit("win_share", "parte ganha dos negócios fechados", "share of closed deals that was won"),
            _count("log_value_open", "valor dos negócios abertos, em logaritmo", "value of open deals, as a logarithm"),
            _count("log_value_won", "valor dos negócios ganhos, em logaritmo", "value of deals won, as a logarithm"),
            _count("days_since_first_deal", "dias desde o primeiro negócio", "days since the first deal"),
            *more,
        ),
    )


ACCOUNT = _sales(
    "account",
    Entity.ACCOUNT,
    "Os negócios com a empresa do cliente",
    "The deals with the customer's company",
    Feature("segment", _CAT, "segmento da empresa", "segment of the company"),
    Feature("region", _CAT, "região da empresa", "region of the company"),
)
ACCOUNT_GROUP = FeatureSet(
    "account_group",
    Entity.ACCOUNT,
    1,
    "core.datascience.groups.assign",
    (),
    90,
    "O grupo de clientes parecidos, e o que se sabia da empresa do cliente",
    "The group of customers that are alike, and what was known of the customer's company",
    (
        Feature("group", _CAT, "número do grupo", "number of the group"),
        _unit("certainty", "quão clara é a escolha do grupo", "how clear the choice of the group is"),
        Feature("model", _CAT, "versão do modelo", "version of the model"),
        _count("deals", "negócios até agora", "deals so far"),
        _count("deals_open", "negócios abertos", "open deals"),
        _unit(
            "win_share",
            "parte ganha dos negócios fechados, com um ganho e uma perda a mais",
            "share of closed deals that was won, with one more of each",
        ),
        _count("log_value", "tamanho médio dos negócios, em logaritmo", "mean size of the deals, as a logarithm"),
        _count("cycle_days", "dias da abertura ao fechamento, em média", "days from opening to closing on average"),
        _count("touches_per_deal", "contatos por negócio", "contacts a deal"),
        _unit(
            "inbound_share", "parte dos contatos que veio do cliente", "share of contacts that came from the customer"
        ),
        _count("meetings_per_deal", "reuniões por negócio", "meetings a deal"),
        _count("calls_per_deal", "ligações por negócio", "calls a deal"),
        Feature("mood", _NUM, "humor médio nas ligações", "mean mood in calls"),
        _count("objections_per_deal", "objeções por negócio", "objections a deal"),
        _count("competitors_per_deal", "concorrentes citados por negócio", "competitors named a deal"),
        _count("days_since_contact", "dias desde o último contato", "days since the last contact"),
    ),
)
SELLER = _sales("seller", Entity.SELLER, "Os negócios do vendedor", "The seller's deals")
CONTACT = FeatureSet(
    "contact",
    Entity.CONTACT,
    1,
    "core.forecasting.remember",
    _OF_A_DEAL,
    30,
    "Como a pessoa de contato responde",
    "How the contact answers",
    (
        _count("touches", "contatos até agora", "contacts so far"),
        _unit("inbound_share", "parte que veio da pessoa", "share that came from the person"),
        _count("days_since_contact", "dias desde o último contato", "days since the last contact"),
        _count("days_since_inbound", "dias desde a última resposta", "days since the last answer"),
        _count("meetings", "reuniões", "meetings"),
        _count("calls", "ligações", "calls"),
        Feature("language", _CAT, "idioma", "language"),
    ),
)


def _of_side(side: str, pt: str, en: str) -> tuple[Feature, ...]:
    return (
        Feature(
            f"{side}_talk_share",
            _BEHAVES,
            f"{pt}: parte do tempo de fala",
            f"{en}: share of speaking time",
            low=0,
            high=1,
        ),
        Feature(f"{side}_turns", _BEHAVES, f"{pt}: vezes que falou", f"{en}: turns", low=0),
        Feature(
            f"{side}_mean_turn_s",
            _BEHAVES,
            f"{pt}: duração média de uma fala, s",
            f"{en}: mean length of a turn, s",
            low=0,
        ),
        Feature(f"{side}_words_per_minute", _BEHAVES, f"{pt}: palavras por minuto", f"{en}: words a minute", low=0),
        Feature(f"{side}_questions", _BEHAVES, f"{pt}: perguntas", f"{en}: questions", low=0),
        Feature(f"{side}_interruptions", _BEHAVES, f"{pt}: interrupções", f"{en}: interruptions", low=0),
        Feature(f"{side}_monologue_s", _BEHAVES, f"{pt}: fala mais longa, s", f"{en}: longest monologue, s", low=0),
        Feature(f"{side}_pauses", _BEHAVES, f"{pt}: pausas dentro da fala", f"{en}: pauses inside of turns", low=0),
        Feature(f"{side}_mean_pause_s", _BEHAVES, f"{pt}: pausa média, s", f"{en}: mean pause, s", low=0),
    )


CALL_BEHAVIOUR = FeatureSet(
    "call_behaviour",
    Entity.CALL,
    1,
    "core.datascience.features.behaviour",
    (EventType.INSIGHTS_READY,),
    3650,
    "Como cada lado conversou",
    "How each side talked",
    (
        *_of_side("seller", "vendedor", "seller"),
        *_of_side("customer", "cliente", "customer"),
        Feature("silence_share", _BEHAVES, "parte em silêncio", "share of silence", low=0, high=1),
        Feature("longest_silence_s", _BEHAVES, "silêncio mais longo, s", "longest silence, s", low=0),
        Feature(
            "patience_s",
            _BEHAVES,
            "espera do vendedor após o cliente, s",
            "how long the seller waits after the customer, s",
            low=0,
        ),
        Feature("speech_s", _BEHAVES, "tempo de fala, s", "speaking time, s", low=0),
        Feature("language", _CAT, "idioma da ligação", "language of the call"),
    ),
)

CALL_TEXT = FeatureSet(
    "call_text",
    Entity.CALL,
    1,
    "core.datascience.features.text",
    (EventType.INSIGHTS_READY,),
    3650,
    "O que cada lado disse, como palavras contadas e como vetor",
    "What each side said, as words counted and as a vector",
    (
        Feature("seller_terms", Kind.TEXT, "palavras do vendedor", "the seller's words"),
        Feature("customer_terms", Kind.TEXT, "palavras do cliente", "the customer's words"),
        Feature("seller_vector", _VECTOR, "sentido das falas do vendedor", "meaning of the seller's turns"),
        Feature("customer_vector", _VECTOR, "sentido das falas do cliente", "meaning of the customer's turns"),
    ),
)


def _voice(side: str, pt: str, en: str) -> tuple[Feature, ...]:
    return (
        Feature(f"{side}_mfcc_mean", _VECTOR, f"{pt}: timbre médio (MFCC)", f"{en}: mean timbre (MFCC)", size=13),
        Feature(f"{side}_mfcc_std", _VECTOR, f"{pt}: variação do timbre", f"{en}: spread of timbre", size=13),
        Feature(f"{side}_pitch_hz", _BEHAVES, f"{pt}: altura mediana da voz, Hz", f"{en}: median pitch, Hz", low=0),
        Feature(
            f"{side}_pitch_spread",
            _BEHAVES,
            f"{pt}: variação da altura, semitons",
            f"{en}: spread of pitch, semitones",
            low=0,
        ),
        Feature(f"{side}_energy_db", _BEHAVES, f"{pt}: volume médio, dB", f"{en}: mean level, dB"),
        Feature(
            f"{side}_energy_spread_db", _BEHAVES, f"{pt}: variação do volume, dB", f"{en}: spread of level, dB", low=0
        ),
        Feature(f"{side}_voiced_share", _BEHAVES, f"{pt}: parte com voz", f"{en}: share that is voiced", low=0, high=1),
        Feature(
            f"{side}_words_per_s",
            _BEHAVES,
            f"{pt}: palavras por segundo de voz",
            f"{en}: words a second of voice",
            low=0,
        ),
        Feature(
            f"{side}_pause_share",
            _BEHAVES,
            f"{pt}: parte em pausa dentro das falas",
            f"{en}: share of pauses inside of turns",
            low=0,
            high=1,
        ),
    )


CALL_VOICE = FeatureSet(
    "call_voice",
    Entity.CALL,
    1,
    "core.datascience.features.prosody",
    (EventType.INSIGHTS_READY,),
    3650,
    "Como cada lado soou",
    "How each side sounded",
    (*_voice("seller", "vendedor", "seller"), *_voice("customer", "cliente", "customer")),
    # The EU bans inferring emotions from a voice at work (AI Act, article 5).
    only_for="pace, clarity and the quality of the line; never a person's emotion, health or identity",
)

ALL: tuple[FeatureSet, ...] = (
    DEAL,
    DEAL_SCORE,
    ACCOUNT,
    ACCOUNT_GROUP,
    CONTACT,
    SELLER,
    CALL_BEHAVIOUR,
    CALL_TEXT,
    CALL_VOICE,
)


@functools.cache
def by_name() -> Mapping[str, FeatureSet]:
    """All sets, checked when they are first asked for. What is wrong with one stops whoever asks."""
    problems = [problem for one in ALL for problem in wrong(one)]
    found = {one.name: one for one in ALL}
    if len(found) != len(ALL):
        problems.append("two sets bear one name")
    if problems:
        raise ValueError("core/datascience/features/definitions.py: " + "; ".join(problems))
    return found


def named(name: str) -> FeatureSet:
    found = by_name().get(name)
    if found is None:
        raise NotFound(f"There is no feature set of that name. There are {', '.join(by_name())}.")
    return found


def of_entity(entity: Entity) -> tuple[FeatureSet, ...]:
    return tuple(one for one in by_name().values() if one.entity is entity)
