"""`salesedge automation …`: stop all that is carried out by itself, for every company, and let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.model_commands import on_servers

if TYPE_CHECKING:
    from core.settings import Settings

automation = typer.Typer(no_args_is_help=True, help="What is carried out by itself: stop it for all, and let it go on.")


@automation.command("halt")
def halt(reason: Annotated[str, typer.Option(help="Why; companies read it")]) -> None:
    """Nothing leaves the house any more, for no company. Heard before each single thing that would."""
    on_servers(lambda settings: _change(settings, reason))
    typer.echo("Nothing is carried out any more. `salesedge automation go` ends that.")


@automation.command("go")
def go() -> None:
    """Carry out again what is approved; what fell due meanwhile follows within minutes."""
    on_servers(lambda settings: _change(settings, None))
    typer.echo("What is approved is carried out again.")


async def _change(settings: Settings, reason: str | None) -> None:
    from core import bootstrap
    from core.automation.execution import repository

    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        async with db.system() as tx:
            await (repository.set_halt(tx, reason[:300]) if reason else repository.end_halt(tx))
    finally:
        await db.close()
