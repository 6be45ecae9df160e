"""Commands of `salesedge` as jobs of a Ray cluster: what `ray job submit` does, with the runtime environment right.

The code of this folder goes along as it is, without tests, data and history; nothing is installed, since what the code
needs is in the nodes' image. Addresses and passwords are the nodes' own: what is sent here, Ray shows to everybody who
may look at the cluster, so a variable goes along only where it is named.
"""

from __future__ import annotations

import logging
import os
import secrets
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.kit.errors import BadInput, NotFound, Unauthenticated, Unavailable
from core.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.job_submission import JobSubmissionClient

ADDRESS = "http://127.0.0.1:8265"
ROOMS = ("actors", "cluster", "configs", "core", "deployments", "training")
OVER = ("SUCCEEDED", "FAILED", "STOPPED")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the cluster knows it."""

    id: str
    status: str
    command: str
    started_at: datetime | None
    ended_at: datetime | None
    message: str

    def line(self) -> str:
        began = f"{self.started_at:%Y-%m-%d %H:%M:%S}" if self.started_at else "-"
        took = f"{(self.ended_at - self.started_at).total_seconds():.0f} s" if self.started_at and self.ended_at else ""
        return f"{self.id:32} {self.status:9} {began:19} {took:>7}  {self.command}"


def submit(
    settings: Settings, command: Sequence[str], *, address: str = ADDRESS, name: str | None = None,
    carried: Sequence[str] = (), cpus: float = 1.0,
) -> str:  # fmt: skip
    """`command`: what follows `salesedge`; `carried`: names of variables that go along; `cpus`: of the job's own
    process. Returns the job's id. Raises `BadInput`, `Unavailable`."""
    if not command or command[0] not in ("train", "drift", "features", "score"):
        raise BadInput("A job is one of `train …`, `drift …`, `features …` and `score …`, as in: train forecasting.")
    with _client(address) as client:
        return str(client.submit_job(
            entrypoint=shlex.join(["python", "-m", "cluster", *command]),
            submission_id=name or f"{'-'.join(command[:2])}-{secrets.token_hex(4)}",
            runtime_env=runtime_env(settings, carried, os.environ), entrypoint_num_cpus=cpus,
        ))  # fmt: skip


def runtime_env(settings: Settings, carried: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """`env`: where the variables are read. With embedded servers the job is on this machine, and finds them by the data
    folder."""
    if unknown := [name for name in carried if name not in env]:
        raise BadInput(f"{', '.join(unknown)}: not set here, so it cannot go along.")
    variables = {name: env[name] for name in carried}
    if settings.database.url is None:
        variables.setdefault(f"{PREFIX}DATA_DIR", str(settings.data_dir))
    found: dict[str, Any] = {"env_vars": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", **variables}}
    if (_ROOT / "pyproject.toml").exists():  # else it is installed, here and on the nodes
        found["working_dir"] = str(_ROOT)
        found["excludes"] = sorted(f"/{entry.name}" for entry in _ROOT.iterdir() if entry.name not in ROOMS)
    return found


def jobs(*, address: str = ADDRESS) -> list[Job]:
    """All that the cluster remembers, newest first."""
    with _client(address) as client:
        found = [_job(one) for one in client.list_jobs() if one.submission_id]
    return sorted(found, key=lambda job: job.started_at or datetime.max.replace(tzinfo=UTC), reverse=True)


def status(job_id: str, *, address: str = ADDRESS) -> Job:
    """Raises `NotFound`, `Unavailable`."""
    with _client(address, job_id) as client:
        return _job(client.get_job_info(job_id))


def logs(job_id: str, *, address: str = ADDRESS) -> str:
    """What it wrote until now. Raises `NotFound`, `Unavailable`."""
    with _client(address, job_id) as client:
        return str(client.get_job_logs(job_id))


async def follow(job_id: str, *, address: str = ADDRESS) -> AsyncIterator[str]:
    """What it writes, until it is over. Raises `NotFound`, `Unavailable`."""
    with _client(address, job_id) as client:
        async for text in client.tail_job_logs(job_id):
            yield text


def stop(job_id: str, *, address: str = ADDRESS) -> bool:
    """False where it was over already. Raises `NotFound`, `Unavailable`."""
    with _client(address, job_id) as client:
        return bool(client.stop_job(job_id))


def _job(info: Any) -> Job:
    began, ended = (datetime.fromtimestamp(at / 1000, UTC) if at else None for at in (info.start_time, info.end_time))
    command = info.entrypoint.removeprefix("python -m cluster ")
    return Job(info.submission_id, str(info.status.value), command, began, ended, info.message or "")


def _show_the_token() -> None:
    """Ray's clusters ask for a token by default, and its client for jobs sends one only where it is told to."""
    known = Path.home() / ".ray" / "auth_token"
    if known.exists() or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def _client(address: str, job_id: str | None = None) -> Iterator[JobSubmissionClient]:
    """Ray's own errors as ours."""
    _show_the_token()
    for noisy in ("ray.dashboard", "ray._private", "ray.job_submission"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    try:
        yield JobSubmissionClient(address)
    except AuthenticationError:
        raise Unauthenticated(
            f"The cluster at {address} wants its token: put it into ~/.ray/auth_token, or set RAY_AUTH_TOKEN."
        ) from None
    except ConnectionError:
        raise Unavailable(
            f"No Ray cluster takes jobs at {address}. Start one by `ray start --head --dashboard-host 127.0.0.1`, or "
            "name another by --address."
        ) from None
    except RuntimeError as error:
        if job_id is not None and "does not exist" in str(error):
            raise NotFound(f"There is no job {job_id}. `salesedge jobs list` shows what there is.") from None
        said = [line for line in str(error).splitlines() if any(letter.isalpha() for letter in line)]
        raise BadInput(f"The cluster refuses: {said[-1][:300]}") from None
