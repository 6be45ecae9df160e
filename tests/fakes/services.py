"""The services of an application whose models are fakes and whose database is real."""

from __future__ import annotations

from core import bootstrap
from core.automation.execution.carry_out import Executor
from core.automation.execution.destinations import destinations
from core.automation.residents import agent_host
from core.bootstrap import Services
from core.datascience.features.store import FeatureStore
from core.gateways.places import NoPlaces
from core.kit.clock import SystemClock
from core.kit.db import Database
from core.kit.live_settings import LiveSettings
from core.live.door import LiveDoor
from core.live.host import LiveHost
from core.live.making import making
from core.live.store import LiveStore
from core.notifications.hub import Hub
from core.ports import Clock, ObjectStore
from core.privacy.consent import RecordedBasis, RecordedConsents
from core.settings import Settings
from tests.fakes.engines import (
    FakeDetector,
    FakeDiarizer,
    FakeEmbedder,
    FakeGenerator,
    FakeHotValues,
    FakeMailer,
    FakeObjects,
    FakePredictor,
    FakeProgress,
    FakeSentiment,
    FakeStreamTranscriber,
    FakeTranscriber,
)
from tests.fakes.live import fake_ear, fake_mind
from tests.fakes.trainer import FakeTrainer

QUICK = LiveSettings(look_s=0.05, lease_s=0.6, settle_s=1.0)


def fake_live(
    settings: Settings, db: Database, objects: ObjectStore, *, name: str = "here", times: LiveSettings = QUICK
) -> LiveDoor:  # fmt: skip
    """Sessions of this database alone, heard in this process by fakes."""
    store = LiveStore(bootstrap.redis_url(settings), name=f"live:{settings.data_dir.name}")
    parts = making(
        db, objects, bootstrap.NoLimits(), RecordedBasis(), settings.calls, ear=fake_ear, mind=fake_mind
    )  # fmt: skip
    return LiveDoor(store, times, LiveHost(name, store, parts, times, SystemClock()))


def fake_services(settings: Settings, clock: Clock) -> Services:
    db = bootstrap.database(settings, bootstrap.database_url(settings), clock)
    roles, tokens = bootstrap.roles(), bootstrap.tokens(settings, clock)
    return Services(
        settings=settings, version="0", clock=clock, db=db, objects=(objects := FakeObjects()), progress=FakeProgress(),
        roles=roles, tokens=tokens, gate=bootstrap.gate(settings, tokens, roles, db),
        oidc=bootstrap.oidc(settings, clock), factors=bootstrap.factors(settings),
        mail_tokens=(mail_tokens := bootstrap.mail_tokens(settings)),
        post=bootstrap.post(settings, mailer := FakeMailer(), mail_tokens),
        limits=bootstrap.NoLimits(),
        rate_limiter=bootstrap.Uncounted(), places=NoPlaces(),
        find_deal=bootstrap.find_deal, may_record=RecordedBasis(), consents=RecordedConsents(),
        transcriber=FakeTranscriber(), streaming=FakeStreamTranscriber(), detector=FakeDetector(),
        diarizer=FakeDiarizer(), embedder=FakeEmbedder(),
        sentiment=FakeSentiment(), predictor=(predictor := FakePredictor()), inputs=bootstrap.deal_inputs,
        generator=FakeGenerator(), agents=agent_host(db, predictor, bootstrap.deal_inputs),
        features=FeatureStore(db, FakeHotValues(), objects),
        hub=Hub(db), live=fake_live(settings, db, objects), sender=bootstrap.sender(settings, mailer),
        trainer=FakeTrainer(),
        executor=Executor(db, destinations(mailer, RecordedConsents())),
    )  # fmt: skip
