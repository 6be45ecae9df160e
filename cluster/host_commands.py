"""`salesedge hosts …`: where tenants' agents and pipeline health live, for operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

hosts = typer.Typer(no_args_is_help=True, help="Tenant hosts of a running cluster: who they are, more or fewer.")
Address = Annotated[str, typer.Option(envvar="RAY_ADDRESS", help="Of the cluster; auto: the one of this machine")]


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """To a cluster that runs; one line and the end where there is none."""
    import logging

    import ray

    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError):
        typer.echo(f"No Ray cluster answers at '{address}'. Is `salesedge up` running here?", err=True)
        raise typer.Exit(1) from None
    try:
        yield
    finally:
        ray.shutdown()


def _show() -> None:
    from actors.tenant_host import reports

    for one in reports():
        typer.echo(
            f"{one.host:<12} {one.tenants:>7,} tenants awake  {one.waiting:>6,} events waiting  "
            f"{one.memory_bytes / 2**20:>7,.0f} MiB  {one.tenant_bytes / 2**10:>7,.1f} KiB a tenant"
        )


@hosts.command("list")
def list_hosts(address: Address = "auto") -> None:
    """Each host that lives, what it holds and what that weighs."""
    with _connected(address):
        _show()


@hosts.command("scale")
def scale(
    count: Annotated[int, typer.Argument(min=1, help="How many shared hosts there shall be")], address: Address = "auto"
) -> None:
    """More hosts, or fewer: tenants move only from hosts that leave, and to those that come. The next start has as many
    as the settings say (SALESEDGE_AGENTS__HOSTS)."""
    from actors.tenant_host import running_settings, scale_hosts
    from cluster.local import predictor, profile
    from core.settings import placement

    with _connected(address):
        settings = running_settings()
        if settings is None:
            typer.echo("No tenant host lives in that cluster: the product does not run there.", err=True)
            raise typer.Exit(1)
        scale_hosts(settings, predictor(), count, num_cpus=placement(profile(settings)).tenant_hosts.cpus)
        _show()
