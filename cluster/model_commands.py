"""`salesedge models …` and `salesedge drift …`: versions of models, for the one who runs the installation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer

if TYPE_CHECKING:
    from core.settings import Settings

T = TypeVar("T")
models = typer.Typer(no_args_is_help=True, help="Versions of models, and the starter models that engines load.")
drift = typer.Typer(no_args_is_help=True, help="Do models still see what they were taught on, and are they right?")
Named = Annotated[str, typer.Argument(help="As in forecast-global@3, or its id", metavar="VERSION")]
Language = Annotated[str, typer.Option(help="Of the verdict: en or pt")]


def on_servers(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Run it with the servers that the settings name or embed; a refusal is one line and the end."""
    from cluster.cli import read_settings
    from cluster.embedded import EmbeddedServers
    from core.kit.errors import SalesEdgeError

    with EmbeddedServers(read_settings()) as servers:
        try:
            return asyncio.run(work(servers.settings))
        except SalesEdgeError as error:
            typer.echo(error.detail, err=True)
            raise typer.Exit(1) from None


@models.command("install")
def install() -> None:
    """Lay out the starter models from their packages; instant where they are there."""
    from cluster.cli import read_settings
    from cluster.starter_models import install as lay_out

    lay_out(read_settings().models.dir, typer.echo)


@models.command("list")
def list_versions(
    context: Annotated[str | None, typer.Option(help="forecast, followup, simulation or risk")] = None,
    scope: Annotated[str | None, typer.Option(help="A tenant's id, segment-<name> or global")] = None,
) -> None:
    """All versions, newest first; * marks the champions."""
    from cluster.models import listed

    for line in on_servers(lambda settings: listed(settings, context, scope)):
        typer.echo(line)


@models.command("show")
def show(version: Named, language: Language = "en") -> None:
    """What is known of one version: data, figures, input range, the gate's verdict, what happened to it."""
    from cluster.models import shown

    for line in on_servers(lambda settings: shown(settings, version, language)):
        typer.echo(line)


@models.command("compare")
def compare(
    a: Named, b: Named, alpha: Annotated[float, typer.Option(help="Chance of a false verdict")] = 0.05,
    language: Language = "en",
) -> None:  # fmt: skip
    """Which of two is better on the rows that both held out, and how sure that is."""
    from cluster.models import compared

    for line in on_servers(lambda settings: compared(settings, a, b, alpha, language)):
        typer.echo(line)


@models.command("promote")
def promote(
    version: Named, force: Annotated[bool, typer.Option(help="Although the gate did not let it pass")] = False
) -> None:
    """Make it the champion of its context and scope."""
    from cluster.models import promoted

    typer.echo(on_servers(lambda settings: promoted(settings, version, force=force)))


@models.command("rollback")
def rollback(version: Named) -> None:
    """Take a champion back: the one before it answers again."""
    from cluster.models import rolled_back

    typer.echo(on_servers(lambda settings: rolled_back(settings, version)))


@models.command("challenge")
def challenge(
    version: Named, share: Annotated[float, typer.Option(min=0, max=0.5, help="Of the deals; 0: in the shadow")] = 0.0,
    end: Annotated[bool, typer.Option(help="End the challenge")] = False,
) -> None:  # fmt: skip
    """Let it answer beside the champion."""
    from cluster.models import challenged

    typer.echo(on_servers(lambda settings: challenged(settings, version, None if end else share)))


@models.command("sync")
def sync() -> None:
    """Write the pointers that serving reads again, and let MLflow's aliases follow."""
    from cluster.models import synced

    typer.echo(f"{on_servers(synced)} aliases are as the database says.")


@drift.command("check")
def check_drift(language: Language = "en") -> None:
    """Look at every version in every tenant, and propose what should follow. Run it every night."""
    from cluster.drift import checked

    for line in on_servers(lambda settings: checked(settings, language)):
        typer.echo(line)


@drift.command("carry-out")
def carry_out() -> None:
    """Work here on trainings that nobody works on, one after the other; a running house starts them by itself."""
    from cluster.drift import carried_out

    for line in on_servers(carried_out):
        typer.echo(line)


@drift.command("recalibrate")
def recalibrate(
    version: Named, tenant: Annotated[UUID | None, typer.Option(help="Whose outcomes draw it")] = None,
    language: Language = "en",
) -> None:  # fmt: skip
    """Draw a version's calibration anew by newer outcomes; what comes of it has to pass the gate."""
    from cluster.drift import recalibrated

    for line in on_servers(lambda settings: recalibrated(settings, version, tenant, language)):
        typer.echo(line)
