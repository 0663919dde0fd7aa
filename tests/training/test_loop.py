from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from training_helpers import CPU, Small, make_trial, shades

from scalegrid.data import CachedData
from scalegrid.training import Epoch, Outcome, Trial, attempt, loop
from scalegrid.training.answers import unpack
from scalegrid.training.loop import build_model, seeded, train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CachedData:
    return shades(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials train a small network."""

    def build(trial: Trial, device: torch.device) -> nn.Module:
        return Small(trial.data.num_classes).to(device)

    monkeypatch.setattr(loop, "build_model", build)


def numbers(outcome: Outcome) -> list[tuple[float, ...]]:
    """Everything but times."""
    return [
        (e.epoch, e.train_loss, e.val_loss, e.top1, e.top5, e.learning_rate)
        for e in outcome.history
    ]


def test_equal_descriptions_give_the_same_bits(data: CachedData) -> None:
    first = attempt(train, make_trial(data))
    torch.rand(5)
    other = attempt(train, make_trial(data, seed=1, ema_decay=0.9, flip=True))
    again = attempt(train, make_trial(data))
    assert first.status == other.status == "finished"
    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(other)


@pytest.mark.usefixtures("small")
def test_seeds_differ_and_global_generators_keep_their_state(data: CachedData) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    outcomes = [attempt(train, make_trial(data, seed=seed)) for seed in (0, 1, 0)]
    assert torch.equal(torch.rand(3), expected)
    assert numbers(outcomes[0]) == numbers(outcomes[2]) != numbers(outcomes[1])


def test_trials_in_bfloat16_are_as_described_and_near_those_in_float32(data: CachedData) -> None:
    half, again = (attempt(train, make_trial(data, precision="bf16")) for _ in range(2))
    single = attempt(train, make_trial(data, precision="fp32"))
    assert numbers(half) == numbers(again) != numbers(single)
    assert half.history[-1].train_loss == pytest.approx(single.history[-1].train_loss, rel=0.05)


def test_the_kernels_have_the_limits_of_the_trial(data: CachedData) -> None:
    for baseline, names in (("b0", ("Pointwise", "Depthwise")), ("resnet18", ("Dense",))):
        trial = replace(make_trial(data), baseline=baseline, kernel_limits=(1, 2, 3))
        limits = {
            type(layer).__name__: layer.limit
            for layer in build_model(trial, torch.device("cpu")).modules()
            if hasattr(layer, "limit")
        }
        wanted = {"Pointwise": 1, "Depthwise": 2, "Dense": 3}
        for name in names:
            assert limits[f"_{name}Conv2d"] == wanted[name]


def test_a_gpu_s_library_computes_by_rule_and_in_whole_float32() -> None:
    cudnn = torch.backends.cudnn
    with seeded(0, torch.device("cpu")):
        found = cudnn.enabled, cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32
    assert found == (True, True, False, False)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("recipe", [{}, {"ema_decay": 0.8}, {"optimizer": "sgd"}], ids=str)
def test_it_learns(data: CachedData, recipe: dict[str, Any]) -> None:
    trial = make_trial(data, epochs=30, batch_size=8, learning_rate=0.03, **recipe)
    outcome = attempt(train, trial)
    assert outcome.history[-1].top1 > 0.75  # chance is 0.25
    assert outcome.history[-1].val_loss < outcome.history[0].val_loss
    assert [e.epoch for e in outcome.history] == list(range(1, 31))


@pytest.mark.usefixtures("small")
def test_each_epoch_is_reported_as_it_ends(data: CachedData) -> None:
    reported: list[Epoch] = []
    outcome = attempt(
        train, make_trial(data, epochs=3, warmup=0.5, learning_rate=0.01), reported.append
    )
    assert tuple(reported) == outcome.history
    assert [e.epoch for e in reported] == [1, 2, 3]
    assert reported[-1].learning_rate < 1e-6 < reported[0].learning_rate <= 0.01
    for epoch in reported:
        assert 0 <= epoch.top1 <= epoch.top5 <= 1
        assert epoch.images_per_second > 0
        assert 0 < epoch.seconds < outcome.seconds
    assert outcome.answers is not None
    (right,) = unpack([outcome.answers.correct], 20)
    assert right.mean() == reported[-1].top1
    assert f"torch {torch.__version__.split('+')[0]}" in outcome.versions


@pytest.mark.usefixtures("small")
def test_the_training_loss_is_the_mean_cross_entropy_with_smoothing(data: CachedData) -> None:
    # At a rate of almost 0 nothing is learnt, and the loss of a constant prediction is known.
    outcome = attempt(train, make_trial(data, epochs=1, learning_rate=1e-12, label_smoothing=0.3))
    assert outcome.history[0].train_loss == pytest.approx(math.log(4), abs=0.5)


@pytest.mark.usefixtures("small")
def test_a_diverged_loss_is_a_failure_with_its_reason(data: CachedData) -> None:
    recipe: dict[str, Any] = {"optimizer": "sgd", "schedule": "none", "learning_rate": 1e30}
    outcome = attempt(train, make_trial(data, epochs=3, **recipe))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith("the ")
    assert outcome.error.endswith(("became nan in epoch 1", "became infinite in epoch 1"))


def test_an_exception_is_a_failure_with_the_epochs_before_it(
    data: CachedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(Small):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += self.training
            if self.calls > 6:  # three updates and one pass for the statistics an epoch
                raise RuntimeError("out of patience\nand more")
            return super().forward(x)

    monkeypatch.setattr(loop, "build_model", lambda trial, device: Faulty(4))
    outcome = attempt(train, make_trial(data))
    assert outcome.status == "failed"
    assert outcome.error == "RuntimeError: out of patience"
    assert len(outcome.history) == 1


def test_an_unknown_baseline_is_a_failure(data: CachedData) -> None:
    outcome = attempt(train, replace(make_trial(data), baseline="b99"))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert "b99" in outcome.error


def test_interruption_is_not_a_failure(data: CachedData, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(trial: Trial, device: torch.device) -> nn.Module:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "build_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempt(train, make_trial(data))


@pytest.mark.usefixtures("small")
def test_threads_are_as_described(data: CachedData) -> None:
    before = torch.get_num_threads()
    try:
        attempt(train, replace(make_trial(data, epochs=1), threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_faster_convolutions_change_no_number_beyond_rounding(data: CachedData) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fast = build_model(make_trial(data), CPU)
        torch.manual_seed(0)
        plain = build_model(replace(make_trial(data), fast_depthwise=False), CPU)
    assert fast.state_dict().keys() == plain.state_dict().keys()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(fast(x), plain(x))


@pytest.mark.usefixtures("small")
def test_compiled_steps_change_no_number_beyond_rounding_and_are_named_in_the_row(
    data: CachedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_for_gpu, asked = torch.compile, []

    def compile_here(model: nn.Module, **options: Any) -> Any:
        asked.append(options)
        return compile_for_gpu(model, backend="aot_eager", dynamic=False)

    monkeypatch.setattr(torch, "compile", compile_here)
    trial = make_trial(data, ema_decay=0.5)
    plain, compiled = attempt(train, trial), attempt(train, replace(trial, compile=True))
    assert asked == [{"mode": "reduce-overhead", "dynamic": False}]
    assert compiled.status == "finished", compiled.error
    assert compiled.versions == f"{plain.versions}, compiled"
    for ours, theirs in zip(numbers(compiled), numbers(plain), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_descriptions_and_attempts_import_no_torch() -> None:
    code = "import sys, scalegrid.training; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
