"""The report of a backtest in words, and the body of `salesedge train table`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from training.backtest.columns import BadTable, map_named, read_deals, read_map
from training.backtest.run import Report, backtest

FIGURES = ("auc", "pr_auc", "brier", "ece")


def run(file: Path | None, columns: str, say: Callable[[str], None]) -> Report:
    """`columns`: a path, or the name of a map that comes with the product. Raises `BadTable`."""
    path = Path(columns) if columns.endswith((".yaml", ".yml")) else map_named(columns)
    told = read_map(path)
    if file is None:
        if told.file is None:
            raise BadTable(f"{path.name} names no file: give one.")
        file = Path(os.environ.get("SALESEDGE_DATA", "../shared/data")) / told.file
    report = backtest(read_deals(file, told), told, say=say)
    for line in lines(report, quantity=told.quantity.name if told.quantity else ""):
        say(line)
    return report


def lines(report: Report, *, quantity: str = "") -> Iterator[str]:
    yield f"{report.learnt} older rows taught, {report.measured} newer ones measured ({report.won:.1%} won)"
    yield ""
    yield "| algorithm | recency | log loss, older origins | AUC | PR-AUC | Brier | ECE | frozen: AUC | ECE | groups |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for n, model in enumerate(report.models):
        figures = " | ".join(f"{model.followed[name]:.3f}" for name in FIGURES)
        name = f"{model.algorithm} (chosen)" if n == 0 else model.algorithm
        frozen = f"{model.frozen['auc']:.3f} | {model.frozen['ece']:.3f}"
        yield (
            f"| {name} | {model.recency or 'none'} | {model.loss:.4f} | {figures} | {frozen} | "
            f"{model.groups.adaptive:.3f} |"
        )
    yield ""
    best = report.models[0].groups
    yield (
        f"90 % intervals, share won of {best.rows} coming groups of 20: {best.adaptive:.1%} held "
        f"({best.fixed:.1%} with a fixed width), {best.width:.2f} wide"
    )
    if report.quantity is not None:
        held = report.quantity
        yield (
            f"90 % intervals, {quantity} of {held.rows} deals: {held.adaptive:.1%} held "
            f"({held.fixed:.1%} with a fixed width), {held.width:,.1f} wide, ends by {held.base}"
        )
    for leak in report.leaks:
        yield f"leak? {leak.column}: {leak.why}"
