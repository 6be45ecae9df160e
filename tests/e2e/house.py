"""How the end-to-end tests use the running house: as its users do, and as its misfortunes do."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import psutil
import psycopg
import soundfile
from sqlalchemy import make_url

from cluster.demo_tenant import load_pipeline
from cluster.local import LocalCluster
from cluster.training import Asked, train_forecasting
from core import bootstrap
from training.forecasting import Report

PASSWORD = "correct horse battery"
PATIENCE_S = 240.0


class House:
    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.settings = cluster.settings
        self._tenants = 0

    def tenant(self, *, locale: str = "en-US") -> User:
        """A new tenant, by its administrator."""
        self._tenants += 1
        http = httpx2.Client(base_url=self.cluster.url, timeout=120)
        slug = f"tenant-{self._tenants}"
        body = {
            "company": "Brightline", "slug": slug, "name": "Emma Carter", "email": f"emma@{slug}.example",
            "password": PASSWORD, "locale": locale, "currency": "USD",
        }  # fmt: skip
        session = checked(http.post("/v1/signup", json=body))
        http.headers["Authorization"] = f"Bearer {session['access_token']}"
        return User(http, session["tenant_id"])

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What the database holds, seen by its owner."""
        assert self.settings.database.admin_url is not None
        url = make_url(self.settings.database.admin_url.get_secret_value()).render_as_string(False)
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def soon(self, query: str, *values: Any, at_least: int) -> int:
        """The number that a query finds, once it is so large."""
        end = time.monotonic() + PATIENCE_S
        while (found := int(self.rows(query, *values)[0][0])) < at_least and time.monotonic() < end:
            time.sleep(0.05)
        return found

    async def train(self, tenant_id: str) -> Report:
        """Give the tenant a year and a half of deals and a model of its own."""
        [(owner,)] = self.rows("SELECT id FROM users WHERE tenant_id = %s", tenant_id)
        await self._deals(tenant_id, owner, 1500)  # fewer may not get past the gate
        return await train_forecasting(self.settings, Asked(UUID(tenant_id)))

    def trainer(self) -> User:
        """Somebody who may train, of a new tenant with closed deals."""
        user = self.tenant()
        self.rows("UPDATE users SET roles = %s WHERE tenant_id = %s RETURNING 1", ["SUPER_ADMIN"], user.tenant_id)
        [(owner,)] = self.rows("SELECT id FROM users WHERE tenant_id = %s", user.tenant_id)
        asyncio.run(self._deals(user.tenant_id, owner, 260))
        return user

    async def _deals(self, tenant_id: str, owner: UUID, count: int) -> None:
        db = bootstrap.database(self.settings, bootstrap.database_url(self.settings))
        try:
            await load_pipeline(db, UUID(tenant_id), owner, count=count)
        finally:
            await db.close()

    def kill(self, title: str) -> int:
        """kill -9 every process of Ray whose title holds the text; returns how many."""
        mine = self.processes(title)
        for process in mine:
            os.kill(process.pid, signal.SIGKILL)
        return len(mine)

    def processes(self, title: str) -> list[psutil.Process]:
        """Of this cluster, whose title holds the text."""
        found = [p for p in psutil.process_iter(["cmdline"]) if title in " ".join(p.info["cmdline"] or [])]
        return [p for p in found if str(self.cluster.session_dir) in " ".join(_environment(p))]

    def cut_connections(self) -> int:
        return len(
            self.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'salesedge' "
                "AND datname = current_database()"
            )
        )


class User:
    """Somebody who is logged in."""

    def __init__(self, http: httpx2.Client, tenant_id: str) -> None:
        self.http = http
        self.tenant_id = tenant_id

    def get(self, path: str) -> Any:
        return checked(self.http.get(path))

    def post(self, path: str, **options: Any) -> Any:
        return checked(self.http.post(path, **options))

    def deal(self, name: str = "Harbor Foods") -> dict[str, Any]:
        account = self.post("/v1/accounts", json={"name": name})
        contact = self.post(
            "/v1/contacts", json={"account_id": account["id"], "name": "Daniel Reed", "email": "daniel@harbor.example"}
        )
        body = {
            "account_id": account["id"], "contact_id": contact["id"], "name": name, "value_cents": 60_000_00,
            "stage": "proposal",
        }  # fmt: skip
        deal: dict[str, Any] = self.post("/v1/deals", json=body)
        return deal

    def upload(self, data: bytes, name: str, deal_id: str) -> dict[str, Any]:
        call: dict[str, Any] = self.post("/v1/calls", files={"audio": (name, data)}, data={"deal_id": deal_id})
        return call

    def follow(self, call_id: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return self.until(f"/v1/calls/{call_id}", until)

    def until(self, path: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask again until the condition holds; failing it says what was seen last."""
        seen: dict[str, Any] = {}

        def asked() -> bool:
            nonlocal seen
            answer = self.http.get(path)
            seen = answer.json() if answer.status_code == 200 else seen
            return bool(seen) and until(seen)

        wait(asked, lambda: seen)
        return seen

    def finished(self, call_id: str) -> dict[str, Any]:
        seen = self.follow(call_id, lambda call: call["status"] in ("ready", "failed"))
        assert seen["status"] == "ready", seen
        return seen

    def forecast(self, deal_id: str, cause: str) -> dict[str, Any]:
        """The deal's forecast, once one was made for that cause."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            answer = self.http.get(f"/v1/deals/{deal_id}/forecast")
            if answer.status_code == 200 and answer.json()["now"]["cause_type"] == cause:
                told: dict[str, Any] = answer.json()
                return told
            time.sleep(0.05)
        raise AssertionError(f"no forecast after {cause}: {answer.text}")

    def tasks(self, deal_id: str) -> list[dict[str, Any]]:
        """The deal's tasks, once there is one and each has the draft that it needs."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            tasks = [self.get(f"/v1/tasks/{t['id']}") for t in self.get(f"/v1/tasks?deal_id={deal_id}")["items"]]
            if tasks and all(task["draft"] or task["template"] is None for task in tasks):
                return tasks
            time.sleep(0.05)
        raise AssertionError("no task came")


def wait(until: Callable[[], bool], seen: Callable[[], Any] = lambda: "") -> None:
    end = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > end:
            raise AssertionError(f"it did not come to that: {seen()}")
        time.sleep(0.05)


def checked(answer: httpx2.Response) -> Any:
    assert answer.status_code < 400, answer.text
    return answer.json()


def piece(path: Path, start_s: float, length_s: float) -> bytes:
    """A stretch of a recording, as a wav file of its own."""
    samples, rate = soundfile.read(path, dtype="int16")
    out = io.BytesIO()
    soundfile.write(out, samples[round(start_s * rate) : round((start_s + length_s) * rate)], rate, format="WAV")
    return out.getvalue()


def _environment(process: psutil.Process) -> list[str]:
    try:
        return [f"{k}={v}" for k, v in process.environ().items()]
    except psutil.Error:
        return []
