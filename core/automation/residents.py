"""All who live at a tenant's."""

from __future__ import annotations

from core.automation.follow_up import FollowUp
from core.automation.hosting import Residents
from core.pipeline_health.keep import PipelineHealth

AGENT = "agent"
HEALTH = "health"

RESIDENTS: Residents = {AGENT: FollowUp, HEALTH: PipelineHealth}
