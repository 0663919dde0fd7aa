from __future__ import annotations

from executor_contract import FUNCTION, ExecutorContract

from scalegrid.executors import InlineExecutor


class TestInline(ExecutorContract):
    @classmethod
    def make(cls, workers: int) -> InlineExecutor:
        return InlineExecutor(function=FUNCTION)

    def test_it_runs_one_trial_at_a_time(self, executor: InlineExecutor) -> None:
        assert executor.capacity == 1
