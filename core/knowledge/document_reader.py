"""The child process that reads a foreign document. `core.knowledge.read` runs this file by path and reads its answer.

    python -I document_reader.py KIND INPUT MOST_CHARACTERS MEMORY_BYTES CPU_S        KIND: text markdown html pdf docx

One JSON object on standard output: `blocks`, each with `heading`, `text` and `page` (null where there are none), or
`error` ("bad" | "large") with a `detail` for the uploader. It imports nothing of ours, and has hard limits.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

MOST_UNPACKED_BYTES = 64 << 20
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_PARTS = ("p", "li", "td", "th", "dt", "dd", "pre", "blockquote", "div", "section", "article", "body", "caption")
_NOT_SAID = ("script", "style", "noscript", "template", "head", "svg", "nav", "iframe", "object")

Block = dict[str, Any]


def block(heading: str, text: str, page: int | None = None) -> Block:
    return {"heading": " ".join(heading.split()), "text": text.strip(), "page": page}


def of_text(path: str) -> Iterator[Block]:
    for part in _decoded(path).split("\n\n"):
        yield block("", part)


def of_markdown(path: str) -> Iterator[Block]:
    from markdown_it import MarkdownIt

    # HTML inside of Markdown goes the way of all HTML.
    yield from _of_tree(MarkdownIt("commonmark").enable("table").render(_decoded(path)))


def of_html(path: str) -> Iterator[Block]:
    with open(path, "rb") as file:
        yield from _of_tree(file.read())


def of_pdf(path: str) -> Iterator[Block]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("The document asks for a password. Save it without one and send it again.")
    for number, page in enumerate(reader.pages, 1):
        for part in page.extract_text().split("\n\n"):
            yield block("", part, number)


def of_docx(path: str) -> Iterator[Block]:
    from docx import Document
    from docx.table import Table

    with zipfile.ZipFile(path) as packed:
        if sum(info.file_size for info in packed.infolist()) > MOST_UNPACKED_BYTES:
            raise OverflowError
    heading = ""
    for part in Document(path).iter_inner_content():
        if isinstance(part, Table):
            for row in part.rows:
                yield block(heading, " | ".join(dict.fromkeys(cell.text.strip() for cell in row.cells)))
        elif ((part.style and part.style.name) or "").startswith(("Heading", "Title", "Título")):
            heading = part.text
        else:
            yield block(heading, part.text)


def _decoded(path: str) -> str:
    with open(path, "rb") as file:
        raw = file.read()
    if b"\0" in raw:
        raise ValueError("The file is no text. Say what kind it is by its name: .txt .md .html .pdf .docx")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace").replace("\r\n", "\n")


def _of_tree(source: str | bytes) -> Iterator[Block]:
    from lxml import html

    if not source.strip():
        return
    tree = html.document_fromstring(source, parser=html.HTMLParser(no_network=True, huge_tree=False))
    for gone in tree.xpath("|".join(f"//{name}" for name in _NOT_SAID)):
        gone.drop_tree()
    heading = ""
    for element in tree.iter(*_HEADINGS, *_PARTS):
        if element.tag in _HEADINGS:
            heading = element.text_content()
        else:
            # What stands in a part of its own is said there.
            text = "".join(_own_text(element))
            if text.strip():
                yield block(heading, text)


def _own_text(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == "br":
            yield "\n"
        elif isinstance(child.tag, str) and child.tag not in (*_PARTS, *_HEADINGS):
            yield from _own_text(child)
        yield child.tail or ""


READERS = {"text": of_text, "markdown": of_markdown, "html": of_html, "pdf": of_pdf, "docx": of_docx}


def main(kind: str, path: str, most: int) -> dict[str, Any]:
    blocks: list[Block] = []
    left = most
    try:
        for one in READERS[kind](path):
            left -= len(one["text"])
            if left < 0:
                raise OverflowError
            if one["text"]:
                blocks.append(one)
    except (OverflowError, MemoryError):
        detail = f"The document has more than {most} characters. Cut it into parts and send each."
        return {"error": "large", "detail": detail}
    except ValueError as error:
        # Ours alone says what to do; a library's may quote the document.
        ours = str(error).startswith("The ")
        return {"error": "bad", "detail": str(error) if ours else f"The file is no {kind} that can be read."}
    except Exception:
        return {"error": "bad", "detail": f"The file is no {kind} that can be read. Export it again and send that."}
    if not blocks:
        return {"error": "bad", "detail": "The document holds no text. If it is scanned, send one with its text."}
    return {"blocks": blocks}


if __name__ == "__main__":
    memory, cpu_s = int(sys.argv[4]), int(sys.argv[5])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    json.dump(main(sys.argv[1], sys.argv[2], int(sys.argv[3])), sys.stdout)
