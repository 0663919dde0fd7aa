"""The checks of the GPU benchmark, on the CPU where there is no GPU."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from light_contenders import failing

from benchmarks import gpu
from benchmarks.contenders import Job, Report
from benchmarks.together import four_together
from benchmarks.train_throughput import images_for, running
from scalegrid.training import Epoch, Outcome
from scalegrid.training.answers import Answers
from scalegrid.training.devices import cuda_devices


@pytest.mark.slow
@pytest.mark.skipif(bool(cuda_devices()), reason="there is a GPU, and the benchmark is for it")
def test_without_a_gpu_the_checks_run_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path)])
    gpu.main()
    assert "no CUDA device" in capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "gpu-checks.parquet")
    assert table["right"].all()
    *alone, as_one = table["nats"]
    assert alone == [0, 0, 0], "one device is compared with itself"
    assert 0 < as_one < 1e-4, "a sum in another order"


def test_a_check_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = gpu.Check("the same again", 0.1, 0.0)
    monkeypatch.setattr(gpu, "checks", lambda _: [failed])
    monkeypatch.setattr(gpu, "cuda_devices", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as exit:
        gpu.main()
    assert exit.value.code == 1


def test_what_agrees_is_the_same_in_losses_accuracies_and_answers() -> None:
    epoch = Epoch(1, 0.5, 0.6, 0.7, 0.9, 0.1, 1000.0, 0.01)
    one = Outcome("a", "finished", (epoch,), answers=Answers(8, b"\xf0"))
    later = replace(epoch, images_per_second=900.0, seconds=0.02)
    assert gpu.changed(one, replace(one, history=(later,))) == 0, "times are not the training's"
    worse = replace(one, history=(replace(epoch, val_loss=0.8),))
    assert gpu.changed(one, worse) == pytest.approx(0.2)
    assert math.isinf(gpu.changed(one, replace(one, history=(replace(epoch, top5=0.8),))))
    assert math.isinf(gpu.changed(one, replace(one, answers=Answers(8, b"\xe0"))))
    failed = gpu.changed(one, replace(one, error="out of memory"))
    assert not gpu.Check("the same again", failed, math.inf).right, "a failure is no agreement"


class Steady:
    """Processes that train a hundred images a second each."""

    def __init__(self, processes: int) -> None:
        self._processes = processes

    def warm_up(self) -> str:
        return "steady"

    def rate(self) -> float:
        time.sleep(0.2)
        return 100.0 * self._processes


@contextmanager
def _running(
    loop: Callable[[Job, Report], None], job: Job, *, processes: int, threads: int
) -> Iterator[Any]:
    """Real processes of what fails, and none of others."""
    if loop is failing:
        with running(loop, job, processes=processes, threads=threads) as contender:
            yield contender
    else:
        yield Steady(processes)


@pytest.mark.slow
def test_what_fails_is_a_row_and_the_others_are_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nwhile sleep 0.05; do echo '50, 1000'; done\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(gpu, "AT_ONCE", (2,))
    monkeypatch.setattr(gpu, "_STEPS", 1)
    monkeypatch.setattr(gpu, "running", _running)
    monkeypatch.setattr(gpu, "sixteen_together", failing)
    rows = {row["trials"]: row for row in gpu.throughput("cpu", "nano", 32)}
    two = rows["2 at once"]
    assert (two["images/s"], two["busy"], two["way"]) == (200, 0.5, "steady")
    assert two["GB"] == pytest.approx(1.048576), "the driver counts in MiB"
    failed = rows["16 as one network"]
    assert (failed["images/s"], failed["GB"], failed["way"]) == (None, None, "failed")
    assert list(rows)[-2:] == ["plain", "timm"]
    assert rows["timm"]["images/s"] == 100


def test_a_folder_that_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "file" / "folder")])
    with pytest.raises(SystemExit):
        gpu.main()
    assert "is no folder (Not a directory)" in capsys.readouterr().err


def test_seeds_as_one_network_report_their_images_per_second(tmp_path: Path) -> None:
    data = images_for("nano", 32, 0.01, tmp_path)
    common = ("nano", 32, 1, 0.01, 1, data, tmp_path)
    job = Job(*common, precision="bf16", kernel_limits=None)
    reported: list[tuple[float, str]] = []

    class EnoughError(Exception):
        pass

    def report(rate: float, way: str) -> None:
        reported.append((rate, way))
        raise EnoughError

    with pytest.raises(EnoughError):
        four_together(job, report)
    ((rate, way),) = reported
    assert rate > 0
    assert way == "as one, bf16"
