"""Fact → reactions, top to bottom: the life of a call in one page.

    a recording comes in      CALL_UPLOADED      → calls.transcribe        who said what, when
                              CALL_TRANSCRIBED   → analysis.sentiment      how each turn sounds
                              CALL_ANALYZED      → analysis.insights       what the call showed; noted on its deal
                              INSIGHTS_READY     → forecasting.refresh     what that does to the deal's odds
                                                 → features.remember_call  how it was talked, kept for models
    a deal comes or changes   DEAL_CREATED       → forecasting.refresh
                              DEAL_CHANGED       → forecasting.refresh
                                                 → features.remember_deal  what the deal showed then, kept for models
                                                 → forecasting.close_out   what was predicted of a closed one is scored
                                                 → health.follow_deal      the sums of the pipeline's health follow it
    the odds are new          FORECAST_CHANGED   → automation.follow_up    the tenant's agent decides, in order
    a person says otherwise   FORECAST_OVERRIDDEN → forecasting.note_override  what the model said then is put down
                              FORECAST_SNAPSHOT_ASKED → forecasting.snapshot  as when somebody asks for it
    a model is wanted         TRAINING_REQUESTED → training.start          in a process of its own
                              TRAINING_FINISHED  → training.stop           nothing works on what is over
                                                 → drift.close_proposal    what drift proposed has been tried
    odds are wanted           PREDICTION_REQUESTED → predictions.answer   PREDICTION_MADE tells them
    it wants something done   TASK_CREATED       → automation.draft        the text that a person approves
    a person said yes or no   TASK_DECIDED       → automation.follow_up    the agent hears of it
                                                 → automation.schedule     once it is due it is carried out: TIMERS
    it was done, or given up  TASK_FINISHED      → automation.follow_up
    the customer answered     DEAL_CHANGED, INSIGHTS_READY → automation.follow_up  what waits for him is withdrawn, and
                                                              it is waited anew: for silence, promises, a stalled deal
                              TASK_WITHDRAWN     → automation.follow_up
    somebody adds a document  DOCUMENT_ADDED     → knowledge.index         it can be asked from then on
    there is a legal basis    CONSENT_GIVEN      → privacy.resume          stored calls of the contact are analysed
    a person asks             EXPORT_REQUESTED   → privacy.export          for a copy of all that is known of him
                              ERASURE_REQUESTED  → privacy.erase           to be forgotten

    a time has come           TIMER_DUE          → timers.due              what waited for it: see TIMERS
    people should know        of some of these   → notifications.*         on their page at once, else by mail

    somebody is invited       INVITATION_SENT       → people.invite         by e-mail, as all that follows
    forgot the password       PASSWORD_RESET_ASKED  → people.reset_password
    has another one now       PASSWORD_CHANGED      → people.tell_password
    logs in from elsewhere    SIGN_IN_ANOMALY       → people.tell_new_device   or of a journey that nobody makes

A reaction uses the transaction that it is given and never commits it. It may run again after a crash; what it writes,
it writes once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from core.analysis import aggregate
from core.analysis import remember as remembering_calls
from core.analysis import repository as analysis
from core.analysis.model import Sentiment
from core.automation import draft as drafting
from core.automation import repository as tasks
from core.automation.agent.follow_up import HEARD, is_for_agent
from core.automation.agent.watch import ANSWER
from core.automation.agent.watch import TIMER as WATCH
from core.automation.execution import carry_out as execution
from core.automation.execution.carry_out import TIMER as CARRY_OUT
from core.automation.hosting import HEALTH
from core.automation.prune import TIMER as PRUNE
from core.automation.rules import live as rules
from core.automation.rules.facts import SOURCES
from core.automation.rules.waits import TIMER as RULES
from core.calls import repository as calls
from core.calls import transcribe as transcribing
from core.calls.turns import Turn
from core.competitors import detect
from core.competitors import repository as competitors
from core.datascience.drift.check import close_proposals
from core.datascience.predictions.requested import answer_request
from core.datascience.training import tell as telling_trainings
from core.datascience.training.ask import TIMER as TRAININGS
from core.datascience.training.watch import look_after
from core.deals import repository as deals
from core.forecasting import remember as remembering_deals
from core.forecasting.close_out import close_out
from core.forecasting.refresh import refresh
from core.forecasting.rollup import snapshot
from core.kit.db import Tx
from core.kit.errors import SalesEdgeError
from core.kit.events import Event, EventType
from core.kit.relay import Reaction
from core.knowledge import repository as knowledge
from core.knowledge.index import index
from core.notifications import tell
from core.notifications.notify import TIMER as NOTIFICATIONS
from core.pipeline_health.look import TIMER as HEALTH_LOOK
from core.privacy import consent, erase, export
from core.privacy import repository as privacy

if TYPE_CHECKING:
    from core.bootstrap import Services


async def transcribe(event: Event, tx: Tx, services: Services) -> None:
    if not await consent.may_analyse(tx, event.subject, services.consents, services.features):
        return
    known = [name for rival in await competitors.all_of(tx) for name in (rival.name, *rival.aliases)]
    await transcribing.transcribe(
        tx, event.subject, objects=services.objects, transcriber=services.transcriber, detector=services.detector,
        diarizer=services.diarizer, progress=services.progress, settings=services.settings.calls, hints=known,
    )  # fmt: skip
    # Hearing takes minutes: a consent may have been withdrawn meanwhile.
    if await consent.may_analyse(tx, event.subject, services.consents, services.features):
        await tx.emit(Event(EventType.CALL_TRANSCRIBED, tx.tenant_id, event.subject, at=tx.clock.now()))


async def sentiment(event: Event, tx: Tx, services: Services) -> None:
    if not await consent.may_analyse(tx, event.subject, services.consents, services.features):
        return
    await services.progress.set(event.subject, "sentiment", 0.0)
    turns = await _turns(tx, event.subject)
    moods = await services.sentiment.analyze([turn.text for turn in turns]) if turns else []
    row = Sentiment(id=event.subject, tenant_id=tx.tenant_id, moods=[dataclasses.asdict(m) for m in moods], created_at=tx.clock.now())  # fmt: skip # noqa: E501
    await analysis.save(tx, row)
    await calls.set_status(tx, event.subject, "analyzed")
    await tx.emit(Event(EventType.CALL_ANALYZED, tx.tenant_id, event.subject, at=tx.clock.now()))


async def insights(event: Event, tx: Tx, services: Services) -> None:
    if not await consent.may_analyse(tx, event.subject, services.consents, services.features):
        return
    await services.progress.set(event.subject, "insights", 0.0)
    call = await calls.call(tx, event.subject)
    turns = await _turns(tx, event.subject)
    rivals = [detect.Competitor(row.id, row.name, tuple(row.aliases)) for row in await competitors.all_of(tx)]
    mentions = detect.detect(turns, rivals)
    found = await aggregate.aggregate(tx, call, turns, mentions, detect.propose(turns, rivals))
    if call.deal_id is not None:
        await deals.note_call(tx, {"deal_id": call.deal_id, "call_id": call.id, "at": call.started_at, **found})
    await calls.set_status(tx, call.id, "ready")
    data = {"call_id": str(call.id), "deal_id": str(call.deal_id) if call.deal_id else None}
    await tx.emit(Event(EventType.INSIGHTS_READY, tx.tenant_id, call.id, data, at=tx.clock.now()))


async def forecast(event: Event, tx: Tx, services: Services) -> None:
    deal_id = event.data.get("deal_id") if event.type is EventType.INSIGHTS_READY else event.subject
    if deal_id is not None:
        await refresh(tx, UUID(str(deal_id)), event, services.predictor)


async def remember_deal(event: Event, tx: Tx, services: Services) -> None:
    deal_id = event.data.get("deal_id") if event.type is EventType.INSIGHTS_READY else event.subject
    if deal_id is not None:
        await remembering_deals.deal(tx, UUID(str(deal_id)), event, services.features)


async def remember_score(event: Event, tx: Tx, services: Services) -> None:
    await remembering_deals.score(tx, UUID(str(event.data["forecast_id"])), event, services.features)


async def remember_call(event: Event, tx: Tx, services: Services) -> None:
    if await consent.may_analyse(tx, event.subject, services.consents, services.features):
        await remembering_calls.call(tx, event.subject, event, services.features, services.embedder)


async def remember_voice(event: Event, tx: Tx, services: Services) -> None:
    if await consent.may_analyse(tx, event.subject, services.consents, services.features):
        await remembering_calls.voice(
            tx, event.subject, event, services.features, services.objects, services.settings.calls
        )


async def score_forecasts(event: Event, tx: Tx, services: Services) -> None:
    if "stage" in event.data["fields"]:
        await close_out(tx, event.subject)


async def answer_prediction(event: Event, tx: Tx, services: Services) -> None:
    await answer_request(event, tx, services.predictor, services.inputs)


async def start_training(event: Event, tx: Tx, services: Services) -> None:
    await services.trainer.start(tx.tenant_id, event.subject)


async def stop_training(event: Event, tx: Tx, services: Services) -> None:
    if event.data["status"] == "cancelled":
        await services.trainer.stop(event.subject)


async def watch_training(event: Event, tx: Tx, services: Services) -> None:
    await look_after(tx, event.subject, services.trainer, services.settings.training)


async def close_drift_proposals(event: Event, tx: Tx, services: Services) -> None:
    await close_proposals(tx, event.subject, event.data["status"] == "done")


async def take_snapshot(event: Event, tx: Tx, services: Services) -> None:
    asked = event.type is EventType.FORECAST_SNAPSHOT_ASKED
    await snapshot.take(tx, event.subject, "request" if asked else "override", services.predictor)


async def follow_up(event: Event, tx: Tx, services: Services) -> None:
    # The agent commits its own decision; this delivery only ends after it, and an agent takes no event twice.
    if is_for_agent(event):
        await services.agents.handle(event)


async def follow_health(event: Event, tx: Tx, services: Services) -> None:
    await services.agents.handle(event, HEALTH)


async def run_rules(event: Event, tx: Tx, services: Services) -> None:
    await rules.react(tx, event)


async def in_order(event: Event, tx: Tx, services: Services) -> None:
    """Nothing here: the reaction that waited takes it itself, among all that it takes, in their order."""


async def schedule_task(event: Event, tx: Tx, services: Services) -> None:
    await execution.schedule(tx, await tasks.task(tx, event.subject))


async def carry_out(event: Event, tx: Tx, services: Services) -> None:
    await services.executor.carry_out(tx, event.subject)


async def index_document(event: Event, tx: Tx, services: Services) -> None:
    await index(tx, event.subject, services.embedder)


async def draft(event: Event, tx: Tx, services: Services) -> None:
    await drafting.draft(tx, event.subject, services.generator)


async def invite(event: Event, tx: Tx, services: Services) -> None:
    await services.post.invitation(event, tx)


async def reset_password(event: Event, tx: Tx, services: Services) -> None:
    await services.post.password_reset(event, tx)


async def tell_password(event: Event, tx: Tx, services: Services) -> None:
    await services.post.notice(event, tx, "password_changed")


async def tell_new_device(event: Event, tx: Tx, services: Services) -> None:
    await services.post.notice(event, tx, str(event.data.get("kind", "new_device")))


async def tell_call_ready(event: Event, tx: Tx, services: Services) -> None:
    await tell.call_done(event, tx, "call_ready")
    await tell.competitor_named(event, tx)


async def tell_call_failed(event: Event, tx: Tx, services: Services) -> None:
    await tell.call_done(event, tx, "call_failed")


async def tell_forecast_fell(event: Event, tx: Tx, services: Services) -> None:
    await tell.forecast_fell(event, tx)


async def tell_training_ended(event: Event, tx: Tx, services: Services) -> None:
    await telling_trainings.ended(event, tx)


async def tell_task_waiting(event: Event, tx: Tx, services: Services) -> None:
    if (await tasks.task(tx, event.subject)).status in ("suggested", "waiting"):
        await tell.task_waiting(tx, event.subject, UUID(str(event.data["deal_id"])))


async def send_notifications(event: Event, tx: Tx, services: Services) -> None:
    await services.sender.send(tx, event.subject)


async def timer_due(event: Event, tx: Tx, services: Services) -> None:
    await TIMERS[event.data["kind"]](event, tx, services)


async def resume_calls(event: Event, tx: Tx, services: Services) -> None:
    if event.data["purpose"] == "analysis":
        await consent.resume(tx, None if event.data.get("of") == "tenant" else event.subject)


async def export_person(event: Event, tx: Tx, services: Services) -> None:
    await export.export(tx, event.subject, services.objects)


async def erase_person(event: Event, tx: Tx, services: Services) -> None:
    await erase.erase(tx, event.subject, services.objects, services.progress, services.features)


async def give_up_request(event: Event, tx: Tx, error: SalesEdgeError) -> None:
    await privacy.set_failed(tx, event.subject)


async def give_up_document(event: Event, tx: Tx, error: SalesEdgeError) -> None:
    await knowledge.set_failed(tx, event.subject, error.detail)


async def give_up(event: Event, tx: Tx, error: SalesEdgeError) -> None:
    """A call whose stage is parked says so to those who wait for it."""
    await calls.set_status(tx, event.subject, "failed", error=error.detail)
    await tx.emit(Event(EventType.CALL_FAILED, tx.tenant_id, event.subject, at=tx.clock.now()))


async def _turns(tx: Tx, call_id: UUID) -> list[Turn]:
    row = await calls.transcript(tx, call_id)
    return [Turn.from_json(turn) for turn in row.turns] if row else []


TIMERS: Mapping[str, Callable[[Event, Tx, Services], Awaitable[None]]] = {
    NOTIFICATIONS: send_notifications,
    CARRY_OUT: carry_out,
    HEALTH_LOOK: follow_health,
    TRAININGS: watch_training,
    RULES: in_order,
    WATCH: in_order,
    ANSWER: in_order,
    PRUNE: in_order,
}
"""Kind of timer → what follows once it is due."""

REACTIONS: tuple[Reaction, ...] = (
    Reaction("calls.transcribe", EventType.CALL_UPLOADED, transcribe, slow=True, on_parked=give_up),
    Reaction("analysis.sentiment", EventType.CALL_TRANSCRIBED, sentiment, on_parked=give_up),
    Reaction("analysis.insights", EventType.CALL_ANALYZED, insights, on_parked=give_up),
    Reaction("forecasting.refresh_call", EventType.INSIGHTS_READY, forecast),
    Reaction("forecasting.refresh_new", EventType.DEAL_CREATED, forecast),
    Reaction("forecasting.refresh_changed", EventType.DEAL_CHANGED, forecast),
    Reaction("features.remember_new", EventType.DEAL_CREATED, remember_deal),
    Reaction("features.remember_changed", EventType.DEAL_CHANGED, remember_deal),
    Reaction("features.remember_heard", EventType.INSIGHTS_READY, remember_deal),
    Reaction("features.remember_call", EventType.INSIGHTS_READY, remember_call, slow=True),
    Reaction("features.remember_voice", EventType.INSIGHTS_READY, remember_voice, slow=True),
    Reaction("features.remember_score", EventType.FORECAST_CHANGED, remember_score),
    Reaction("forecasting.close_out", EventType.DEAL_CHANGED, score_forecasts),
    Reaction("forecasting.note_override", EventType.FORECAST_OVERRIDDEN, take_snapshot, slow=True),
    Reaction("forecasting.snapshot", EventType.FORECAST_SNAPSHOT_ASKED, take_snapshot, slow=True),
    Reaction("predictions.answer", EventType.PREDICTION_REQUESTED, answer_prediction),
    Reaction("training.start", EventType.TRAINING_REQUESTED, start_training),
    Reaction("training.stop", EventType.TRAINING_FINISHED, stop_training),
    Reaction("drift.close_proposal", EventType.TRAINING_FINISHED, close_drift_proposals),
    *(Reaction("automation.follow_up", kind, follow_up, ordered=True) for kind in HEARD),
    Reaction("health.follow", EventType.DEAL_CREATED, follow_health, ordered=True),
    Reaction("health.follow", EventType.DEAL_CHANGED, follow_health, ordered=True),
    Reaction("health.follow", EventType.INSIGHTS_READY, follow_health, ordered=True),
    *(Reaction("automation.rules", kind, run_rules, ordered=True) for kind in (*SOURCES, EventType.TIMER_DUE)),
    Reaction("automation.draft", EventType.TASK_CREATED, draft),
    Reaction("automation.schedule_own", EventType.TASK_CREATED, schedule_task),
    Reaction("automation.schedule", EventType.TASK_DECIDED, schedule_task),
    Reaction("knowledge.index", EventType.DOCUMENT_ADDED, index_document, slow=True, on_parked=give_up_document),
    Reaction("notifications.call_ready", EventType.INSIGHTS_READY, tell_call_ready),
    Reaction("notifications.call_failed", EventType.CALL_FAILED, tell_call_failed),
    Reaction("notifications.forecast_fell", EventType.FORECAST_CHANGED, tell_forecast_fell),
    Reaction("notifications.training_ended", EventType.TRAINING_FINISHED, tell_training_ended),
    Reaction("notifications.task_waiting", EventType.TASK_CREATED, tell_task_waiting),
    Reaction("timers.due", EventType.TIMER_DUE, timer_due),
    Reaction("people.invite", EventType.INVITATION_SENT, invite),
    Reaction("people.reset_password", EventType.PASSWORD_RESET_ASKED, reset_password),
    Reaction("people.tell_password", EventType.PASSWORD_CHANGED, tell_password),
    Reaction("people.tell_new_device", EventType.SIGN_IN_ANOMALY, tell_new_device),
    Reaction("privacy.resume", EventType.CONSENT_GIVEN, resume_calls),
    Reaction("privacy.export", EventType.EXPORT_REQUESTED, export_person, slow=True, on_parked=give_up_request),
    Reaction("privacy.erase", EventType.ERASURE_REQUESTED, erase_person, slow=True, on_parked=give_up_request),
)
