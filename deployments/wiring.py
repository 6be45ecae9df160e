"""The services of a Serve process: the database and stores are its own, the models are handles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors.training import RayTrainer, Work
from core import bootstrap
from core.bootstrap import Services
from core.kit import log
from core.settings import Settings
from deployments import clients


@dataclass(frozen=True, slots=True)
class Handles:
    """One handle for each deployment that answers."""

    stt: Any
    live_stt: Any
    embeddings: Any
    sentiment: Any
    forecasting: Any
    content: Any


def remote_services(settings: Settings, handles: Handles, train: Work) -> Services:
    """`train`: works on one training in its process."""
    from actors.tenant_host import remote_agents

    log.configure(settings.log.level, settings.log.format)
    return bootstrap.services(
        settings,
        transcriber=clients.RemoteTranscriber(handles.stt),
        streaming=clients.RemoteStreamTranscriber(handles.live_stt),
        embedder=clients.RemoteEmbedder(handles.embeddings),
        sentiment=clients.RemoteSentiment(handles.sentiment),
        predictor=clients.RemotePredictor(handles.forecasting),
        generator=clients.RemoteGenerator(handles.content),
        agents=remote_agents(),
        trainer=RayTrainer(train, cpus=settings.training.cpus),
    )
