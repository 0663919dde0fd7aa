"""The devices to train on, and what an outcome notes of a device. Imports torch only for GPUs."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from scalegrid.spec import Precision
from scalegrid.util.cgroups import memory_limit
from scalegrid.util.errors import UserError
from scalegrid.util.processor import processor
from scalegrid.util.version import __version__

Format = Literal["fp32", "bf16", "fp16"]

# Files of NVIDIA's drivers (on Linux and under Windows) and of AMD's. A machine without any of them
# has no CUDA device, and does not take the seconds of importing torch.
_DRIVER_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def find_devices(device: str) -> list[str]:
    """The devices that ``auto``, ``cpu``, ``cuda`` (all of them), ``cuda:N`` or ``mps`` is.

    ``auto`` is all CUDA devices, or the CPU.

    Raises:
        UserError: it is none of these, or there is no such device.
    """
    if device == "cpu":
        return ["cpu"]
    if device == "auto":
        return [f"cuda:{i}" for i in range(cuda_devices())] or ["cpu"]
    if device == "mps":
        if not _has_mps():
            raise UserError(
                "--device mps: torch finds no GPU of Apple's here; use --device cpu, or auto."
            )
        return ["mps"]
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise UserError(f"the device {device!r} is unknown; use auto, cpu, cuda, cuda:N, or mps.")
    count = cuda_devices()
    if count == 0:
        raise UserError(f"--device {device}: torch finds no CUDA device; use --device cpu.")
    if match[1] is None:
        return [f"cuda:{i}" for i in range(count)]
    if int(match[1]) >= count:
        raise UserError(f"--device {device}: the last CUDA device is cuda:{count - 1}.")
    return [device]


def cuda_devices() -> int:
    """How many CUDA devices torch can use."""
    if sys.platform == "linux" and not any(Path(file).exists() for file in _DRIVER_FILES):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _has_mps() -> bool:
    """Whether torch can use the GPU of an Apple processor."""
    if sys.platform != "darwin":
        return False
    import torch

    return torch.backends.mps.is_available()


def device_memory(device: str) -> int:
    """Bytes of memory of a CUDA device, or of this machine, or what a container may use of it."""
    if device in ("cpu", "mps"):  # which share their memory
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return min(machine, memory_limit() or machine)
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def device_name(device: str) -> str:
    """The kind of a device, which numbers depend on.

    ``cuda, NVIDIA H100 80GB``; ``mps, Apple M2``; or ``cpu, AMD EPYC 7B13, avx2``: the processor,
    and the widest vector instructions that torch uses. They are left out where nothing has imported
    torch, and nothing has been computed.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        widest = vector_instructions()
        return ", ".join(["cpu", processor(), *([widest] if widest else [])])
    if kind != "cuda":
        return f"{kind}, {processor()}"
    import torch

    try:
        return f"cuda, {torch.cuda.get_device_name(device)}"
    except Exception:  # CUDA does not start, which has failed the trial already
        return device


def number_format(precision: Precision, device: str) -> Format:
    """The format of products in a training on a device.

    Left open, it is bfloat16 on CUDA devices that compute in it, float16 on others, and float32
    elsewhere.
    """
    if precision != "auto":
        return precision
    if not device.startswith("cuda"):
        return "fp32"
    return "bf16" if computes_in_bf16(device) else "fp16"


def settled(precision: Precision, devices: Sequence[str]) -> Precision:
    """The format that a sweep on CUDA devices keeps to; on others as it is asked for."""
    if precision != "auto" or not devices[0].startswith("cuda"):
        return precision
    return "bf16" if all(map(computes_in_bf16, devices)) else "fp16"


def check_precision(precision: Precision, devices: Sequence[str]) -> None:
    """Raise UserError where a device does not compute in the format that is asked for."""
    for device in devices if precision in ("bf16", "fp16") else ():
        if device == "cpu":
            able = precision == "bf16"
        else:
            able = device.startswith("cuda") and (precision == "fp16" or computes_in_bf16(device))
        if not able:
            raise UserError(
                f"trials in {precision} cannot be trained on {device}; choose another --device, or "
                "--precision auto and, for a sweep that has trials, another --name."
            )


def differing(before: str | None, now: str | None, device: str) -> str:
    """The sentence on trials in two formats."""
    return (
        f"trials before are in {before}, and on {device} they are in {now}; go on with devices of "
        "one kind, or begin with a --precision that all compute in, and another --name"
    )


def computes_in_bf16(device: str) -> bool:
    """Whether a CUDA device has instructions for bfloat16."""
    import torch

    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def vector_instructions() -> str | None:
    """What torch computes with on a CPU: ``avx2``, ``avx512``, ...; None if torch is not in use."""
    torch = sys.modules.get("torch")
    return torch.backends.cpu.get_cpu_capability().lower() if torch else None


def versions(compiled: bool = False) -> str:
    """The versions that numbers depend on, and whether the network was compiled."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm"))
    text = f"scalegrid {__version__}, {packages}, python {platform.python_version()}"
    return f"{text}, compiled" if compiled else text
