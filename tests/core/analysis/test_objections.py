"""Objections of the customer, and whether the seller met them, in both languages."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.objections import Objection, find
from core.calls.turns import Turn
from core.ports import Emotion, Intention, Mood

REASONS = {"answered_on_topic", "answered_and_calmed", "too_short", "changed_subject", "no_answer"}


def turn(speaker: str, text: str, start_s: float = 0.0) -> Turn:
    return Turn(speaker, start_s, start_s + 5.0, text, (), 0.9)


def mood(intention: Intention = Intention.INFORMATION, confidence: float = 0.9, valence: float = 0.0) -> Mood:
    return Mood(valence, 0.9, 0.3, Emotion.NEUTRAL, 0.9, intention, confidence)


NO = mood(Intention.OBJECTION, 0.9, -0.4)
PLAIN = mood()


def found(language: str, said: list[tuple[str, str, Mood]]) -> list[Objection]:
    turns = [turn(speaker, text, 10.0 * number) for number, (speaker, text, _) in enumerate(said)]
    return find(turns, [each for *_, each in said], language)


KINDS = [
    ("en", "This is too expensive for us.", "price"),
    ("en", "I'm not sure my boss would sign off.", "authority"),
    ("en", "I’m worried it doesn't integrate with our ERP.", "integration"),
    ("en", "The problem is we already use another vendor.", "competitor"),
    ("en", "I'm worried about the security of our data.", "trust"),
    ("en", "It is a bad time, maybe next quarter.", "timing"),
    ("en", "Honestly, we don't need it.", "need"),
    ("en", "I'm afraid that adoption will be difficult.", "effort"),
    ("pt", "Isso está caro demais para nós.", "price"),
    ("pt", "Não tenho certeza se o diretor aprova.", "authority"),
    ("pt", "Me preocupa que não integra com o nosso ERP.", "integration"),
    ("pt", "O problema é que já usamos outro fornecedor.", "competitor"),
    ("pt", "Me preocupa a segurança dos dados.", "trust"),
    ("pt", "Agora não, talvez no próximo trimestre.", "timing"),
    ("pt", "Sinceramente, não preciso disso.", "need"),
    ("pt", "A migração é muito complicada.", "effort"),
]


@pytest.mark.parametrize(("language", "text", "kind"), KINDS)
def test_an_objection_is_found_and_named(language: str, text: str, kind: str) -> None:
    [objection] = found(language, [("seller", "Olá.", PLAIN), ("customer", text, NO)])
    assert (objection.kind, objection.turn, objection.start_s, objection.text) == (kind, 1, 10.0, text)
    assert (objection.confidence, objection.met, objection.answer_turn, objection.why) == (
        0.9,
        False,
        None,
        "no_answer",
    )


@pytest.mark.parametrize(
    ("language", "text", "heard", "confidence"),
    [
        ("en", "The price is fine.", mood(Intention.OBJECTION, 0.5), 0.5),  # the mood is sure enough alone
        ("en", "The price is fine.", mood(Intention.OBJECTION, 0.49), None),
        ("en", "It is too expensive.", mood(Intention.OBJECTION, 0.25), 0.7),  # words help an unsure mood
        ("en", "It is too expensive.", mood(Intention.OBJECTION, 0.8), 0.8),
        ("en", "It is too expensive.", mood(Intention.OBJECTION, 0.1), 0.6),  # words alone
        ("en", "It is too expensive.", mood(Intention.QUESTION, 0.9), 0.6),
        ("pt", "Fica caro para nós.", mood(Intention.REQUEST, 0.9), 0.6),
        ("en", "It was too expensive, now we buy.", mood(Intention.BUYING_SIGNAL, 0.5), None),
        ("pt", "Era caro demais, agora fechamos.", mood(Intention.COMMITMENT, 0.9), None),
        ("en", "It is too expensive.", mood(Intention.BUYING_SIGNAL, 0.49), 0.6),
        ("en", "I dislike Mondays.", mood(Intention.OBJECTION, 0.84), None),  # about nothing that is sold
        ("en", "I dislike Mondays.", mood(Intention.OBJECTION, 0.85), 0.85),
    ],
)
def test_words_and_mood_together_say_how_sure_it_is(
    language: str, text: str, heard: Mood, confidence: float | None
) -> None:
    objections = found(language, [("customer", text, heard)])
    assert [objection.confidence for objection in objections] == ([] if confidence is None else [confidence])


def test_what_the_seller_says_is_no_objection() -> None:
    assert found("en", [("seller", "Many say that it is too expensive.", NO)]) == []


@pytest.mark.parametrize("speaker", ["customer", "speaker_1", "speaker_2"])
def test_every_voice_but_the_sellers_may_object(speaker: str) -> None:
    assert [o.kind for o in found("pt", [(speaker, "É caro.", NO)])] == ["price"]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def answered(language: str, *after: tuple[str, str, Mood]) -> tuple[bool, int | None, str]:
    first = {"en": "This is too expensive.", "pt": "Isso é caro demais."}[language]
    objection = found(language, [("customer", first, NO), *after])[0]
    return objection.met, objection.answer_turn, objection.why


def test_an_answer_to_the_point_meets_it() -> None:
    english = "I understand, so the price includes onboarding and support for a year."
    assert answered("en", ("seller", english, PLAIN)) == (True, 1, "answered_on_topic")
    portuguese = "Entendo, por isso o preço inclui a implantação e o suporte todo."
    assert answered("pt", ("seller", portuguese, PLAIN)) == (True, 1, "answered_on_topic")


def test_an_answer_beside_the_point_meets_it_where_it_calms() -> None:
    english = ("seller", "I understand, we have many customers of your size with us.", PLAIN)
    portuguese = ("seller", "Entendo, temos muitos clientes do seu tamanho na casa.", PLAIN)
    for language, reply in (("en", english), ("pt", portuguese)):
        calm, upset = ("customer", "Ok.", mood(valence=-0.3)), ("customer", "Ok.", mood(valence=-0.4))
        assert answered(language, reply, calm) == (True, 1, "answered_and_calmed")
        assert answered(language, reply, upset) == (False, 1, "changed_subject")
        assert answered(language, reply) == (False, 1, "changed_subject")


def test_an_okay_is_no_answer() -> None:
    assert answered("en", ("seller", "I understand, the price is fair, really.", PLAIN)) == (False, 1, "too_short")
    assert answered("pt", ("seller", "Entendo, claro.", PLAIN)) == (False, 1, "too_short")


def test_talk_of_something_else_is_no_answer() -> None:
    reply = ("seller", "Let me show you the new dashboard that everybody likes so much.", PLAIN)
    assert answered("en", reply) == (False, 1, "changed_subject")


def test_silence_of_the_seller_for_three_turns_is_no_answer() -> None:
    late = ("seller", "I understand, so the price includes onboarding and support for a year.", PLAIN)
    between = ("speaker_3", "Hm.", PLAIN)
    assert answered("en", between, between, late) == (True, 3, "answered_on_topic")
    assert answered("en", between, between, between, late) == (False, None, "no_answer")
    assert answered("en") == (False, None, "no_answer")


def test_an_answer_after_which_the_customer_objects_more_unhappily_did_not_meet_it() -> None:
    reply = ("seller", "I understand, so the price includes onboarding and support for a year.", PLAIN)
    again = ("customer", "No, no.", mood(Intention.OBJECTION, 0.9, -0.8))
    same = ("customer", "No, no.", mood(Intention.OBJECTION, 0.9, -0.45))
    assert answered("en", reply, again) == (False, 1, "no_answer")
    assert answered("en", reply, same) == (True, 1, "answered_on_topic")


def test_each_objection_has_its_own_verdict() -> None:
    objections = found(
        "pt",
        [
            ("customer", "Isso é caro demais.", NO),
            ("seller", "Entendo, por isso o preço inclui a implantação e o suporte todo.", PLAIN),
            ("customer", "Me preocupa a segurança dos dados.", NO),
            ("seller", "Certo.", PLAIN),
        ],
    )
    assert [(o.kind, o.turn, o.met, o.answer_turn, o.why) for o in objections] == [
        ("price", 0, True, 1, "answered_on_topic"), ("trust", 2, False, 3, "too_short")
    ]  # fmt: skip


# ── always ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.sampled_from([*(text for _, text, _ in KINDS), "ok", "I understand, the price includes all that you need.",
                         "Entendo, por isso o preço inclui tudo o que precisam.", ""])  # fmt: skip
MOODS = st.builds(mood, st.sampled_from(Intention), st.floats(0, 1), st.floats(-1, 1))


@given(st.lists(st.tuples(st.sampled_from(["seller", "customer"]), TEXTS, MOODS), max_size=10),
       st.sampled_from(["pt", "en"]))  # fmt: skip
def test_every_verdict_points_at_turns_that_fit(said: list[tuple[str, str, Mood]], language: str) -> None:
    objections = found(language, said)
    assert [o.turn for o in objections] == sorted({o.turn for o in objections})
    for objection in objections:
        assert said[objection.turn][:2] == ("customer", objection.text)
        assert 0 <= objection.confidence <= 1
        assert objection.why in REASONS
        assert objection.met == objection.why.startswith("answered")
        if objection.answer_turn is None:
            assert objection.why == "no_answer"
        else:
            assert objection.turn < objection.answer_turn <= objection.turn + 3
            assert said[objection.answer_turn][0] == "seller"


@given(st.lists(st.tuples(TEXTS, MOODS), min_size=1, max_size=6))
def test_nobody_objects_where_all_are_sellers(said: list[tuple[str, Mood]]) -> None:
    assert found("en", [("seller", text, each) for text, each in said]) == []


def test_turns_and_moods_must_belong_together() -> None:
    with pytest.raises(ValueError, match="shorter"):
        find([turn("customer", "É caro.")] * 2, [dataclasses.replace(NO)], "pt")
