"""One typed tree of settings: from `configs/<environment>.yaml`, overlaid by the environment.

A variable is `SALESEDGE_<SECTION>__<NAME>`, as in `SALESEDGE_HTTP__PORT=8001`. What is wrong or missing stops the start
with one line each: name, what is wrong, how to mend it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from core.kit.errors import BadInput
from core.kit.event_settings import EventSettings
from core.kit.live_settings import LiveSettings
from core.kit.placement import Placement
from core.kit.secret_file import kept_secret
from core.kit.training_settings import GateSettings, TrainingSettings

PREFIX = "SALESEDGE_"
_LEAST_SECRET = 32  # characters


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

    url: str = Field("file:objects", pattern=r"^(file:.+|s3://[^/]+/?)$")
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None


class HttpSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    public_url: str = Field(
        "http://localhost:8000", pattern=r"^https?://[^\s?#]+$", description="Where others reach the API"
    )
    request_timeout_s: PositiveFloat = 30.0
    max_body_mb: PositiveInt = Field(256, description="Of a form with a file")
    max_json_mb: PositiveInt = 1
    body_idle_s: PositiveFloat = Field(10.0, description="A body that stops for so long ends the request")
    trusted_proxies: list[str] = Field([], description="Addresses or networks whose X-Forwarded-For is believed")
    cors_origins: list[str] = []
    docs: bool = True
    metrics_token: SecretStr | None = Field(
        None, min_length=_LEAST_SECRET, description="Whoever brings it as bearer may read /metrics; empty: nobody"
    )


class RateLimitSettings(Section):
    """Requests a minute: of one address where nobody is logged in, of one person, of one API key, of one tenant."""

    enabled: bool = True
    per_address: PositiveInt = 300
    per_user: PositiveInt = 1_200
    per_key: PositiveInt = 1_200
    per_tenant: PositiveInt = 12_000
    sign_in: PositiveInt = Field(10, description="Attempts in 15 minutes at one account from one network")
    sign_in_address: PositiveInt = Field(100, description="Attempts in 15 minutes from one network")
    sign_in_account: PositiveInt = Field(100, description="Attempts in an hour at one account from strange networks")


def _signs(secret: SecretStr) -> SecretStr:
    from core.kit.security import SigningKey

    if len(secret.get_secret_value()) < _LEAST_SECRET:
        raise ValueError(f"a key has at least {_LEAST_SECRET} random characters, or is an Ed25519 key as PEM")
    try:
        SigningKey(secret.get_secret_value())
    except Exception:
        raise ValueError("no unencrypted Ed25519 key: make one by `openssl genpkey -algorithm ed25519`") from None
    return secret


class AuthSettings(Section):
    """`signing_key` is the installation's one secret, from which keys are derived. `token_keys` sign access tokens in
    its place where they shall be rotated by themselves: the first signs, all of them check."""

    signing_key: SecretStr | None = Field(None, min_length=_LEAST_SECRET)
    token_keys: list[Annotated[SecretStr, AfterValidator(_signs)]] = []
    access_token_s: PositiveInt = 900
    session_idle_s: PositiveInt = Field(7 * 86_400, description="A session that is not refreshed for so long ends")
    session_s: PositiveInt = Field(30 * 86_400, description="A session ends then, however much it is used")
    invitation_days: PositiveInt = 7
    require_second_factor: bool = Field(False, description="Who logs in by password must add one")
    places: FilePath | None = Field(None, description="Where addresses are: a database in MaxMind's format (.mmdb)")
    recent_s: PositiveInt = Field(600, description="How long proving to be there counts for what is sensitive")


class MailSettings(Section):
    """Without a `host` mails stay as files in the data folder, for a developer to open."""

    host: str | None = None
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: str = Field("salesedge@localhost", pattern=r"^[^@\s]+@[^@\s]+$")


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


class ForecastingSettings(Section):
    min_closed_deals: PositiveInt = 200


class PredictionSettings(Section):
    most_model_mb: PositiveInt = Field(256, description="Memory for models in each replica")


class AgentSettings(Section):
    hosts: PositiveInt = 1
    own_hosts: list[UUID] = Field([], description="Tenants that have a host of their own")
    most_awake: PositiveInt = Field(5_000, description="Tenants in the memory of each host")
    idle_s: PositiveFloat = Field(1_800.0, description="Who was not heard of for so long is put to sleep")
    at_once: PositiveInt = Field(8, description="Tenants of a host whose events are handled side by side")


class MlflowSettings(Section):
    tracking_uri: SecretStr | None = Field(None, description="Empty: a database `mlflow` beside the product's own")


class LogSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """Made by `load`: a value of its own reads neither files nor the environment."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    environment: Literal["dev", "staging", "prod"] = "dev"
    data_dir: Path = Path(".salesedge")
    profile: Literal["auto", "cpu", "gpu"] = "auto"
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    objects: ObjectSettings = ObjectSettings()
    http: HttpSettings = HttpSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    auth: AuthSettings = AuthSettings()
    mail: MailSettings = MailSettings()
    calls: CallSettings = CallSettings()
    models: ModelSettings = ModelSettings()
    events: EventSettings = EventSettings()
    forecasting: ForecastingSettings = ForecastingSettings()
    predictions: PredictionSettings = PredictionSettings()
    training: TrainingSettings = TrainingSettings()
    gate: GateSettings = GateSettings()
    agents: AgentSettings = AgentSettings()
    live: LiveSettings = LiveSettings()
    mlflow: MlflowSettings = MlflowSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def configs_dir(env: Mapping[str, str] | None = None) -> Path:
    """The data folder beside the packages, or where SALESEDGE_CONFIGS says."""
    given = (os.environ if env is None else env).get(f"{PREFIX}CONFIGS")
    return Path(given) if given else Path(__file__).resolve().parent.parent / "configs"


def load(environment: str | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Raises `SettingsError` with a line for each wrong setting. An empty variable counts as not set."""
    given = {name: value for name, value in (os.environ if env is None else env).items() if value}
    name = environment or given.get(f"{PREFIX}ENVIRONMENT", "dev")
    tree = _from_file(name, configs_dir(given))
    lines = _strangers(given)
    try:
        settings = Settings(**_merged(tree, _Environment(given)()))
    except ValidationError as error:
        lines += [_line(problem) for problem in error.errors()]
    if lines:
        raise SettingsError("\n".join(lines))
    return _complete(settings)


def placement(profile: str) -> Placement:
    name = f"configs/profiles/{profile}.yaml"
    try:
        return Placement.model_validate(yaml.safe_load((configs_dir() / "profiles" / f"{profile}.yaml").read_bytes()))
    except OSError:
        raise SettingsError(
            f"{name}: cannot be read. Choose SALESEDGE_PROFILE cpu or gpu, or write that file."
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{name}: {_where(error)}. Mend the file.") from None
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, p['loc'])) or 'the file'}: {p['msg']}. Mend {name}." for p in error.errors()]
        raise SettingsError("\n".join(wrong)) from None


class _Environment(EnvSettingsSource):
    """Variables of a mapping, as pydantic-settings reads those of the process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__(Settings, env_prefix=PREFIX, env_nested_delimiter="__")
        self.env_vars = {name.lower(): value for name, value in env.items() if name != f"{PREFIX}ENVIRONMENT"}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value  # validation then refuses it, by its name


def _from_file(name: str, folder: Path) -> dict[str, Any]:
    """What `<name>.yaml` says."""
    path = folder / f"{name}.yaml"
    known = get_args(Settings.model_fields["environment"].annotation)
    if name not in known:
        raise SettingsError(f"{PREFIX}ENVIRONMENT: there is no {name}. Choose one of {', '.join(known)}.")
    try:
        tree = yaml.safe_load(path.read_bytes()) or {}
    except OSError:
        raise SettingsError(f"{PREFIX}CONFIGS: {path} cannot be read. Set it to the folder with the configs.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"configs/{path.name}: {_where(error)}. Mend the file.") from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise SettingsError(f"configs/{path.name}: holds no settings by name. Write `section: {{name: value}}`.")
    return {**tree, "environment": name}


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"no YAML at line {mark.line + 1}" if mark else "no YAML"


def _merged(tree: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in tree.items() if value is not None}
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _strangers(env: Mapping[str, str]) -> list[str]:
    """A variable of ours that names no section would be passed over in silence."""
    reserved = {f"{PREFIX}CONFIGS", f"{PREFIX}DATA"}
    ours = (name for name in sorted(env) if name.startswith(PREFIX) and name not in reserved)
    first = {name: name.removeprefix(PREFIX).lower().split("__")[0] for name in ours}
    return [_no_such(name) for name, section in first.items() if section not in Settings.model_fields]


def _no_such(variable: str) -> str:
    return f"{variable}: there is no such setting. Remove it, or look for its right name in core/settings.py."


def _line(problem: Any) -> str:
    path = [part for part in problem["loc"] if isinstance(part, str)]  # a variable holds the whole of a list
    variable = PREFIX + "__".join(part.upper() for part in path)
    if problem["type"] == "extra_forbidden":
        return _no_such(variable)
    secret = _is_secret(path)
    given = "" if secret else f" (now: {problem.get('input')!r})"
    wrong = problem["msg"].removeprefix("Value error, ")
    if secret and problem["type"] == "too_short":
        wrong = f"must have at least {problem['ctx']['min_length']} characters"
    return f"{variable}: {wrong}{given}. Set it in the environment or in configs/."


def _is_secret(path: list[str]) -> bool:
    """What stands there, or anywhere below, is not for a message."""
    model: Any = Settings
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return False
        model = field.annotation
        if "SecretStr" in str(model):
            return True
    return any("SecretStr" in str(field.annotation) for field in getattr(model, "model_fields", {}).values())


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
    if settings.events.transport == "kafka" and settings.events.kafka.bootstrap_servers is None:
        missing.append(f"{PREFIX}EVENTS__KAFKA__BOOTSTRAP_SERVERS: missing. Set it to host:9092, or several by commas.")
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
    try:
        key = SecretStr(kept_secret(path))
    except OSError as error:
        line = f"{PREFIX}DATA_DIR: {settings.data_dir}: {error.strerror}. Set it to a folder that can be written."
        raise SettingsError(line) from None
    return settings.model_copy(update={"auth": settings.auth.model_copy(update={"signing_key": key})})
