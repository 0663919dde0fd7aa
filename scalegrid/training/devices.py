"""Which devices there are to train on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from scalegrid.util.errors import UserError

# Where drivers leave their mark: NVIDIA's on Linux and under Windows, AMD's. Looking there spares
# the seconds that importing torch takes on a machine without any.
_DRIVER_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def find_devices(device: str) -> list[str]:
    """The devices that ``auto``, ``cpu``, ``cuda`` (all of them) or ``cuda:N`` stands for.

    Raises:
        UserError: it is none of these, or there is no such device.
    """
    if device == "cpu":
        return ["cpu"]
    if device == "auto":
        return [f"cuda:{i}" for i in range(cuda_devices())] or ["cpu"]
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise UserError(f"the device {device!r} is unknown; use auto, cpu, cuda, or cuda:N.")
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
