"""Competitors' names in what was heard: also misheard ones, and nothing that only looks alike."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calls.turns import Turn
from core.competitors.detect import Competitor, Mention, detect, propose
from core.ports import Word

NAMES = ["Salesforce", "Pipedrive", "HubSpot", "RD Station", "Agendor", "Zoho"]
RIVALS = [Competitor(UUID(int=number), name) for number, name in enumerate(NAMES)]


def turn(text: str, speaker: str = "customer", start_s: float = 0.0) -> Turn:
    """One word a second."""
    words = tuple(Word(word, start_s + n, start_s + n + 0.8, 0.9) for n, word in enumerate(text.split()))
    return Turn(speaker, start_s, start_s + len(words), text, words, 0.9)


def named(text: str) -> list[tuple[str, str, str]]:
    return [(mention.name, mention.heard_as, mention.by) for mention in detect([turn(text)], RIVALS)]


# ── mentions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

HEARD = [
    ("We use Salesforce today.", ("Salesforce", "Salesforce", "exact")),
    ("we use SALESFORCE, mostly", ("Salesforce", "SALESFORCE", "exact")),
    ("Their quote from Pipe Drive was lower.", ("Pipedrive", "Pipe Drive", "exact")),
    ("And Pype Drive?", ("Pipedrive", "Pype Drive", "exact")),
    ("We tried Hubspott once.", ("HubSpot", "Hubspott", "exact")),
    ("It is like hub spot.", ("HubSpot", "hub spot", "exact")),
    ("We looked at Salesforse too.", ("Salesforce", "Salesforse", "fuzzy")),
    ("That is Pipedraive?", ("Pipedrive", "Pipedraive", "fuzzy")),
    ("Well, Hub Spat is cheaper.", ("HubSpot", "Hub Spat", "fuzzy")),
    ("I like HubSpot's reports.", ("HubSpot", "HubSpot's", "fuzzy")),
    ("Hoje usamos o Pipedrive.", ("Pipedrive", "Pipedrive", "exact")),
    ("A gente já tem o R D Station.", ("RD Station", "R D Station", "exact")),
    ("Comparamos com a rdstation.", ("RD Station", "rdstation", "exact")),
    ("Estamos vendo o Agendór também.", ("Agendor", "Agendór", "exact")),
    ("Estamos vendo o Soho, é barato.", ("Zoho", "Soho", "exact")),
    ("Falamos com a Sailsforce ontem.", ("Salesforce", "Sailsforce", "fuzzy")),
    ("O Pip drive é simples.", ("Pipedrive", "Pip drive", "fuzzy")),
]


@pytest.mark.parametrize(("text", "expected"), HEARD)
def test_a_name_is_found_as_it_was_heard(text: str, expected: tuple[str, str, str]) -> None:
    assert named(text) == [expected]


PLAIN = [
    "We have a full pipeline this quarter.", "The hotspot in the office is slow.", "We drive to the station by car.",
    "The sales floor is loud.", "Our agenda for Monday is full.", "He is a force in sales.", "So, hold on.", "spot on!",
    "O agendamento da reunião ficou para sexta.", "A agenda está cheia.", "A estação fica perto do escritório.",
    "Só o preço preocupa.", "A força de vendas cresceu.", "O agenciador ligou ontem.", "Radio station, talvez.", "",
    "...",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_name_nobody(text: str) -> None:
    assert named(text) == []


def test_a_mention_says_where_when_and_how_sure() -> None:
    turns = [turn("Good morning.", "seller"), turn("We tried Salesforse, and Zoho.", start_s=10.0)]
    # Jaro-Winkler of nine in ten letters with four in front alike: 1 - (1 - 28/30) · (1 - 0.4)
    assert [replace(mention, score=round(mention.score, 9)) for mention in detect(turns, RIVALS)] == [
        Mention(UUID(int=0), "Salesforce", 1, 12.0, "Salesforse", 0.96, "fuzzy"),
        Mention(UUID(int=5), "Zoho", 1, 14.0, "Zoho", 1.0, "exact"),
    ]


def test_aliases_count_as_the_name() -> None:
    rival = Competitor(UUID(int=9), "Microsoft Dynamics", ("Dynamics 365", "MSCRM"))
    heard = detect([turn("Dynamics 365 is old, MS CRM too; Microsoft Dynamics!")], [rival])
    assert [(m.name, m.heard_as, m.start_s) for m in heard] == [
        ("Microsoft Dynamics", "Dynamics 365", 0.0), ("Microsoft Dynamics", "MS CRM", 4.0),
        ("Microsoft Dynamics", "Microsoft Dynamics", 7.0),
    ]  # fmt: skip


def test_where_names_overlap_the_surest_counts_and_each_word_once() -> None:
    rivals = [Competitor(UUID(int=1), "Station"), Competitor(UUID(int=2), "RD Station")]
    assert [m.heard_as for m in detect([turn("We use Station")], rivals)] == ["Station"]
    heard = detect([turn("Salesforce Salesforce")], RIVALS)
    assert [(m.heard_as, m.start_s) for m in heard] == [("Salesforce", 0.0), ("Salesforce", 1.0)]


def test_a_short_name_must_be_heard_exactly() -> None:
    assert named("We use Zoha.") == []
    assert named("We use Zoho.") == [("Zoho", "Zoho", "exact")]


def test_nobody_is_named_where_there_are_no_competitors_or_names_without_letters() -> None:
    assert detect([turn("We use Salesforce.")], []) == []
    assert detect([turn("!!! ... ---")], [Competitor(UUID(int=1), "!?")]) == []


@given(st.lists(st.sampled_from(["the", "price", "Salesforce", "pipe", "drive", "e", "Zoho", "o", "Hubspat"])))
def test_mentions_are_in_order_of_time_and_share_no_word(words: list[str]) -> None:
    mentions = detect([turn(" ".join(words))], RIVALS)
    taken = [
        int(mention.start_s) + offset for mention in mentions for offset in range(len(mention.heard_as.split()))
    ]  # fmt: skip
    assert taken == sorted(set(taken))
    assert all(0.92 <= mention.score <= 1 for mention in mentions)
    assert sum(m.name == "Zoho" for m in mentions) == words.count("Zoho")
    assert sum(m.name == "Salesforce" for m in mentions) == words.count("Salesforce")


# ── proposals ────────────────────────────────────────────────────────────────────────────────────────────────────────

PROPOSED = [
    ("We are also looking at Freshsales for that.", ["Freshsales"]),
    ("We are using Freshsales. The price is high.", ["Freshsales"]),
    ("We're evaluating Zendesk Sell and others.", ["Zendesk Sell"]),
    ("Evaluating Copper now.", ["Copper"]),
    ("We got a quote from AT&T, and are talking to Monday.com.", ["AT&T", "Monday.com"]),
    ("Usamos o Bitrix24.", ["Bitrix24"]),
    ("Estamos avaliando a Ploomes, e pensamos em migrar do Moskit.", ["Ploomes", "Moskit"]),
    ("Recebemos uma proposta da Ágil Sistemas.", ["Ágil Sistemas"]),
    ("We use spreadsheets, and we are using them a lot.", []),
    ("Estamos usando planilhas.", []),
    ("We are refusing Rival's terms.", []),
    ("Recusando Rival, seguimos.", []),
    ("We are using HubSpot. We like it.", []),
    ("We are using Hubspott Enterprise.", []),
    ("Usamos o Pipe Drive.", []),
    ("Hoje usamos o HubSpot Brasil.", []),
]


@pytest.mark.parametrize(("text", "expected"), PROPOSED)
def test_an_unknown_name_after_words_of_comparing_is_proposed(text: str, expected: list[str]) -> None:
    assert propose([turn(text)], RIVALS) == expected


def test_a_name_is_proposed_once_and_only_where_the_customer_says_it() -> None:
    said = [
        turn("Are you using Copper?", "seller"), turn("We are using Ploomes."), turn("Yes, using Ploomes."),
        turn("I was talking to Moskit.", "speaker_2"),
    ]  # fmt: skip
    assert propose(said, RIVALS) == ["Ploomes", "Moskit"]


def test_an_alias_is_known() -> None:
    assert propose([turn("We are using Copper.")], [Competitor(UUID(int=1), "ProsperWorks", ("Copper",))]) == []
