"""The Serve application: which deployment asks which, with placement from configuration."""

from __future__ import annotations

import functools
from typing import Any

from cluster.trainings import carry_out
from core import bootstrap
from core.engines import streaming_stt
from core.kit.placement import DeploymentPlacement, Placement
from core.settings import Settings


def build(settings: Settings, placement: Placement) -> Any:
    """The graph, ready for `serve.run`; its root is the HTTP ingress."""
    from deployments.content import Content
    from deployments.embeddings import Embeddings
    from deployments.flows import Flows
    from deployments.forecasting import Forecasting
    from deployments.ingress import Ingress
    from deployments.live_stt import LiveStt
    from deployments.sentiment import SentimentAnalysis
    from deployments.stt import Stt

    def placed(deployment: Any, name: str) -> Any:
        return deployment.options(name=name, **options(getattr(placement, name)))

    embeddings = placed(Embeddings, "embeddings").bind(functools.partial(bootstrap.embedder, settings))
    handles = {
        "stt": placed(Stt, "stt").bind(functools.partial(bootstrap.transcriber, settings)),
        "live_stt": placed(LiveStt, "live_stt").bind(
            functools.partial(
                streaming_stt.make, settings.models, most=placement.live_stt.batch, threads=placement.live_stt.threads
            )
        ),
        "embeddings": embeddings,
        "sentiment": placed(SentimentAnalysis, "sentiment").bind(
            functools.partial(bootstrap.sentiment, settings), embeddings
        ),
        "forecasting": placed(Forecasting, "forecasting").bind(functools.partial(bootstrap.predictor, settings)),
        "content": placed(Content, "content").bind(functools.partial(bootstrap.generator, settings)),
    }
    train = functools.partial(carry_out, settings)
    flows = placed(Flows, "flows").bind(settings, handles, train)
    return placed(Ingress, "ingress").bind(settings, handles, train, flows)


def options(placement: DeploymentPlacement) -> dict[str, Any]:
    """A deployment's options in Serve's words. One thread per replica, where its engine asks for no more: parallelism
    comes from replicas."""
    env = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    actor: dict[str, Any] = {"num_cpus": placement.cpus, "runtime_env": {"env_vars": env}}
    if placement.gpus:
        actor["num_gpus"] = placement.gpus
    if placement.accelerator:
        actor["accelerator_type"] = placement.accelerator
    found: dict[str, Any] = {
        "ray_actor_options": actor,
        "max_ongoing_requests": placement.max_ongoing,
        "max_queued_requests": placement.max_queued,
        "health_check_period_s": 2,
        "graceful_shutdown_timeout_s": 5,
    }
    if placement.max_replicas > placement.min_replicas:
        found["autoscaling_config"] = {
            "min_replicas": placement.min_replicas,
            "max_replicas": placement.max_replicas,
            "target_ongoing_requests": placement.target_ongoing,
        }
    else:
        found["num_replicas"] = placement.min_replicas
    return found
