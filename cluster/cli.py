"""The command `salesedge`. Each command imports what it needs, so that `--help` is quick."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cluster.automation_commands import automation
from cluster.host_commands import hosts
from cluster.job_commands import jobs
from cluster.model_commands import drift, models
from cluster.tenant_commands import tenants
from cluster.train_commands import train

if TYPE_CHECKING:
    from core.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="SalesEdge AI: sales intelligence on Ray.",
)
events = typer.Typer(no_args_is_help=True, help="Events that were given up, and running them again.")
audit = typer.Typer(no_args_is_help=True, help="Audit trails: put down their heads, and check them.")
forecast = typer.Typer(no_args_is_help=True, help="What tenants are told about their pipelines.")
features = typer.Typer(no_args_is_help=True, help="The feature store: backfill, refresh, history.")
app.add_typer(audit, name="audit")
app.add_typer(automation, name="automation")
app.add_typer(features, name="features")
privacy = typer.Typer(no_args_is_help=True, help="What tenants and persons asked for about their data.")
app.add_typer(privacy, name="privacy")
app.add_typer(events, name="events")
app.add_typer(forecast, name="forecast")
app.add_typer(hosts, name="hosts")
app.add_typer(jobs, name="jobs")
app.add_typer(models, name="models")
app.add_typer(drift, name="drift")
app.add_typer(tenants, name="tenants")
app.add_typer(train, name="train")


def _settings() -> Settings:
    """The settings, or one line for each that is wrong, and the end."""
    from core.kit import log
    from core.settings import SettingsError, load

    try:
        settings = load()
    except SettingsError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(2) from None
    log.configure(settings.log.level, settings.log.format)
    return settings


read_settings = _settings


@app.command()
def doctor() -> None:
    """Check everything that a start needs, and say what to do."""
    from cluster.doctor import examine, show

    findings = asyncio.run(examine(_settings()))
    show(findings)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command()
def up() -> None:
    """Start the product on this machine and leave it running until Ctrl-C."""
    from cluster.up import run

    run(_settings())


@app.command()
def demo(
    call: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A recording of your own")] = None,
    language: Annotated[str, typer.Option(help="Of the demo call: en or pt")] = "en",
    stay: Annotated[bool, typer.Option(help="Leave the API running at the end")] = True,
    picture: Annotated[Path | None, typer.Option(dir_okay=False, help="Save what is shown as SVG")] = None,
) -> None:
    """A recorded call through the whole house, on embedded servers."""
    from cluster.demo import run

    run(_settings(), call=call, language=language, stay=stay, picture=picture)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from cluster.embedded import EmbeddedServers
    from cluster.embedded import migrate as bring

    with EmbeddedServers(_settings()) as servers:
        bring(servers.settings)
    typer.echo("The schema is at its newest.")


@app.command()
def score(
    tenant: Annotated[UUID, typer.Option(help="Whose deals or rows these are, and whose models answer")],
    out: Annotated[Path, typer.Option(help="A new folder for the Parquet files")],
    file: Annotated[
        Path | None, typer.Option(help="Parquet or CSV with features as columns; else all open deals")
    ] = None,
    context: Annotated[str, typer.Option(help="forecast, followup, simulation or risk")] = "forecast",
    reasons: Annotated[int, typer.Option(min=0, max=20, help="How many of each row")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes on Ray that share the rows")] = 1,
) -> None:
    """Score many rows on Ray Data: answers as Parquet, each of them in the log."""
    from cluster.embedded import EmbeddedServers
    from cluster.scoring import Job
    from cluster.scoring import score as run
    from core.kit.errors import SalesEdgeError

    job = Job(tenant, out, file, context, reasons, workers)
    with EmbeddedServers(_settings()) as servers:
        try:
            done = run(servers.settings, job)
        except SalesEdgeError as error:
            typer.echo(error.detail, err=True)
            raise typer.Exit(1) from None
    typer.echo(f"{done.rows:,} rows scored into {out}")


@features.command("backfill")
def backfill_features(
    tenant: Annotated[UUID | None, typer.Option(help="Its deals and calls alone; else of all tenants")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this day on")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this day")] = None,
) -> None:
    """Write features of moments that are over, as they would have been written then. Safe to repeat."""
    from cluster.embedded import EmbeddedServers
    from cluster.features import backfill

    period = {"since": since and since.replace(tzinfo=UTC), "until": until and until.replace(tzinfo=UTC)}
    with EmbeddedServers(_settings()) as servers:
        written = asyncio.run(backfill(servers.settings, tenant, say=typer.echo, **period))
    typer.echo(f"{written} rows written")


@features.command("refresh")
def refresh_features(tenant: Annotated[UUID | None, typer.Option(help="Else all tenants")] = None) -> None:
    """Write the features of open deals as of now: days go by without an event. Run it every night."""
    from cluster.embedded import EmbeddedServers
    from cluster.features import refresh

    with EmbeddedServers(_settings()) as servers:
        typer.echo(f"{asyncio.run(refresh(servers.settings, tenant, say=typer.echo))} rows written")


@features.command("archive")
def archive_features(tenant: Annotated[UUID | None, typer.Option(help="Else all tenants")] = None) -> None:
    """Bring the history in Parquet up to date, in the object store. Run it every night."""
    from cluster.embedded import EmbeddedServers
    from cluster.features import archive

    with EmbeddedServers(_settings()) as servers:
        typer.echo(f"{asyncio.run(archive(servers.settings, tenant))} files changed")


@events.command("parked")
def parked() -> None:
    """What was given up: event, reaction, error, attempts."""
    from cluster.embedded import EmbeddedServers
    from cluster.events import parked as read

    with EmbeddedServers(_settings()) as servers:
        rows = asyncio.run(read(servers.settings))
    for row in rows:
        typer.echo(f"{row['event_id']}  {row['type']} → {row['reaction']}  {row['attempts']} attempts  {row['error']}")
    typer.echo(f"{len(rows)} parked")


@events.command("rerun")
def rerun(event_id: Annotated[UUID | None, typer.Argument(help="Of one event; else all")] = None) -> None:
    """Run what was given up again."""
    from cluster.embedded import EmbeddedServers
    from cluster.events import rerun as again

    with EmbeddedServers(_settings()) as servers:
        typer.echo(f"{asyncio.run(again(servers.settings, event_id))} will run again")


@forecast.command("snapshot")
def snapshot_forecasts(
    tenant: Annotated[UUID | None, typer.Option(help="It alone; else all")] = None,
) -> None:
    """Predict all open deals anew and put down what is told; once in a tenant's night. Run it every hour."""
    from cluster.embedded import EmbeddedServers
    from cluster.forecast import snapshot

    with EmbeddedServers(_settings()) as servers:
        typer.echo(f"{asyncio.run(snapshot(servers.settings, tenant))} snapshots taken")


@events.command("replay")
def replay(
    since: Annotated[datetime, typer.Option(help="From when on, in UTC unless it says otherwise")],
    reaction: Annotated[list[str] | None, typer.Option(help="Of this one alone; may be repeated")] = None,
) -> None:
    """Let reactions take what happened since then once more, in order; also those that are new."""
    from cluster.embedded import EmbeddedServers
    from cluster.events import replay as again
    from core.kit.errors import BadInput

    with EmbeddedServers(_settings()) as servers:
        try:
            count = asyncio.run(again(servers.settings, since, reaction or []))
        except BadInput as error:
            typer.echo(error.detail, err=True)
            raise typer.Exit(2) from None
    typer.echo(f"{count} will run again")


@events.command("lag")
def lag() -> None:
    """How far behind each reaction is, and with Kafka each consumer group."""
    from cluster.embedded import EmbeddedServers
    from cluster.events import behind
    from cluster.events import lag as read

    with EmbeddedServers(_settings()) as servers:
        for one in asyncio.run(read(servers.settings)):
            typer.echo(f"{one.reaction:32} {one.events:8} events {one.behind_s:10.1f} s  {one.parked:6} parked")
        for group, messages in behind(servers.settings).items():
            typer.echo(f"{group:32} {messages:8} messages")


@privacy.command("retain")
def retain() -> None:
    """Delete what is older than its tenant wants it kept. Run it every night."""
    from cluster.embedded import EmbeddedServers
    from cluster.privacy import retain as carry_out

    with EmbeddedServers(_settings()) as servers:
        deleted = asyncio.run(carry_out(servers.settings))
    for kind, count in deleted.items():
        typer.echo(f"{kind}: {count} deleted")


@audit.command("anchor")
def anchor_audit() -> None:
    """Sign the head of every tenant's trail and keep it in the object store. Let it run by the clock."""
    from cluster.audit import anchor
    from cluster.embedded import EmbeddedServers

    with EmbeddedServers(_settings()) as servers:
        typer.echo(f"{asyncio.run(anchor(servers.settings))} trails anchored")


@audit.command("verify")
def verify_audit(tenant: Annotated[UUID | None, typer.Option(help="Its trail alone; else all")] = None) -> None:
    """Find what was edited, deleted, put into another order or cut off; ends with 1 where something was."""
    from cluster.audit import verify
    from cluster.embedded import EmbeddedServers

    with EmbeddedServers(_settings()) as servers:
        verified = asyncio.run(verify(servers.settings, tenant))
    for finding in verified.findings:
        typer.echo(f"{finding.tenant_id}  entry {finding.seq}  {finding.what}")
    read = f"{verified.entries} entries of {verified.tenants} tenants, {verified.anchors} anchors"
    typer.echo(f"{read}: {len(verified.findings)} findings" if verified.findings else f"{read}: all as written")
    raise typer.Exit(1 if verified.findings else 0)
