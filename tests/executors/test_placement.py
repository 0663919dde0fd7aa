from __future__ import annotations

from typing import Any

import pytest

from scalegrid.executors import Placement, placement_for
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores


def spec_of(**settings: Any) -> SweepSpec:
    return SweepSpec(**{"device": "cpu", **settings})


def test_there_is_a_worker_for_each_core_by_default() -> None:
    cores = available_cores()
    assert placement_for(spec_of()) == Placement(cores, ("cpu",), 1)
    assert placement_for(spec_of(threads=2 * cores)) == Placement(1, ("cpu",), 2 * cores)
    assert placement_for(spec_of(workers=7)).workers == 7


@pytest.mark.parametrize(("gib", "workers"), [(64, 8), (4, 3), (2, 1), (0.5, 1)])
def test_there_are_no_more_workers_than_memory_has_room_for(
    monkeypatch: pytest.MonkeyPatch, gib: float, workers: int
) -> None:
    monkeypatch.setattr("scalegrid.executors.placement.available_cores", lambda: 8)
    monkeypatch.setattr("scalegrid.executors.placement.device_memory", lambda _: int(gib * 2**30))
    assert placement_for(spec_of()).workers == workers
    assert placement_for(spec_of(workers=8)).workers == 8


@pytest.mark.parametrize("name", ["threads", "workers"])
def test_a_crowd_for_the_cores_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.executors.placement.available_cores", lambda: 2)
    assert placement_for(spec_of(**{name: 16}))
    with pytest.raises(UserError, match=f"--{name} 17 is too many for the 2 cores"):
        placement_for(spec_of(**{name: 17}))


def test_each_gpu_gets_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.training.devices.cuda_devices", lambda: 2)
    spec = spec_of(device="auto", trials_per_device=3)
    assert placement_for(spec) == Placement(6, ("cuda:0", "cuda:1"), 1)


def test_compiling_needs_a_gpu() -> None:
    with pytest.raises(UserError, match="--compile is for CUDA devices"):
        placement_for(spec_of(compile=True))
