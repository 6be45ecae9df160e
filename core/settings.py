"""One typed tree of settings: from `configs/<environment>.yaml`, overlaid by the environment.

A variable is `SALESEDGE_<SECTION>__<NAME>`, as in `SALESEDGE_HTTP__PORT=8001`. What is wrong or missing stops the start
with one line each: name, what is wrong, how to mend it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError

from core.kit.errors import BadInput

PREFIX = "SALESEDGE_"


class SettingsError(BadInput):
    """The start is refused; each line of the message is one setting."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    url: SecretStr | None = Field(None, description="Where the application logs in; empty: embedded PostgreSQL")
    admin_url: SecretStr | None = Field(None, description="The owner of the tables, who migrates")
    pool_size: PositiveInt = 5


class RedisSettings(Section):
    url: SecretStr | None = Field(None, description="Valkey or Redis; empty: embedded")


class ObjectSettings(Section):
    """`url`: `file:<folder>` or `s3://<bucket>`; the rest is for S3."""

    url: str = "file:objects"
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None


class HttpSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    request_timeout_s: PositiveFloat = 30.0
    max_body_mb: PositiveInt = 256
    cors_origins: list[str] = []
    docs: bool = True


class AuthSettings(Section):
    signing_key: SecretStr | None = Field(None, min_length=32)
    access_token_s: PositiveInt = 3600


class CallSettings(Section):
    max_upload_mb: PositiveInt = 200
    max_decoded_s: PositiveFloat = 4 * 3600.0
    decode_timeout_s: PositiveFloat = 120.0


class ModelSettings(Section):
    """`dir`: the folder with models; `stt`: a faster-whisper folder in it."""

    dir: Path = Path("models")
    stt: str = "whisper-base"
    stt_device: Literal["cpu", "cuda"] = "cpu"
    stt_compute_type: str = "int8"
    embedder: Literal["e5"] = "e5"


class EventSettings(Section):
    transport: Literal["embedded"] = "embedded"
    workers: PositiveInt = 4
    slow_workers: PositiveInt = 1
    max_attempts: PositiveInt = 8
    backoff_base_s: PositiveFloat = 0.5


class ForecastingSettings(Section):
    min_closed_deals: PositiveInt = 200


class AgentSettings(Section):
    hosts: PositiveInt = 1


class MlflowSettings(Section):
    tracking_uri: SecretStr | None = Field(None, description="Empty: a database `mlflow` beside the product's own")


class LogSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class Settings(Section):
    environment: Literal["dev", "staging", "prod"] = "dev"
    data_dir: Path = Path(".salesedge")
    profile: Literal["auto", "cpu", "gpu"] = "auto"
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    objects: ObjectSettings = ObjectSettings()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    calls: CallSettings = CallSettings()
    models: ModelSettings = ModelSettings()
    events: EventSettings = EventSettings()
    forecasting: ForecastingSettings = ForecastingSettings()
    agents: AgentSettings = AgentSettings()
    mlflow: MlflowSettings = MlflowSettings()
    log: LogSettings = LogSettings()


class DeploymentPlacement(Section):
    """What one deployment needs and how far it may grow."""

    cpus: float = Field(0.1, ge=0)
    gpus: float = Field(0, ge=0)
    accelerator: str | None = None
    min_replicas: PositiveInt = 1
    max_replicas: PositiveInt = 1
    target_ongoing: PositiveFloat = 2.0
    max_ongoing: PositiveInt = 100
    max_queued: int = 200


class Placement(Section):
    """One profile: where everything runs."""

    ingress: DeploymentPlacement
    stt: DeploymentPlacement
    sentiment: DeploymentPlacement
    embeddings: DeploymentPlacement
    forecasting: DeploymentPlacement
    content: DeploymentPlacement
    flows: DeploymentPlacement
    tenant_hosts: DeploymentPlacement


def configs_dir() -> Path:
    """The data folder beside the packages, or where SALESEDGE_CONFIGS says."""
    given = os.environ.get(f"{PREFIX}CONFIGS")
    return Path(given) if given else Path(__file__).resolve().parent.parent / "configs"


def load(environment: str | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Raises `SettingsError` with a line for each wrong setting."""
    env = os.environ if env is None else env
    name = environment or env.get(f"{PREFIX}ENVIRONMENT", "dev")
    path = configs_dir() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in configs_dir().glob("*.yaml") if p.stem in ("dev", "staging", "prod")))
        raise SettingsError(f"{PREFIX}ENVIRONMENT: there is no {name}. Choose one of {known}.")
    tree = {"environment": name, **(yaml.safe_load(path.read_text("utf-8")) or {})}
    _overlay(tree, env)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None
    return _complete(settings)


def placement(profile: str) -> Placement:
    path = configs_dir() / "profiles" / f"{profile}.yaml"
    try:
        return Placement.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, ValidationError) as error:
        raise SettingsError(f"configs/profiles/{profile}.yaml: {error}") from None


def _overlay(tree: dict[str, Any], env: Mapping[str, str]) -> None:
    reserved = {f"{PREFIX}CONFIGS", f"{PREFIX}ENVIRONMENT", f"{PREFIX}DATA"}
    for name in sorted(env):
        if not name.startswith(PREFIX) or name in reserved:
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        raw = env[name]
        branch[path[-1]] = yaml.safe_load(raw) if raw[:1] in "[{" else raw


def _line(problem: Any) -> str:
    path = [str(part) for part in problem["loc"]]
    variable = PREFIX + "__".join(part.upper() for part in path)
    if problem["type"] == "extra_forbidden":
        return f"{variable}: there is no such setting. Remove it, or look for its right name in core/settings.py."
    given = "" if "secret" in str(problem.get("input")).lower() else f" (now: {problem.get('input')!r})"
    return f"{variable}: {problem['msg']}{given}. Set it in the environment or in configs/."


def _complete(settings: Settings) -> Settings:
    settings = _placed(settings)
    if settings.environment == "dev":
        return settings if settings.auth.signing_key else _with_local_key(settings)
    missing = []
    if settings.auth.signing_key is None:
        missing.append(f"{PREFIX}AUTH__SIGNING_KEY: missing. Set it to at least 32 random characters.")
    if settings.database.url is None:
        missing.append(f"{PREFIX}DATABASE__URL: missing. Set it to postgresql://user:password@host/database.")
    if settings.redis.url is None:
        missing.append(f"{PREFIX}REDIS__URL: missing. Set it to redis://host:6379.")
    if missing:
        raise SettingsError("\n".join(missing))
    return settings


def _placed(settings: Settings) -> Settings:
    """Relative folders lie in the data folder."""
    home = settings.data_dir.resolve()
    update: dict[str, Any] = {"data_dir": home}
    scheme, _, place = settings.objects.url.partition(":")
    if scheme == "file":
        update["objects"] = settings.objects.model_copy(update={"url": f"file:{home / place}"})
    update["models"] = settings.models.model_copy(update={"dir": home / settings.models.dir})
    return settings.model_copy(update=update)


def _with_local_key(settings: Settings) -> Settings:
    """A developer's machine makes its signing key once and keeps it."""
    path = settings.data_dir / "signing_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    auth = settings.auth.model_copy(update={"signing_key": SecretStr(path.read_text("utf-8"))})
    return settings.model_copy(update={"auth": auth})
