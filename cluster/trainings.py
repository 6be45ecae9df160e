"""One training from its claim to its end, in the process that was started for it."""

from __future__ import annotations

import asyncio
from collections import deque
from uuid import UUID

from core import bootstrap
from core.datascience.models import verdicts
from core.datascience.models.admit import Admitted
from core.datascience.training import work
from core.datascience.training.work import Claim, Lost
from core.kit.db import Database
from core.kit.errors import SalesEdgeError
from core.kit.log import logger
from core.settings import Settings

log = logger("training")


def carry_out(settings: Settings, tenant_id: UUID, training_id: UUID) -> None:
    """For a process of its own: where the training is lost, a thread may compute on until the process ends."""
    from core.kit import log as logging

    logging.configure(settings.log.level, settings.log.format)
    asyncio.new_event_loop().run_until_complete(run(settings, tenant_id, training_id))


async def run(settings: Settings, tenant_id: UUID, training_id: UUID) -> None:
    """Whatever comes of it stands in the row; nothing is raised but what the database raises."""
    db, lease_s = bootstrap.database(settings, bootstrap.database_url(settings)), settings.training.lease_s
    try:
        mine = await work.claim(db, tenant_id, training_id, lease_s)
        await _work(settings, db, mine, lease_s)
    except Lost as error:
        log.info("training_left", training_id=str(training_id), reason=error.detail)
    finally:
        await db.close()


async def _work(settings: Settings, db: Database, mine: Claim, lease_s: float) -> None:
    """Trains while a second task gives signs of life; ends with the first of them that ends."""
    diary = Diary(db, mine, lease_s)
    making = asyncio.create_task(_make(settings, mine, diary))
    living = asyncio.create_task(diary.keep())
    try:
        await asyncio.wait((making, living), return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            living.result()  # raises why: the training is lost
        admitted = await making
        await diary.write(*verdicts.tell(admitted.verdict, "en"))
        await work.done(db, mine, admitted.row)
    except Lost:
        raise
    except SalesEdgeError as error:
        if error.retryable:
            await work.given_back(db, mine, error.detail)
        else:
            await work.failed(db, mine, error.detail)
    except Exception as error:
        log.error("training_broke", training_id=str(mine.training_id), error=type(error).__name__, exc_info=True)
        await work.given_back(db, mine, f"broke by {type(error).__name__}; the log of its process says where")
    finally:
        making.cancel()
        living.cancel()


async def _make(settings: Settings, mine: Claim, diary: Diary) -> Admitted:
    if mine.action == "recalibrate":
        from cluster.drift import redrawn

        return await redrawn(settings, str(mine.version_id), mine.tenant_id)
    from cluster.training import Asked, fit

    # Its name is its own: when its process dies, who claims it next goes on where it was.
    asked = Asked(mine.tenant_id, mine.algorithm, mine.tune, job=str(mine.training_id))
    made = await fit(settings, asked, diary.tell, before=diary.write)
    return made.admitted


class Diary:
    """What the training says, from whichever thread, written down with each sign of life."""

    def __init__(self, db: Database, mine: Claim, lease_s: float) -> None:
        self._db = db
        self._mine = mine
        self._lease_s = lease_s
        self._said: deque[str] = deque()
        self._stage, self._share = "", 0.0
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    def tell(self, stage: str, share: float) -> None:
        """`training.run.Tell`: a stage is said once, however often its share is told."""
        if stage != self._stage:
            self._said.append(stage)
        self._stage, self._share = stage, share
        self._loop.call_soon_threadsafe(self._news.set)

    async def keep(self) -> None:
        """Until it is cancelled, or the training is lost. Raises `Lost`."""
        while True:
            try:
                async with asyncio.timeout(self._lease_s / 4):
                    await self._news.wait()
            except TimeoutError:
                pass
            try:
                await self.write()
            except Lost:
                raise
            except Exception as error:
                # The database is away: what is said is kept, and the lease may run out meanwhile.
                log.warning("training_unheard", training_id=str(self._mine.training_id), error=type(error).__name__)
                await asyncio.sleep(1.0)

    async def write(self, *more: str) -> None:
        """A sign of life now. Raises `Lost`."""
        async with self._turn:
            self._news.clear()
            lines = [*self._said, *more]
            await work.report(self._db, self._mine, self._lease_s, lines, min(0.95, self._share))
            for _ in range(len(lines) - len(more)):
                self._said.popleft()
