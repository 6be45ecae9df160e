"""`salesedge jobs …`: trainings on a Ray cluster, for the one who fits models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

T = TypeVar("T")
jobs = typer.Typer(no_args_is_help=True, help="Trainings as jobs of a Ray cluster.")
Address = Annotated[str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="Of the cluster's job server")]
Id = Annotated[str, typer.Argument(help="As `submit` told it", metavar="JOB")]
_LOCAL = "http://127.0.0.1:8265"


def _told(work: Callable[[], T]) -> T:
    """A refusal is one line and the end."""
    from core.kit.errors import SalesEdgeError

    try:
        return work()
    except SalesEdgeError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from None


@jobs.command("submit", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    address: Address = _LOCAL,
    name: Annotated[str | None, typer.Option(help="The job's id; else one is made")] = None,
    env: Annotated[list[str] | None, typer.Option(help="A variable that goes along; Ray shows it to its users")] = None,
    cpus: Annotated[float, typer.Option(min=0, help="Of the job's own process")] = 1.0,
    wait: Annotated[bool, typer.Option(help="Show its log until it is over; ends with 1 where it failed")] = False,
) -> None:
    """Run a command on the cluster, as in: salesedge jobs submit train forecasting --algorithm lightgbm"""
    from cluster import jobs as cluster
    from cluster.cli import read_settings

    settings = read_settings()
    made = _told(
        lambda: cluster.submit(settings, context.args, address=address, name=name, carried=env or [], cpus=cpus)
    )
    typer.echo(made)
    if wait:
        _follow(made, address)
        ended = _told(lambda: cluster.status(made, address=address))
        typer.echo(ended.line())
        raise typer.Exit(0 if ended.status == "SUCCEEDED" else 1)


@jobs.command("list")
def list_jobs(address: Address = _LOCAL) -> None:
    """All jobs that the cluster remembers, newest first."""
    from cluster import jobs as cluster

    for job in _told(lambda: cluster.jobs(address=address)):
        typer.echo(job.line())


@jobs.command("status")
def status(job: Id, address: Address = _LOCAL) -> None:
    """How it stands; of one that failed, why."""
    from cluster import jobs as cluster

    found = _told(lambda: cluster.status(job, address=address))
    typer.echo(found.line())
    if found.message:
        typer.echo(found.message)


@jobs.command("logs")
def logs(
    job: Id, address: Address = _LOCAL, follow: Annotated[bool, typer.Option(help="Until it is over")] = False
) -> None:
    """What it wrote."""
    from cluster import jobs as cluster

    if follow:
        _follow(job, address)
    else:
        typer.echo(_told(lambda: cluster.logs(job, address=address)), nl=False)


@jobs.command("stop")
def stop(job: Id, address: Address = _LOCAL) -> None:
    """End it: it is asked first, and killed after some seconds."""
    from cluster import jobs as cluster

    stopped = _told(lambda: cluster.stop(job, address=address))
    typer.echo(f"{job} is being stopped" if stopped else f"{job} was over already")


def _follow(job: str, address: str) -> None:
    from cluster import jobs as cluster

    async def show() -> None:
        async for text in cluster.follow(job, address=address):
            typer.echo(text, nl=False)

    _told(lambda: asyncio.run(show()))
