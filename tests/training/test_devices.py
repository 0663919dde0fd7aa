from __future__ import annotations

import subprocess
import sys

import pytest

from scalegrid.training import devices
from scalegrid.training.devices import find_devices
from scalegrid.util.errors import UserError
from scalegrid.util.processor import processor


@pytest.mark.parametrize(
    ("cards", "device", "found"),
    [
        (0, "auto", ["cpu"]),
        (2, "auto", ["cuda:0", "cuda:1"]),
        (2, "cpu", ["cpu"]),
        (2, "cuda", ["cuda:0", "cuda:1"]),
        (2, "cuda:1", ["cuda:1"]),
    ],
)
def test_a_device_is_found_by_its_name(
    monkeypatch: pytest.MonkeyPatch, cards: int, device: str, found: list[str]
) -> None:
    monkeypatch.setattr(devices, "cuda_devices", lambda: cards)
    assert find_devices(device) == found


@pytest.mark.parametrize(
    ("cards", "device", "reason"),
    [
        (0, "cuda", "--device cpu"),
        (0, "cuda:0", "finds no CUDA device"),
        (2, "cuda:2", "the last CUDA device is cuda:1"),
        (2, "tpu", "'tpu' is unknown"),
        (2, "cuda:x", "unknown"),
    ],
)
def test_a_missing_device_is_an_error(
    monkeypatch: pytest.MonkeyPatch, cards: int, device: str, reason: str
) -> None:
    monkeypatch.setattr(devices, "cuda_devices", lambda: cards)
    with pytest.raises(UserError, match=reason):
        find_devices(device)


def test_a_device_that_does_not_start_goes_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a card")
    assert devices.device_name("cuda:1") == "cuda, a card"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: 1 / 0)
    assert devices.device_name("cuda:1") == "cuda:1"


def test_a_cpu_goes_by_its_model_and_by_what_torch_computes_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(devices, "processor", lambda: "AMD EPYC 7B13 64-Core Processor")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert devices.device_name("cpu") == "cpu, AMD EPYC 7B13 64-Core Processor, avx2"


def test_a_cpu_is_named_without_importing_torch() -> None:
    code = (
        "import sys; from scalegrid.training.devices import device_name\n"
        "print(device_name('cpu')); assert 'torch' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == f"cpu, {processor()}\n"


def test_the_count_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    assert devices.cuda_devices() == torch.cuda.device_count()


def test_a_mac_s_gpu_is_refused_elsewhere_and_shares_the_memory_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    if not torch.backends.mps.is_available():
        with pytest.raises(UserError, match="--device mps: torch finds no GPU of Apple's here"):
            find_devices("mps")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(devices, "processor", lambda: "Apple M2")
    assert find_devices("mps") == ["mps"]
    assert devices.device_name("mps") == "mps, Apple M2"
    assert devices.device_memory("mps") == devices.device_memory("cpu")
