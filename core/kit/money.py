"""Money: whole cents and an ISO 4217 code, never a float."""

from __future__ import annotations

CURRENCIES = frozenset({"BRL", "USD", "EUR", "GBP", "MXN", "ARS", "CLP", "COP"})
_SIGNS = {"BRL": "R$", "USD": "US$", "EUR": "€", "GBP": "£"}


def format_cents(cents: int, currency: str, language: str) -> str:
    """`R$ 1.234.567,89` in Portuguese, `US$ 1,234,567.89` in English; whole amounts without their zeros."""
    units, rest = divmod(abs(cents), 100)
    number = f"{units:,}" + (f".{rest:02d}" if rest else "")
    if language == "pt":
        number = number.translate(str.maketrans(",.", ".,"))
    return f"{'-' if cents < 0 else ''}{_SIGNS.get(currency, currency)} {number}"
