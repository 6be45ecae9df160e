"""Drift and duels in the words of people, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.datascience.drift.sequential import Standing

# kind → (pt, en)
_FOUND = {
    "input": (
        "{feature} mudou: {value:.2f}, acima do limite de {limit:.2f}",
        "{feature} has shifted: {value:.2f}, over the limit of {limit:.2f}",
    ),
    "score": (
        "as probabilidades mudaram como um todo: {value:.2f}, acima do limite de {limit:.2f}",
        "the odds have shifted as a whole: {value:.2f}, over the limit of {limit:.2f}",
    ),
    "auc": (
        "a ordem dos negócios piorou: AUC {value:.3f}, abaixo de {limit:.3f}",
        "deals are told apart less well: AUC {value:.3f}, under {limit:.3f}",
    ),
    "brier": (
        "as probabilidades erram mais: Brier {value:.3f}, acima de {limit:.3f}",
        "the odds are further off: Brier {value:.3f}, over {limit:.3f}",
    ),
    "ece": (
        "as probabilidades não se confirmam: erro de calibração {value:.3f}, acima de {limit:.3f}",
        "the odds do not come true: calibration error {value:.3f}, over {limit:.3f}",
    ),
}
_PROPOSED = {
    "retrain": ("Treinar de novo com os negócios recentes.", "Train again on the recent deals."),
    "recalibrate": (
        "Recalibrar: a ordem dos negócios está certa, as probabilidades não.",
        "Recalibrate: deals are in the right order, their odds are not.",
    ),
}
_STANDS = {
    "challenger": (
        "A versão {challenger} é melhor que a campeã {champion} (decidido após {at} negócios).",
        "Version {challenger} is better than the champion {champion} (decided after {at} deals).",
    ),
    "champion": (
        "A campeã {champion} é melhor que a versão {challenger} (decidido após {at} negócios).",
        "The champion {champion} is better than version {challenger} (decided after {at} deals).",
    ),
    None: (
        "Ainda não está decidido entre {champion} e {challenger}, após {outcomes} negócios fechados.",
        "Not decided yet between {champion} and {challenger}, after {outcomes} closed deals.",
    ),
}


def finding(found: Mapping[str, Any], language: str) -> str:
    return _FOUND[found["kind"]][_index(language)].format(**found)


def proposed(action: str, language: str) -> str:
    return _PROPOSED[action][_index(language)]


def standing(seen: Standing, champion: int, challenger: int, language: str) -> str:
    words = _STANDS[seen.winner][_index(language)]
    return words.format(champion=champion, challenger=challenger, at=seen.decided_at, outcomes=seen.outcomes)


def _index(language: str) -> int:
    return 0 if language == "pt" else 1
