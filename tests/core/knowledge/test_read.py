"""Documents of every kind become the same passages, and hostile ones are refused in words."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit.errors import Invalid, TooLarge, UnsupportedMediaType
from core.knowledge.passages import MOST_CHARACTERS, cut, language_of
from core.knowledge.read import MOST_CHARACTERS as MOST_IN_ALL
from core.knowledge.read import Block, kind_of, read

SAID = "Data is stored in Frankfurt."


def docx() -> bytes:
    from docx import Document

    made = Document()
    made.add_heading("Security", 1)
    made.add_paragraph(SAID)
    table = made.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Audit", "ISO 27001"
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def pdf() -> bytes:
    """The least that is one: a page with one line."""
    stream = f"BT /F1 12 Tf 72 700 Td ({SAID}) Tj ET".encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 5\n0000000000 65535 f \n%strailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        table, len(out)
    )  # fmt: skip


async def test_every_kind_says_the_same() -> None:
    page = (
        "<html><head><title>no</title><script>evil()</script></head><body><h1>Security</h1><div><p>{}</p></div></body>"
    )
    assert await read("html", page.format(SAID).encode()) == [Block("Security", SAID, None)]
    assert await read("markdown", f"# Security\n\n{SAID}\n".encode()) == [Block("Security", SAID, None)]
    assert await read("docx", docx()) == [Block("Security", SAID, None), Block("Security", "Audit | ISO 27001", None)]
    assert await read("pdf", pdf()) == [Block("", SAID, 1)]
    assert await read("text", f"\ufeff{SAID}\r\n\r\nAté já".encode()) == [
        Block("", SAID, None), Block("", "Até já", None)
    ]  # fmt: skip
    assert await read("text", "Até já".encode("cp1252")) == [Block("", "Até já", None)]


async def test_tables_and_lists_of_markdown_are_read() -> None:
    text = b"| Plan | Price |\n|---|---|\n| Team | $45 |\n\n- one\n- two **bold**\n"
    assert [one.text for one in await read("markdown", text)] == ["Plan", "Price", "Team", "$45", "one", "two bold"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("pdf", b"%PDF-1.4 broken"), ("docx", b"PK\x03\x04 broken"), ("text", b"\x00\x01"), ("html", b"<p> </p>"),
        ("markdown", b"  \n"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_with_what_to_do(kind: str, content: bytes) -> None:
    with pytest.raises(Invalid, match=r"again|text|kind"):
        await read(kind, content)


async def test_a_bomb_is_refused() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", b"0" * (65 << 20))
    with pytest.raises(TooLarge):
        await read("docx", bomb.getvalue())
    with pytest.raises(TooLarge):
        await read("text", b"a" * (MOST_IN_ALL + 1))


async def test_an_entity_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Zanzibar")
    page = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]><p>before &x; after</p>'
    found = " ".join(block.text for block in await read("html", page.encode()))
    assert "before" in found
    assert "Zanzibar" not in found


def test_the_kind_is_told_by_the_ending() -> None:
    assert [kind_of(name) for name in ("A.PDF", "b.htm", "c.md")] == ["pdf", "html", "markdown"]
    with pytest.raises(UnsupportedMediaType, match=r"\.docx"):
        kind_of("macro.xlsm")


@given(st.lists(st.tuples(st.sampled_from(["", "A", "B"]), st.text("ab .\n!?é", max_size=1200)), max_size=6))
def test_passages_lose_no_word_and_stay_short(parts: list[tuple[str, str]]) -> None:
    found = cut([Block(heading, text, None) for heading, text in parts])
    assert "".join("".join(one.text.split()) for one in found) == "".join("".join(text.split()) for _, text in parts)
    assert all(0 < len(one.text) <= MOST_CHARACTERS for one in found)
    assert [one.number for one in found] == list(range(len(found)))


def test_languages_are_told_apart() -> None:
    assert language_of(["Os dados ficam em São Paulo e são nossos"]) == "pt"
    assert language_of([SAID, "It is ours"]) == "en"
