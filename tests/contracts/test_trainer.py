"""Where trainings run: the fake here, Ray in tests/e2e/test_training.py."""

from __future__ import annotations

import pytest

from core.datascience.training.trainer import Trainer
from core.kit.ids import new_id
from tests.fakes.trainer import FakeTrainer


class TrainerContract:
    async def test_a_training_has_one_process_until_it_is_stopped(self, trainer: Trainer) -> None:
        tenant_id, training_id = new_id(), new_id()
        assert not await trainer.has(training_id)
        await trainer.start(tenant_id, training_id)
        await trainer.start(tenant_id, training_id)
        assert await trainer.has(training_id)
        await trainer.stop(training_id)
        assert not await trainer.has(training_id)

    async def test_stopping_what_is_not_there_is_no_error(self, trainer: Trainer) -> None:
        await trainer.stop(new_id())

    async def test_one_that_was_stopped_can_be_started_again_at_once(self, trainer: Trainer) -> None:
        tenant_id, training_id, other = new_id(), new_id(), new_id()
        await trainer.start(tenant_id, other)
        for _ in range(2):
            await trainer.start(tenant_id, training_id)
            await trainer.stop(training_id)
        assert await trainer.has(other)
        await trainer.stop(other)


class TestFake(TrainerContract):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return FakeTrainer()
