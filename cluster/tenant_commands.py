"""`salesedge tenants …`: whole companies, for the one who runs the installation."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.model_commands import on_servers

tenants = typer.Typer(no_args_is_help=True, help="Companies: list them, suspend one, let it in again.")
Slug = Annotated[str, typer.Argument(help="The company's short name", metavar="SLUG")]


@tenants.command("list")
def list_tenants() -> None:
    """All companies by short name; ! marks those that are suspended."""
    from cluster.tenants import listed

    for one in on_servers(listed):
        mark = f"! since {one.suspended_at:%Y-%m-%d %H:%M} UTC" if one.suspended_at else ""
        typer.echo(f"{one.slug:30} {one.plan:12} {one.created_at:%Y-%m-%d}  {mark}".rstrip())


@tenants.command("suspend")
def suspend(slug: Slug) -> None:
    """Nobody of the company comes in any more, and all its sessions end. Its data stays."""
    from cluster.tenants import suspend as end_access

    ended = on_servers(lambda settings: end_access(settings, slug))
    typer.echo(f"{slug} is suspended; {ended} sessions ended.")


@tenants.command("resume")
def resume(slug: Slug) -> None:
    """The company may log in again."""
    from cluster.tenants import resume as let_in

    on_servers(lambda settings: let_in(settings, slug))
    typer.echo(f"{slug} may log in again.")
