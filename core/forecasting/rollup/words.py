"""What a roll-up says in words, in both languages."""

from __future__ import annotations

from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.pipeline import Dimension

_NOBODY: dict[str, tuple[str, str]] = {
    "all": ("todos os negócios", "all deals"),
    "seller": ("sem vendedor", "no seller"),
    "team": ("sem equipe", "no team"),
    "segment": ("sem segmento", "no segment"),
    "region": ("sem região", "no region"),
}
_KINDS: dict[str, tuple[str, str]] = {
    "new": ("novos negócios", "new deals"),
    "first_forecast": ("previstos pela primeira vez", "forecast for the first time"),
    "won": ("ganhos", "won"),
    "won_elsewhere": ("ganhos fora do período", "won outside of the period"),
    "lost": ("perdidos", "lost"),
    "reopened": ("reabertos", "opened again"),
    "entered": ("vieram para o grupo", "came into the group"),
    "left": ("saíram do grupo", "left the group"),
    "pulled_in": ("antecipados para o período", "pulled into the period"),
    "slipped": ("adiados para fora do período", "slipped out of the period"),
    "value": ("valor alterado", "value changed"),
    "probability": ("probabilidade alterada", "probability changed"),
    "to_come": ("expectativa de negócios ainda não abertos", "expectation of deals not opened yet"),
}


def name(by: Dimension, key: str, sellers: dict[str, str], language: str) -> str:
    """A group as a person calls it."""
    if not key:
        return _NOBODY[by][_place(language)]
    return sellers.get(key, key) if by == "seller" else key


def kind(name: str, language: str) -> str:
    return _KINDS[name][_place(language)]


def correlation(known: Correlation, language: str) -> str:
    if known.months == 0:
        return (
            "suposta: ainda não há meses com negócios fechados"
            if language == "pt"
            else "assumed: no months with closed deals yet"
        )
    if language == "pt":
        return f"medida em {known.months} meses de negócios fechados"
    return f"learnt from {known.months} months of closed deals"


def retrained(before: str, after: str, language: str) -> str:
    if language == "pt":
        return f"outra versão do modelo: {before} → {after}"
    return f"another version of the model: {before} → {after}"


def _place(language: str) -> int:
    return 0 if language == "pt" else 1
