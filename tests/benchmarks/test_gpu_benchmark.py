"""The checks of the GPU benchmark, on the CPU where there is no GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import gpu
from scalegrid.training.devices import cuda_devices


@pytest.mark.skipif(bool(cuda_devices()), reason="there is a GPU, and the benchmark is for it")
def test_without_a_gpu_the_checks_run_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path)])
    gpu.main()
    assert "no CUDA device" in capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "gpu-checks.parquet")
    assert len(table) == 3
    assert table["right"].all()
    assert (table["nats"] == 0).all(), "one device is compared with itself"


def test_a_check_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = gpu.Check("the same again", 0.1, 0.0)
    monkeypatch.setattr(gpu, "checks", lambda _: [failed])
    monkeypatch.setattr(gpu, "cuda_devices", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as exit:
        gpu.main()
    assert exit.value.code == 1
