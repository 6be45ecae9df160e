"""The one place where the parts are put together: Ray's shells hand in handles, plain uvicorn and tests engines."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from email.utils import parseaddr
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml

from core.automation.execution.carry_out import Executor
from core.automation.execution.destinations import destinations
from core.datascience.features.store import FeatureStore
from core.datascience.training.trainer import Trainer
from core.identity.factors.second_factor import SecondFactors
from core.identity.gate import Gate
from core.identity.people.mails import Post
from core.identity.people.tokens import MailTokens
from core.identity.sso.fetch import HttpFetch
from core.identity.sso.oidc import Oidc
from core.kit import outgoing
from core.kit.clock import SystemClock
from core.kit.db import Database, Tx
from core.kit.sealing import Sealer
from core.kit.security import SigningKey, Tokens
from core.live.door import LiveDoor
from core.live.store import LiveStore
from core.notifications.hub import Hub
from core.notifications.send import Sender
from core.ports import (
    Agents,
    Clock,
    Consents,
    DealInputs,
    Diarizer,
    Embedder,
    FindDeal,
    Limits,
    Mailer,
    MayRecord,
    ObjectStore,
    Places,
    Predictor,
    Progress,
    Question,
    Rate,
    RateLimiter,
    SentimentAnalyzer,
    SpeechDetector,
    TextGenerator,
    Transcriber,
)
from core.ports_live import StreamTranscriber
from core.privacy.consent import RecordedBasis, RecordedConsents
from core.settings import Settings
from core.tenants.permissions import Roles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.datascience.predictions.engine import PredictionEngine

FEATURES = (
    "audit", "tenants", "identity", "deals", "calls", "analysis", "competitors", "forecasting", "automation", "content",
    "knowledge", "live", "notifications", "pipeline_health", "privacy",
)  # fmt: skip
OTHER_TABLES = (
    "automation.agent.model", "automation.execution.model", "automation.rules.model", "datascience.drift.model",
    "datascience.features.model", "datascience.models.model", "datascience.predictions.model",
    "datascience.training.model", "forecasting.rollup.model", "identity.factors.model", "identity.keys.model",
    "identity.people.model", "identity.sso.model", "identity.scim.model", "kit.outbox", "kit.timers", "kit.idempotency",
    "live.playbook.model", "live.suggest.model",
)  # fmt: skip


@dataclass(kw_only=True)
class Services:
    """Everything that a route or a reaction may ask for."""

    settings: Settings
    version: str
    clock: Clock
    db: Database
    objects: ObjectStore
    progress: Progress
    roles: Roles
    tokens: Tokens
    gate: Gate
    oidc: Oidc
    factors: SecondFactors
    mail_tokens: MailTokens
    post: Post
    limits: Limits
    rate_limiter: RateLimiter
    places: Places
    find_deal: FindDeal
    may_record: MayRecord
    consents: Consents
    transcriber: Transcriber
    streaming: StreamTranscriber
    detector: SpeechDetector
    diarizer: Diarizer
    embedder: Embedder
    sentiment: SentimentAnalyzer
    predictor: Predictor
    inputs: DealInputs
    generator: TextGenerator
    agents: Agents
    features: FeatureStore
    hub: Hub
    live: LiveDoor
    sender: Sender
    executor: Executor
    trainer: Trainer

    async def check(self) -> dict[str, bool]:
        """Does each part that a request needs answer?"""
        from sqlalchemy import text

        try:
            async with self.db.system() as tx:
                await tx.session.execute(text("SELECT 1"))
            database = True
        except Exception:
            database = False
        return {"database": database}


async def find_deal(tx: Tx, deal_id: UUID) -> None:
    from core.deals import repository as deals

    await deals.deal(tx, deal_id)


class NoLimits:
    """Until there is billing, everything is within the plan."""

    async def check(self, tenant_id: UUID, meter: str, amount: int = 1) -> None:
        return None


class Uncounted:
    """Where rate limits are switched off."""

    async def take(self, *subjects: tuple[str, str]) -> list[Rate]:
        return []


def load_models() -> None:
    """Import every table, so that the metadata is whole."""
    for name in (*(f"{feature}.model" for feature in FEATURES), *OTHER_TABLES):
        importlib.import_module(f"core.{name}")


def configs() -> Path:
    """The folder with the data files of the product."""
    from core.settings import configs_dir

    return configs_dir()


def roles() -> Roles:
    table: Mapping[str, Mapping[str, Any]] = yaml.safe_load((configs() / "roles.yaml").read_text("utf-8"))
    return Roles(table)


def database(settings: Settings, url: str, clock: Clock | None = None) -> Database:
    from core.audit import chain
    from core.flows import REACTIONS
    from core.kit.relay import routes

    load_models()
    events = settings.events
    taken_by = routes(REACTIONS, publish_after_s=events.kafka.grace_s if events.transport == "kafka" else None)
    return Database(url, routes=taken_by, trail=chain.write, clock=clock, pool_size=settings.database.pool_size)


def version() -> str:
    try:
        return metadata.version("salesedge")
    except metadata.PackageNotFoundError:
        return "0"


def tokens(settings: Settings, clock: Clock | None = None) -> Tokens:
    key = settings.auth.signing_key
    assert key is not None, "settings.load() sees to it"
    keys = [SigningKey(given.get_secret_value()) for given in settings.auth.token_keys or [key]]
    return Tokens(keys, lifetime_s=settings.auth.access_token_s, clock=clock or SystemClock())


def gate(settings: Settings, tokens: Tokens, roles: Roles, db: Database) -> Gate:
    return Gate(tokens, roles, db, second_factor=settings.auth.require_second_factor)


def factors(settings: Settings) -> SecondFactors:
    key = settings.auth.signing_key
    assert key is not None, "settings.load() sees to it"
    return SecondFactors(key.get_secret_value())


def mail_tokens(settings: Settings) -> MailTokens:
    key = settings.auth.signing_key
    assert key is not None, "settings.load() sees to it"
    return MailTokens(key.get_secret_value())


def mailer(settings: Settings) -> Mailer:
    from core.gateways.mail import FolderMailer, SmtpMailer

    mail = settings.mail
    if mail.host is None:
        return FolderMailer(settings.data_dir / "mail", mail.sender)
    password = mail.password.get_secret_value() if mail.password else None
    return SmtpMailer(mail.host, mail.port, mail.sender, username=mail.username, password=password, tls=mail.tls)


def post(settings: Settings, mailer: Mailer, tokens: MailTokens) -> Post:
    return Post(mailer, tokens, configs() / "mail", settings.http.public_url)


def sender(settings: Settings, mailer: Mailer) -> Sender:
    from core.notifications.keys import push_key
    from core.notifications.ways import HttpWays

    key = settings.auth.signing_key
    assert key is not None, "settings.load() sees to it"
    secret, url = key.get_secret_value(), settings.http.public_url.rstrip("/")
    ways = HttpWays(
        mailer, outgoing.client(loopback=settings.environment == "dev"), push_key(secret), _contact(settings)
    )
    return Sender(ways, Sealer(secret, "notifications"), url)


def _contact(settings: Settings) -> str:
    """Whom a push service may write to about us (RFC 8292)."""
    return f"mailto:{parseaddr(settings.mail.sender)[1]}"


def oidc(settings: Settings, clock: Clock | None = None) -> Oidc:
    dev = settings.environment == "dev"
    return Oidc(HttpFetch(loopback=dev), clock or SystemClock(), insecure=dev)


def places(settings: Settings) -> Places:
    from core.gateways.places import MmdbPlaces, NoPlaces

    return MmdbPlaces(settings.auth.places) if settings.auth.places else NoPlaces()


def rate_limiter(settings: Settings) -> RateLimiter:
    from core.gateways.rate_limits import RedisRateLimiter

    limits = settings.rate_limits
    if not limits.enabled:
        return Uncounted()
    quotas = {
        "address": (limits.per_address, 60), "user": (limits.per_user, 60), "key": (limits.per_key, 60),
        "tenant": (limits.per_tenant, 60), "sign_in": (limits.sign_in, 900),
        "sign_in_address": (limits.sign_in_address, 900), "sign_in_account": (limits.sign_in_account, 3600),
    }  # fmt: skip
    return RedisRateLimiter(redis_url(settings), quotas)


def database_url(settings: Settings) -> str:
    """Where the application logs in; whoever starts embedded servers has filled it in."""
    url = settings.database.url
    assert url is not None, "embedded servers are started before this"
    return url.get_secret_value()


def redis_url(settings: Settings) -> str:
    url = settings.redis.url
    assert url is not None, "embedded servers are started before this"
    return url.get_secret_value()


# ── engines, each made where it is used ──────────────────────────────────────────────────────────────────────────────


def transcriber(settings: Settings) -> Transcriber:
    from core.engines.stt import FasterWhisper, LocalTranscriber

    models = settings.models
    return LocalTranscriber(
        FasterWhisper(models.dir / models.stt, device=models.stt_device, compute_type=models.stt_compute_type)
    )


def embedder(settings: Settings) -> Embedder:
    from core.engines import embeddings

    return embeddings.make(settings.models.embedder)


def sentiment(settings: Settings, vectors: Embedder) -> SentimentAnalyzer:
    from core.engines.sentiment import EmbeddingSentiment

    return EmbeddingSentiment.load(vectors)


def predictor(settings: Settings, clock: Clock | None = None) -> PredictionEngine:
    from core.datascience.predictions.engine import PredictionEngine
    from core.datascience.predictions.log import PredictionLog
    from core.forecasting.features import NAMES

    db = database(settings, database_url(settings))
    limits = settings.predictions
    return PredictionEngine(
        object_store(settings), base_rates=functools.partial(_base_rates, db), clock=clock or SystemClock(),
        known=frozenset(NAMES), log=PredictionLog(db), most_bytes=limits.most_model_mb << 20,
    )  # fmt: skip


async def deal_inputs(tx: Tx, deal_ids: Sequence[UUID]) -> list[Question]:
    from core.deals import repository as deals
    from core.forecasting.refresh import asked

    return await asked(tx, await deals.by_ids(tx, deal_ids))


async def _base_rates(db: Database, tenant_id: UUID) -> dict[str, int]:
    from core.deals import repository as deals

    async with db.tenant(tenant_id) as tx:
        return await deals.outcomes(tx)


def generator(settings: Settings) -> TextGenerator:
    from core.content.fallback import FallbackGenerator
    from core.content.templates import TemplateGenerator

    return FallbackGenerator([TemplateGenerator(configs() / "content")])


def features(settings: Settings, db: Database) -> FeatureStore:
    from core.gateways.hot import RedisHotValues

    return FeatureStore(db, RedisHotValues(redis_url(settings)), object_store(settings))


def object_store(settings: Settings) -> ObjectStore:
    from core.gateways.objects import open_objects

    return open_objects(settings.objects)


def services(
    settings: Settings, *, transcriber: Transcriber, streaming: StreamTranscriber, embedder: Embedder,
    sentiment: SentimentAnalyzer, predictor: Predictor, generator: TextGenerator, agents: Agents, trainer: Trainer,
    clock: Clock | None = None,
) -> Services:  # fmt: skip
    """The services of one process around engines or handles that somebody else made."""
    from core.engines.diarizer import VoiceDiarizer
    from core.engines.vad import SileroVad
    from core.gateways.redis import RedisProgress

    return Services(
        settings=settings,
        version=version(),
        clock=clock or SystemClock(),
        db=(own_db := database(settings, database_url(settings), clock)),
        objects=object_store(settings),
        progress=RedisProgress(redis_url(settings)),
        roles=(own_roles := roles()),
        tokens=(own_tokens := tokens(settings, clock)),
        gate=gate(settings, own_tokens, own_roles, own_db),
        oidc=oidc(settings, clock),
        factors=factors(settings),
        mail_tokens=(own_mail_tokens := mail_tokens(settings)),
        post=post(settings, own_mailer := mailer(settings), own_mail_tokens),
        limits=NoLimits(),
        rate_limiter=rate_limiter(settings),
        places=places(settings),
        find_deal=find_deal,
        may_record=RecordedBasis(),
        consents=RecordedConsents(),
        transcriber=transcriber,
        streaming=streaming,
        detector=SileroVad(),
        diarizer=VoiceDiarizer(settings.models.dir / "speaker.npz"),
        embedder=embedder,
        sentiment=sentiment,
        predictor=predictor,
        inputs=deal_inputs,
        generator=generator,
        agents=agents,
        features=features(settings, own_db),
        hub=Hub(own_db),
        live=LiveDoor(LiveStore(redis_url(settings)), settings.live),
        sender=sender(settings, own_mailer),
        executor=Executor(own_db, destinations(own_mailer, RecordedConsents())),
        trainer=trainer,
    )
