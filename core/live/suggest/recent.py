"""A semantic cache of what the documents answer: questions that mean nearly the same find the same passage at once.

Valkey holds vectors of questions and ids of passages for some minutes, and no words. How surely a passage answers is
judged anew each time by the question itself, so a neighbour's passage that does not answer is only a detour.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.datascience.features.store import HotValues
from core.kit.db import Database
from core.knowledge import repository
from core.knowledge.search import Answer, answered_by, search_by

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAME = 0.97  # cosine of two questions that mean the same
_KEPT = 64


class Answers:
    """What one tenant's documents say to a question; counts how often the cache knew."""

    def __init__(self, db: Database, hot: HotValues) -> None:
        self._db = db
        self._hot = hot
        self.hits = 0

    async def find(self, tenant_id: UUID, question: str, vector: NDArray[np.float32]) -> Answer | None:
        """`vector`: of the question, unit length. None: the documents do not answer."""
        async with self._db.tenant(tenant_id) as tx:
            revision = await repository.revision(tx)
            if revision is None:
                return None
            name = f"live:answers:{tenant_id}:{revision}"
            held = _unpacked((await self._hot.get([name]))[0])
            known = _nearest(held, vector)
            if known is not None:
                self.hits += 1
                return await answered_by(tx, question, vector, UUID(known)) if known else None
            found = (await search_by(tx, question, vector)).answer
        await self._keep(name, held, vector, str(found.passage_id) if found else "")
        return found

    async def _keep(self, name: str, held: list[dict[str, Any]], vector: NDArray[np.float32], passage: str) -> None:
        """Two at once: one of them is forgotten, which costs a search."""
        claim = await self._hot.claim([name])
        if claim is not None:
            raw = base64.b64encode(vector.astype("float16").tobytes()).decode()
            await self._hot.fill(claim, {name: json.dumps([*held, {"v": raw, "p": passage}][-_KEPT:]).encode()})


def _unpacked(raw: bytes | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(raw) if raw else []
    return found


def _nearest(held: list[dict[str, Any]], vector: NDArray[np.float32]) -> str | None:
    """The passage of the question nearest to this, "" where it had none; None where none is near enough."""
    import numpy as np

    if not held:
        return None
    rows = np.stack([np.frombuffer(base64.b64decode(one["v"]), np.float16) for one in held]).astype(np.float32)
    if rows.shape[1] != len(vector):
        return None
    scores = rows @ vector
    best = int(scores.argmax())
    return str(held[best]["p"]) if scores[best] >= _SAME else None
