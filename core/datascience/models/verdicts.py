"""What the gate found, in the words of people, in both languages."""

from __future__ import annotations

from typing import Any

from core.datascience.models.gate import Check, Verdict

# check → passed or not → (pt, en)
SAID: dict[str, dict[bool, tuple[str, str]]] = {
    "enough_data": {
        True: (
            "dados suficientes: {deals} negócios fechados, {won} ganhos e {lost} perdidos para medir",
            "enough data: {deals} closed deals, {won} won and {lost} lost to measure on",
        ),
        False: (
            "poucos dados: {deals} negócios fechados (mínimo {least_deals}), {won} ganhos e {lost} perdidos para medir "
            "(mínimo {least_held_out} ao todo e {least_of_each} de cada)",
            "too little data: {deals} closed deals (at least {least_deals}), {won} won and {lost} lost to measure on "
            "(at least {least_held_out} together and {least_of_each} of each)",
        ),
    },
    "no_leak": {
        True: ("nenhum sinal de vazamento do resultado", "no sign that the outcome leaks into the input"),
        False: (
            "estas variáveis podem conter o resultado: {features}",
            "these features may hold the outcome: {features}",
        ),
    },
    "better_than_champion": {
        True: (
            "melhor que o campeão nas mesmas linhas: AUC {auc} contra {auc_before} (p = {auc_p}), "
            "Brier {brier} contra {brier_before} (p = {brier_p})",
            "better than the champion on the same rows: AUC {auc} against {auc_before} (p = {auc_p}), "
            "Brier {brier} against {brier_before} (p = {brier_p})",
        ),
        False: (
            "não é comprovadamente melhor que o campeão: AUC {auc} contra {auc_before} (p = {auc_p}), "
            "Brier {brier} contra {brier_before} (p = {brier_p}), ao nível {alpha}",
            "not proven better than the champion: AUC {auc} against {auc_before} (p = {auc_p}), "
            "Brier {brier} against {brier_before} (p = {brier_p}), at level {alpha}",
        ),
    },
    "better_than_base_rate": {
        True: (
            "melhor que a taxa média de ganho: AUC {auc}, Brier {brier} contra {brier_before} (p = {brier_p})",
            "better than the plain share of deals won: AUC {auc}, Brier {brier} against {brier_before} (p = {brier_p})",
        ),
        False: (
            "não é comprovadamente melhor que a taxa média de ganho: AUC {auc}, Brier {brier} contra {brier_before} "
            "(p = {brier_p}), ao nível {alpha}",
            "not proven better than the plain share of deals won: AUC {auc}, Brier {brier} against {brier_before} "
            "(p = {brier_p}), at level {alpha}",
        ),
    },
    "calibrated": {
        True: (
            "calibrado: erro {ece}, dos quais {chance} por acaso, até {most} além dele",
            "calibrated: error {ece}, of which {chance} by chance, up to {most} beyond it",
        ),
        False: (
            "mal calibrado: erro {ece}, dos quais {chance} por acaso; permitido {most} além dele",
            "badly calibrated: error {ece}, of which {chance} by chance; {most} beyond it is allowed",
        ),
    },
    "fast_enough": {
        True: (
            "rápido: {p95_ms} ms por resposta com razões (limite {most_ms})",
            "fast: {p95_ms} ms an answer with reasons (limit {most_ms})",
        ),
        False: (
            "lento ou não medido: {p95_ms} ms por resposta com razões (limite {most_ms})",
            "slow or not measured: {p95_ms} ms an answer with reasons (limit {most_ms})",
        ),
    },
    "small_enough": {
        True: ("ocupa {memory_mib} MiB (limite {most_mib})", "takes {memory_mib} MiB (limit {most_mib})"),
        False: (
            "grande ou não medido: {memory_mib} MiB (limite {most_mib})",
            "large or not measured: {memory_mib} MiB (limit {most_mib})",
        ),
    },
    "groups_enough": {
        True: ("clientes suficientes: {accounts}", "enough customers: {accounts}"),
        False: ("poucos clientes: {accounts} (mínimo {least})", "too few customers: {accounts} (at least {least})"),
    },
    "groups_stable": {
        True: (
            "os mesmos grupos aparecem entre outros clientes: concordância {stability} (mínimo {least})",
            "the same groups are found among other customers: agreement {stability} (at least {least})",
        ),
        False: (
            "entre outros clientes os grupos são outros: concordância {stability} (mínimo {least})",
            "among other customers the groups are others: agreement {stability} (at least {least})",
        ),
    },
    "groups_real": {
        True: (
            "grupos mais separados que por acaso: silhueta {silhouette} contra {shuffled} (p = {p})",
            "groups lie further apart than by chance: silhouette {silhouette} against {shuffled} (p = {p})",
        ),
        False: (
            "não há grupos além do acaso: silhueta {silhouette} contra {shuffled} (p = {p})",
            "no groups beyond chance: silhouette {silhouette} against {shuffled} (p = {p})",
        ),
    },
}
_WHOLE = {
    True: ("Pode ser promovido.", "It may be promoted."),
    False: ("Não pode ser promovido.", "It may not be promoted."),
}
_UNKNOWN = "-"


def say(check: Check, language: str) -> str:
    """One condition in words; what was not measured is a dash."""
    words = SAID[check.name][check.passed][0 if language == "pt" else 1]
    return words.format(**{name: _UNKNOWN if value is None else value for name, value in check.facts.items()})


def tell(verdict: Verdict | dict[str, Any], language: str) -> list[str]:
    """The verdict, then its reasons, those against it first."""
    known = verdict if isinstance(verdict, Verdict) else Verdict.from_json(verdict)
    ordered = sorted(known.checks, key=lambda check: check.passed)
    return [_WHOLE[known.passed][0 if language == "pt" else 1], *(say(check, language) for check in ordered)]
