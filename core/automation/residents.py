"""All who live at a tenant's."""

from __future__ import annotations

import functools
from typing import Any

from core.automation.agent.follow_up import FollowUp
from core.automation.agent.odds import EngineOracle, Oracle
from core.automation.host import AgentHost
from core.automation.hosting import AGENT, HEALTH, Residents
from core.kit.db import Database
from core.pipeline_health.keep import PipelineHealth
from core.ports import DealInputs, Predictor


def residents(oracle: Oracle) -> Residents:
    """`oracle`: whom the agent asks for the odds of a deal."""
    return {AGENT: functools.partial(FollowUp, oracle), HEALTH: PipelineHealth}


def agent_host(db: Database, predictor: Predictor, inputs: DealInputs, **limits: Any) -> AgentHost:
    """All of them in this process. `limits`: as `AgentHost` takes them."""
    return AgentHost(db, residents(EngineOracle(predictor, inputs)), **limits)
