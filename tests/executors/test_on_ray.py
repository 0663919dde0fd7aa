"""Ray itself, on this machine: one node for the contract, and several that come and go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from executor_contract import FUNCTION, WorkersContract

from scalegrid.executors.node import Job
from scalegrid.executors.on_ray import Cluster, RayExecutor

pytestmark = [
    pytest.mark.engine,
    # Ray leaves sockets and files of its own to the collector, and warns of its own plans.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _helpers_on_the_path() -> Iterator[None]:
    """The processes of Ray import the helpers of the tests, as this one does."""
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here, here.parent, here.parent.parent)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        yield


class TestRay(WorkersContract):
    @classmethod
    def make(cls, workers: int) -> RayExecutor:
        need = {"CPU": 0.5, "GPU": 0.0}
        return RayExecutor(Cluster(), workers, need, Job(threads=3, function=FUNCTION))
