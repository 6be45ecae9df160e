"""All who live at a tenant's."""

from __future__ import annotations

from core.automation.follow_up import FollowUp
from core.automation.hosting import Residents

AGENT = "agent"

RESIDENTS: Residents = {AGENT: FollowUp}
