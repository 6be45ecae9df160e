"""Transcripts for people: what is written can be read back, to the millisecond and to the letter."""

from __future__ import annotations

import html
import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from core.calls import formats
from core.calls.turns import Turn
from core.ports import Word

_CUE = re.compile(r"(\d+)\n(\d\d+:\d\d:\d\d[.,]\d{3}) --> (\d\d+:\d\d:\d\d[.,]\d{3})\n(.*)\n")


def turn(speaker: str, start_s: float, text: str, *, pace_s: float = 0.5) -> Turn:
    """One word each `pace_s`, without pauses."""
    words = tuple(
        Word(word, start_s + i * pace_s, start_s + (i + 1) * pace_s, 0.9) for i, word in enumerate(text.split())
    )
    return Turn(speaker, start_s, words[-1].end_s, text, words, 0.9)


def to_ms(stamp: str) -> int:
    hours, minutes, seconds = re.split("[:]", stamp.replace(",", "."))
    whole, ms = seconds.split(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 1000 + int(ms)


def cues(written: str) -> list[tuple[int, int, int, str]]:
    """Number, start and end in milliseconds, and what is said; demands that there is nothing between the cues."""
    blocks = written.removeprefix("WEBVTT\n\n").split("\n\n")
    found = [_CUE.fullmatch(block.rstrip("\n") + "\n") for block in blocks]
    assert None not in found, written
    return [(int(m[1]), to_ms(m[2]), to_ms(m[3]), m[4]) for m in found if m is not None]


SPOKEN = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=20)


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    """Turns one after another, with any pauses, and times on whole milliseconds as the transcriber gives them."""
    at_ms, turns = 0, []
    for speaker in draw(st.lists(st.sampled_from(["seller", "customer"]), min_size=1, max_size=6)):
        words = []
        for text in draw(st.lists(SPOKEN, min_size=1, max_size=30)):
            at_ms += draw(st.integers(0, 40_000))
            length_ms = draw(st.integers(0, 3_000))
            words.append(Word(text, at_ms / 1000, (at_ms + length_ms) / 1000, 0.9))
            at_ms += length_ms
        spoken = " ".join(word.text for word in words)
        turns.append(Turn(speaker, words[0].start_s, words[-1].end_s, spoken, tuple(words), 0.9))
    return turns


def test_srt_is_as_players_read_it() -> None:
    turns = [turn("seller", 0.25, "Bom dia, Ana."), turn("customer", 3661.5, "Olá!")]
    assert formats.to_srt(turns) == (
        "1\n00:00:00,250 --> 00:00:01,750\nseller: Bom dia, Ana.\n\n2\n01:01:01,500 --> 01:01:02,000\ncustomer: Olá!\n"
    )


def test_vtt_is_as_browsers_read_it() -> None:
    turns = [turn("seller", 0.25, "Bom dia, Ana."), turn("speaker_2", 3661.5, "Olá!")]
    assert formats.to_vtt(turns) == (
        "WEBVTT\n\n"
        "1\n00:00:00.250 --> 00:00:01.750\n<v seller>Bom dia, Ana.\n\n"
        "2\n01:01:01.500 --> 01:01:02.000\n<v speaker_2>Olá!\n"
    )


def test_text_has_one_line_a_turn_with_hours_only_where_there_are_some() -> None:
    turns = [
        turn("seller", 12.9, "Bom dia."),
        turn("customer", 754.0, "Olá & adeus <já>"),
        turn("seller", 3601.0, "Oi"),
    ]
    assert formats.to_text(turns) == (
        "[00:12] seller: Bom dia.\n[12:34] customer: Olá & adeus <já>\n[1:00:01] seller: Oi\n"
    )


def test_vtt_text_can_neither_end_a_cue_nor_open_a_tag() -> None:
    text = "a --> b & <b>c</b> \"d\" 'e'"
    [(_, _, _, said)] = cues(formats.to_vtt([turn("seller", 0.0, text)]))
    assert said == "<v seller>a --&gt; b &amp; &lt;b&gt;c&lt;/b&gt; \"d\" 'e'"


def test_a_long_turn_is_cut_by_letters_and_by_time() -> None:
    long = turn("seller", 0.0, " ".join(["palavra"] * 12), pace_s=0.1)  # 95 letters in 1.2 s
    assert [said for *_, said in cues(formats.to_srt([long]))] == [
        "seller: " + " ".join(["palavra"] * 10), "seller: palavra palavra"
    ]  # fmt: skip
    slow = turn("seller", 0.0, "um dois três quatro", pace_s=3.0)
    assert cues(formats.to_vtt([slow])) == [
        (1, 0, 6000, "<v seller>um dois"),
        (2, 6000, 12_000, "<v seller>três quatro"),
    ]


def test_a_word_longer_than_a_cue_stands_alone_and_whole() -> None:
    word = "a" * 200
    assert [said for *_, said in cues(formats.to_srt([turn("seller", 0.0, f"oi {word} oi")]))] == [
        "seller: oi", f"seller: {word}", "seller: oi"
    ]  # fmt: skip


def test_a_word_without_length_is_shown_for_a_millisecond() -> None:
    still = Turn("seller", 5.0, 5.0, "Oi", (Word("Oi", 5.0, 5.0, 0.9),), 0.9)
    assert cues(formats.to_srt([still])) == [(1, 5000, 5001, "seller: Oi")]


def test_a_call_in_which_nobody_spoke_is_a_file_without_cues() -> None:
    assert formats.to_srt([]) == ""
    assert formats.to_vtt([]) == "WEBVTT\n"


@given(conversations())
def test_subtitles_are_in_order_of_time_and_read_back_to_the_millisecond(turns: list[Turn]) -> None:
    spoken = [word for each in turns for word in each.words]
    for written in (formats.to_srt(turns), formats.to_vtt(turns)):
        read = cues(written)
        assert [number for number, *_ in read] == list(range(1, len(read) + 1))
        assert all(start < end for _, start, end, _ in read)
        assert all(before[1] <= after[1] for before, after in itertools.pairwise(read))
        starts, ends = {start for _, start, _, _ in read}, {end for _, _, end, _ in read}
        assert starts <= {round(word.start_s * 1000) for word in spoken}
        heard = {round(word.end_s * 1000) for word in spoken}
        assert ends <= heard | {start + 1 for start in starts}
        assert (min(starts), max(ends)) == (
            round(spoken[0].start_s * 1000),
            max(heard | {e for e in ends if e - 1 in starts}),
        )


@given(conversations())
def test_subtitles_keep_every_word_in_order(turns: list[Turn]) -> None:
    told = " ".join(each.text for each in turns)
    for written, voice in ((formats.to_srt(turns), "{}: "), (formats.to_vtt(turns), "<v {}>")):
        prefixes = [voice.format(speaker) for speaker in ("seller", "customer")]
        pieces = []
        for *_, said in cues(written):
            [prefix] = [each for each in prefixes if said.startswith(each)]
            pieces.append(said.removeprefix(prefix))
        read = " ".join(pieces)
        assert (html.unescape(read) if "<v" in voice else read) == told


@given(conversations())
def test_no_subtitle_is_too_long_to_read(turns: list[Turn]) -> None:
    for _, start, end, said in cues(formats.to_srt(turns)):
        text = said.split(": ", 1)[1]
        assert " " not in text or (len(text) <= 84 and end - start <= 7000)


@given(conversations())
def test_vtt_text_holds_no_markup_but_the_voice(turns: list[Turn]) -> None:
    for *_, said in cues(formats.to_vtt(turns)):
        text = re.sub(r"^<v (seller|customer)>", "", said)
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
