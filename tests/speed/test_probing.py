from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from light_sweep import in_workers, light_plan, light_spec
from store_rows import failure
from store_rows import trial as finished

from scalegrid.executors import Placement
from scalegrid.plan import make_trial, trial_works
from scalegrid.speed import chosen, probed, probing, rate_of, remember_rate, stored_rate
from scalegrid.training.trial import Epoch, Outcome, Probe, Trial
from scalegrid.util.processor import processor

PLACEMENT = Placement(2, ("cpu",), 1)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(probing, "_PATIENCE", 600.0)  # for the busiest of machines
    monkeypatch.setattr("scalegrid.training.devices.computes_in_bf16", lambda _: True)


def test_the_rate_is_measured_once_and_then_remembered() -> None:
    plan = light_plan(light_spec("results"))
    workers = in_workers(PLACEMENT)
    found = probed(plan, PLACEMENT, workers).rate
    # The stand-in claims a thousand training images per second.
    assert found == pytest.approx(1 / (1000 * 3 * plan.variants[0].activations))
    workers.cancel()
    assert probed(plan, PLACEMENT, workers).rate == found


def test_without_a_working_training_the_rate_is_unknown() -> None:
    plan = light_plan(light_spec("results", baseline="raise"))
    workers = in_workers(PLACEMENT, "light_training:misbehave")
    assert probed(plan, PLACEMENT, workers).rate is None
    workers.cancel()
    assert stored_rate(plan, PLACEMENT) is None


def test_trials_that_take_too_long_are_left_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_PATIENCE", 2.0)
    plan = light_plan(light_spec("results", baseline="sleep"))
    workers = in_workers(PLACEMENT, "light_training:misbehave")
    try:
        assert probed(plan, PLACEMENT, workers).rate is None
        assert workers.capacity == 2
        assert workers.collect(timeout=60.0) == [], "nothing runs any more"
    finally:
        workers.cancel()


def test_what_takes_longer_to_compile_than_to_time_is_not_timed() -> None:
    plan = light_plan(light_spec("results", compile=True))
    recorder = Recorder()
    assert probed(plan, PLACEMENT, recorder).rate is None
    assert not recorder.trials
    remember_rate(plan, PLACEMENT, 1e-9)  # as a sweep does at its end
    assert probed(plan, PLACEMENT, recorder).rate == 1e-9


class Recorder:
    """An executor of capacity one that remembers its trials, and finishes each at once.

    Args:
        speeds: images per second in each format; 1000 of those that are not given.
        limits: kernel limits that it finds in each.
    """

    capacity = 1

    def __init__(
        self,
        speeds: Mapping[str, float] | None = None,
        limits: Mapping[str, tuple[float, ...]] | None = None,
    ) -> None:
        self.trials: deque[Trial] = deque()
        self._speeds, self._limits = speeds or {}, limits or {}

    def submit(self, trial: Trial) -> None:
        self.trials.append(trial)

    def collect(self, timeout: float | None = None) -> list[Any]:
        return [Outcome(one.trial, "finished", tuple(self._epochs(one))) for one in self.trials]

    def _epochs(self, trial: Trial) -> Iterator[Epoch]:
        assert trial.probe is not None
        for number, precision in enumerate(trial.probe.precisions, start=1):
            found = self._limits.get(precision)
            figures = dict(zip("abc", found, strict=True)) if found else None
            speed = self._speeds.get(precision, 1000.0)
            yield replace(Epoch(number, 1.0, 1.0, 0.5, 0.5, 0.1, speed, 0.1), figures=figures)

    def abandon(self) -> None:
        pass

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("settings", [{"fast_depthwise": False}, {"threads": 3}])
def test_what_is_timed_is_trained_as_the_trials_of_the_run_are(settings: dict[str, Any]) -> None:
    plan = light_plan(light_spec("results", epochs=5, flip=True, **settings))
    recorder = Recorder()
    assert probed(plan, PLACEMENT, recorder).rate is not None
    (timed,) = recorder.trials
    real = make_trial(plan, plan.variants[0], 0, timed.data, plan.recipe)
    differing = {key for key in vars(real) if getattr(real, key) != getattr(timed, key)}
    assert differing == {"trial", "recipe", "probe"}
    assert timed.recipe == plan.recipe.model_copy(update={"epochs": 2})
    assert timed.probe == Probe(("fp32", "bf16"), limits=settings != {"fast_depthwise": False})


@pytest.mark.parametrize(
    ("speeds", "precision", "fastest"),
    [
        ({"bf16": 1099.0}, "fp32", 1000.0),
        ({"bf16": 1100.0}, "bf16", 1100.0),
        ({"bf16": 200.0}, "fp32", 1000.0),
        ({"bf16": math.nan}, "fp32", 1000.0),
    ],
)
def test_bfloat16_is_chosen_where_it_is_clearly_faster(
    speeds: dict[str, float], precision: str, fastest: float
) -> None:
    plan = light_plan(light_spec("results"))
    limits = {"fp32": (36.0, 4096.0, 1.0), "bf16": (9.0, 36.0, 16.0)}
    found = probed(plan, PLACEMENT, Recorder(speeds, limits))
    assert found.plan.spec.precision == precision
    assert found.plan.spec.kernel_limits == tuple(map(int, limits[precision]))
    assert found.rate == pytest.approx(1 / (fastest * 3 * plan.variants[0].activations))
    again = Recorder()
    assert probed(plan, PLACEMENT, again) == found == (chosen(plan, PLACEMENT), found.rate)
    assert not again.trials, "it is kept"
    assert stored_rate(found.plan, PLACEMENT) == found.rate


@pytest.mark.parametrize(
    ("settings", "probe"),
    [
        ({"precision": "fp32"}, Probe(("fp32",), limits=True)),
        ({"kernel_limits": (1, 2, 3)}, Probe(("fp32", "bf16"), limits=False)),
        ({"precision": "bf16", "kernel_limits": (1, 2, 3)}, Probe(("bf16",), limits=False)),
    ],
)
def test_what_is_given_stays(settings: dict[str, Any], probe: Probe) -> None:
    plan = light_plan(light_spec("results", **settings))
    found = {"fp32": (4.0, 5.0, 6.0), "bf16": (4.0, 5.0, 6.0)}
    recorder = Recorder(limits=found if probe.limits else None)
    spec = probed(plan, PLACEMENT, recorder).plan.spec
    assert recorder.trials[0].probe == probe
    assert {key: getattr(spec, key) for key in settings} == settings
    assert spec.kernel_limits == settings.get("kernel_limits", (4, 5, 6))


def test_nothing_is_chosen_on_a_gpu_or_in_a_sweep_that_goes_on() -> None:
    plan = light_plan(light_spec("results"))
    for placement, choose in ((Placement(1, ("cuda:0",), 1), True), (PLACEMENT, False)):
        recorder = Recorder({"bf16": 9999.0})
        found = probed(plan, placement, recorder, choose=choose)
        assert recorder.trials[0].probe == Probe(("auto",), limits=False)
        assert found.plan is plan
        assert found.rate is not None


def test_a_sweep_that_goes_on_is_not_mistaken_for_one_of_the_choice() -> None:
    plan = light_plan(light_spec("results"))
    probed(plan, PLACEMENT, Recorder({"bf16": 2000.0}))
    found = probed(plan, PLACEMENT, Recorder({"auto": 500.0}), choose=False)
    assert found.plan is plan
    assert found.rate == pytest.approx(1 / (500 * 3 * plan.variants[0].activations))


def test_where_nothing_can_be_timed_trials_are_in_float32_and_that_is_not_kept() -> None:
    class Failing(Recorder):
        def collect(self, timeout: float | None = None) -> list[Any]:
            return [Outcome(one.trial, "failed", error="no") for one in self.trials]

    plan = light_plan(light_spec("results"))
    spec = probed(plan, PLACEMENT, Failing()).plan.spec
    assert (spec.precision, spec.kernel_limits) == ("fp32", None)
    assert probed(plan, PLACEMENT, Recorder({"bf16": 2000.0})).plan.spec.precision == "bf16"
    slurm = light_plan(light_spec("results", executor="slurm"))
    found = probed(slurm, PLACEMENT, Recorder())
    assert (found.plan.spec.precision, found.rate) == ("fp32", None)
    remember_rate(found.plan, PLACEMENT, 1e-9)  # as that sweep does at its end
    assert probed(slurm, PLACEMENT, Recorder()).rate == 1e-9


def test_workers_that_find_different_limits_get_the_lower_middle_one() -> None:
    class Three(Recorder):
        capacity = 3

        def _epochs(self, trial: Trial) -> Iterator[Epoch]:
            self._limits = {"fp32": (16.0 * trial.seed, 36.0, 1.0 if trial.seed else 16.0)}
            return super()._epochs(trial)

    plan = light_plan(light_spec("results", precision="fp32"))
    assert probed(plan, PLACEMENT, Three()).plan.spec.kernel_limits == (16, 36, 1)


def test_a_kept_choice_decides_nothing_that_is_given(tmp_path: Path) -> None:
    plan = light_plan(light_spec("results", precision="fp32"))
    probed(plan, PLACEMENT, Recorder())
    (path,) = (tmp_path / "cache" / "choices").glob("*.json")
    path.write_text('{"precision": "bf16", "kernel_limits": [1, 2, 3]}')
    spec = probed(plan, PLACEMENT, Recorder()).plan.spec
    assert (spec.precision, spec.kernel_limits) == ("fp32", (1, 2, 3))


@pytest.mark.parametrize(
    "content",
    ["", "[", *(f'{{"precision": "{p}", "kernel_limits": null}}' for p in ("fp8", "auto"))],
)
def test_a_damaged_choice_is_made_again(tmp_path: Path, content: str) -> None:
    plan = light_plan(light_spec("results"))
    probed(plan, PLACEMENT, Recorder({"bf16": 2000.0}))
    (path,) = (tmp_path / "cache" / "choices").glob("*.json")
    path.write_text(content)
    assert chosen(plan, PLACEMENT) is plan
    assert probed(plan, PLACEMENT, Recorder()).plan.spec.precision == "fp32"


@pytest.mark.parametrize(
    "settings",
    [{"compile": True}, {"fast_depthwise": False}, {"batch_size": 7}, {"precision": "bf16"}],
)
def test_a_rate_is_kept_for_its_kind(settings: dict[str, Any]) -> None:
    plan, other = (light_plan(light_spec("results", **s)) for s in ({}, settings))
    assert stored_rate(plan, PLACEMENT) is None
    remember_rate(plan, PLACEMENT, 1e-9)
    assert stored_rate(plan, PLACEMENT) == 1e-9
    assert stored_rate(other, PLACEMENT) is None
    assert stored_rate(plan, Placement(3, ("cpu",), 1)) is None


def test_what_a_sweep_on_a_gpu_keeps_is_found_by_a_plan_that_leaves_the_format_open() -> None:
    gpu = Placement(1, ("cuda:0",), 1)
    plan, sweep = (light_plan(light_spec("results", **s)) for s in ({}, {"precision": "bf16"}))
    remember_rate(sweep, gpu, 1e-9)
    assert stored_rate(plan, gpu) == 1e-9


@pytest.mark.parametrize("content", ["", "[", "-1.0", "NaN", "Infinity", '"fast"', "0.0"])
def test_a_damaged_rate_counts_as_none(tmp_path: Path, content: str) -> None:
    plan = light_plan(light_spec("results"))
    remember_rate(plan, PLACEMENT, 1.0)
    (path,) = (tmp_path / "cache" / "rates").glob("*.json")
    path.write_text(content)
    assert stored_rate(plan, PLACEMENT) is None


def test_a_rate_that_cannot_be_kept_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = light_plan(light_spec("results"))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "file"))
    remember_rate(plan, PLACEMENT, 1.0)
    assert stored_rate(plan, PLACEMENT) is None


def test_the_trials_of_a_sweep_tell_its_rate_where_they_ran_alike() -> None:
    plan = light_plan(light_spec("results"))
    works = trial_works(plan)
    one = finished("v000", 0, seconds=2.0)
    two = finished("v001", 0, seconds=4.0, device=f"cpu, {processor()}, avx2")
    others = [
        failure("v002", 0),
        finished("v002", 1, seconds=999.0, threads=7),
        finished("v002", 2, seconds=999.0, device="cuda, a GPU"),
        finished("v002", 3, seconds=999.0, device="cpu, another, avx2"),
    ]
    found = rate_of([one, two, *others], plan, PLACEMENT)
    assert found == pytest.approx(6.0 / (works["v000"] + works["v001"]))
    assert rate_of(others, plan, PLACEMENT) is None
