"""`salesedge train`: models fitted, by one recipe each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from core.datascience.models.bundle import Algorithm

if TYPE_CHECKING:
    from training.run import Tell

train = typer.Typer(no_args_is_help=True, help="Fit models on Ray.")


@train.command("table")
def train_table(
    file: Annotated[Path | None, typer.Argument(help="CSV or Parquet; else the file that the map names")] = None,
    columns: Annotated[str, typer.Option(help="A column map, or the name of one in configs/training/tables")] = "",
) -> None:
    """Backtest win and loss on any table of deals, by date: nothing is tuned on the newest fifth."""
    from core.kit.errors import BadInput
    from training.backtest.show import run

    try:
        run(file, columns, typer.echo)
    except BadInput as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(2) from None


@train.command("forecasting")
def train_forecasting(
    algorithm: Annotated[Algorithm, typer.Option(help="Its recipe: configs/training/<algorithm>.yaml")] = "xgboost",
    tenant: Annotated[UUID | None, typer.Option(help="Its deals alone; else those of all tenants")] = None,
    tune: Annotated[int, typer.Option(min=0, max=500, help="Trials of a search for better parameters, on Ray")] = 0,
    job: Annotated[str | None, typer.Option(help="A name; a job that was killed goes on under its own")] = None,
    risk: Annotated[bool, typer.Option(help="The odds of losing, for the context `risk`")] = False,
) -> None:
    """Fit the odds of deals on what was closed, register the model, and promote it if the gate lets it pass."""
    from cluster.cli import read_settings
    from cluster.embedded import EmbeddedServers
    from cluster.training import Asked
    from cluster.training import train_forecasting as fit
    from core.kit.clock import SystemClock
    from core.kit.errors import SalesEdgeError

    job = job or f"{algorithm}-{SystemClock().now():%m%d-%H%M%S}"
    typer.echo(f"job {job}; if it is killed, the same command with --job {job} goes on")
    asked = Asked(tenant, algorithm, tune, "risk" if risk else "forecast", job)
    with EmbeddedServers(read_settings()) as servers:
        try:
            with progress() as tell:
                report = asyncio.run(fit(servers.settings, asked, tell, typer.echo))
        except SalesEdgeError as error:
            typer.echo(error.detail, err=True)
            raise typer.Exit(1) from None
    for name, value in report.metrics.items():
        beside = f"   logistic regression {report.baseline[name]:.3f}" if name in report.baseline else ""
        typer.echo(f"{name:18} {value:.3f}{beside}")


@train.command("customers")
def train_customers(
    tenant: Annotated[UUID | None, typer.Option(help="Its customers; else each company's by themselves")] = None,
) -> None:
    """Find groups of customers that are alike, register them, and write who belongs where, if they are real."""
    from cluster.cli import read_settings
    from cluster.customers import train_customers as fit
    from cluster.embedded import EmbeddedServers
    from core.kit.errors import SalesEdgeError

    with EmbeddedServers(read_settings()) as servers:
        try:
            said: list[str] = []
            with progress() as tell:
                asyncio.run(fit(servers.settings, tenant, tell, said.append))
        except SalesEdgeError as error:
            typer.echo(error.detail, err=True)
            raise typer.Exit(1) from None
    for line in said:
        typer.echo(line)


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar on a terminal, else a line for each stage."""
    if not sys.stderr.isatty():
        said: list[str] = []

        def line(stage: str, share: float) -> None:
            if stage not in said[-1:]:
                said.append(stage)
                typer.echo(f"{share:4.0%}  {stage}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:28}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)
