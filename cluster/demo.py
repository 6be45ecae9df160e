"""One recorded call through the whole house: over HTTP in, and everything that came of it out, for a person to read."""

from __future__ import annotations

import asyncio
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster import demo_tenant, report
from cluster.training import Asked, train_forecasting
from cluster.up import running, wait_for_stop
from core import bootstrap
from core.datascience.models.pointers import CHAMPION, Scope, pointer_key
from core.kit.errors import SalesEdgeError
from core.settings import Settings, configs_dir

console = Console()
_POLL_S = 0.25
_MOST_WAIT_S = 1800.0
_STAGES = {"decode": 0.05, "transcribe": 0.1, "sentiment": 0.85, "insights": 0.95}


class Demo:
    """The demonstration as a client of the API: it logs in, and from then on only asks over HTTP."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=300)
        self._refresh_token = ""

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        if answer.status_code == 401:  # a long call outlasts an access token
            self._enter(self._checked(self.http.post("/v1/refresh", json={"refresh_token": self._refresh_token})))
            answer = self.http.get(path)
        return self._checked(answer)

    def post(self, path: str, **options: Any) -> Any:
        return self._checked(self.http.post(path, **options))

    def log_in(self, log_in: demo_tenant.LogIn) -> None:
        self._enter(self.post("/v1/login", json={"email": log_in.email, "password": log_in.password}))

    def _enter(self, session: dict[str, Any]) -> None:
        self._refresh_token = session["refresh_token"]
        self.http.headers["Authorization"] = f"Bearer {session['access_token']}"

    def deal_for(self, story: demo_tenant.Story) -> dict[str, Any]:
        """The deal that the call is about, as its story tells it; made once."""
        name = story.deal
        for deal in self.get("/v1/deals?limit=200&open=true")["items"]:
            if deal["name"] == name:
                found: dict[str, Any] = deal
                return found
        account = self.post("/v1/accounts", json={"name": story.company, "segment": "mid_market"})
        contact = self.post(
            "/v1/contacts",
            json={
                "account_id": account["id"], "name": story.contact, "email": story.email,
                "language": story.language,
            },
        )  # fmt: skip
        made: dict[str, Any] = self.post(
            "/v1/deals",
            json={
                "account_id": account["id"], "contact_id": contact["id"], "name": name, "stage": story.stage,
                "value_cents": story.value_cents, "currency": story.currency, "source": "inbound",
                "expected_close_on": (date.today() + timedelta(days=45)).isoformat(),
            },
        )  # fmt: skip
        for kind, direction in (("email", "out"), ("email", "in")):
            self.post(f"/v1/deals/{made['id']}/activities", json={"kind": kind, "direction": direction})
        return made

    def upload(self, path: Path, deal_id: str | None, title: str) -> dict[str, Any]:
        with path.open("rb") as file:
            fields = {"title": title, **({"deal_id": deal_id} if deal_id else {})}
            call: dict[str, Any] = self.post("/v1/calls", files={"audio": (path.name, file)}, data=fields)
        return call

    def follow(self, call: dict[str, Any]) -> dict[str, Any]:
        """Show the stages until the call is ready."""
        columns = (TextColumn("  {task.description:24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("uploaded", total=1.0)
            until = time.monotonic() + _MOST_WAIT_S
            while call["status"] not in ("ready", "failed") and time.monotonic() < until:
                time.sleep(_POLL_S)
                call = self.get(f"/v1/calls/{call['id']}")
                now = call["progress"]
                if now:
                    share = _STAGES.get(now["stage"], 0) + (0.7 * now["share"] if now["stage"] == "transcribe" else 0)
                    bar.update(task, description=now["stage"], completed=min(0.99, share))
        if call["status"] != "ready":
            raise SalesEdgeError(f"The call was not analysed: {call['error'] or 'it takes too long'}")
        return call

    def task_for(self, call_id: str, deal_id: str) -> dict[str, Any] | None:
        """The task that the tenant's agent made of the call, with its draft; None where it decided on none."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            for task in self.get(f"/v1/tasks?deal_id={deal_id}")["items"]:
                found: dict[str, Any] = self.get(f"/v1/tasks/{task['id']}")
                if task["call_id"] == call_id and (found["draft"] or found["template"] is None):
                    return found
            time.sleep(_POLL_S)
        return None

    def _checked(self, answer: httpx2.Response) -> Any:
        if answer.status_code >= 400:
            raise SalesEdgeError(answer.json().get("detail", answer.text))
        return answer.json()


def run(settings: Settings, *, call: Path | None, language: str, stay: bool, picture: Path | None) -> None:
    console.record = picture is not None
    started = time.monotonic()
    try:
        with running(settings) as cluster:
            console.print(f"[green]✓[/] cluster ready at {cluster.url}  [dim]{time.monotonic() - started:.0f} s[/]")
            log_in = asyncio.run(_prepare(cluster.settings, language))
            client = Demo(cluster.url)
            client.log_in(log_in)
            _show(client, call, language)
            console.print(f"[dim]{time.monotonic() - started:.0f} s in all[/]\n")
            console.print(f"API  {cluster.url}   documentation  {cluster.url}/docs")
            if picture is not None:
                console.save_svg(str(picture), title="make demo")
            console.print(f"log in  {log_in.email}  {log_in.password}")
            if stay:
                console.print("[dim]Ctrl-C stops[/]")
                wait_for_stop()
    except SalesEdgeError as error:
        console.print(f"[red]{error.detail}[/]")
        raise SystemExit(1) from None


def _show(client: Demo, call: Path | None, language: str) -> None:
    story = demo_tenant.story(language)
    path = call or configs_dir() / "demo" / f"call_{language}.opus"
    deal = client.deal_for(story)
    console.print(f"[green]✓[/] uploading {path.name} to the deal “{deal['name']}”")
    seen = client.follow(client.upload(path, deal["id"], path.stem))
    task = client.task_for(seen["id"], deal["id"])
    report.show(
        console,
        call=seen,
        transcript=client.get(f"/v1/calls/{seen['id']}/transcript"),
        sentiment=client.get(f"/v1/calls/{seen['id']}/sentiment"),
        insights=client.get(f"/v1/calls/{seen['id']}/insights"),
        forecast=client.get(f"/v1/deals/{deal['id']}/forecast?language={seen['language']}"),
        task=task,
    )


async def _prepare(settings: Settings, language: str) -> demo_tenant.LogIn:
    """The demo tenant with its pipeline, its competitors and a trained forecast; what is there already is kept."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        tenant_id = await demo_tenant.find(db)
        log_in = demo_tenant.log_in_of(settings) if tenant_id else demo_tenant.new_log_in(settings)
        if tenant_id is None:
            with console.status("a simulated pipeline of 1,500 deals over 18 months"):
                story = demo_tenant.story(language)
                identity = await demo_tenant.create(db, bootstrap.roles(), log_in, story)
                tenant_id = identity.tenant_id
                rows = await demo_tenant.load_pipeline(db, tenant_id, identity.user_id)
                await demo_tenant.add_competitors(db, tenant_id)
            console.print(f"[green]✓[/] tenant {story.seller_company}: 1,500 deals, {rows:,} rows")
        await _model(settings, tenant_id)
    finally:
        await db.close()
    return log_in


async def _model(settings: Settings, tenant_id: UUID) -> None:
    objects = bootstrap.object_store(settings)
    if await objects.exists(pointer_key("forecast", Scope.of_tenant(tenant_id), CHAMPION)):
        return
    with console.status("training the forecast on Ray") as status:
        asked = Asked(tenant_id)
        result = await train_forecasting(settings, asked, lambda stage, _: status.update(f"training: {stage}"))
    m = result.metrics
    told = f"AUC {m['auc']:.2f}, Brier {m['brier']:.3f}, ECE {m['ece']:.3f} on the newest fifth"
    console.print(f"[green]✓[/] forecast trained on {result.deals:,} closed deals: {told}")
