"""Where trainings run, by the simplest rule: a process is a name in a dictionary, until it is stopped or is over."""

from __future__ import annotations

from uuid import UUID


class FakeTrainer:
    def __init__(self) -> None:
        self.processes: dict[UUID, UUID] = {}  # training → its tenant
        self.started: list[UUID] = []  # each time that one began

    async def start(self, tenant_id: UUID, training_id: UUID) -> None:
        if training_id not in self.processes:
            self.processes[training_id] = tenant_id
            self.started.append(training_id)

    async def stop(self, training_id: UUID) -> None:
        self.processes.pop(training_id, None)

    async def has(self, training_id: UUID) -> bool:
        return training_id in self.processes
