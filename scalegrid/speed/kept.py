"""Facts of a kind of training on this kind of machine, kept beside the caches."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from scalegrid.executors import Placement
from scalegrid.plan import Plan
from scalegrid.training.devices import device_name, settled
from scalegrid.util import disk
from scalegrid.util.files import cache_root, digest, replace_file
from scalegrid.util.processor import processor
from scalegrid.util.version import __version__


def kept_file(folder: str, plan: Plan, placement: Placement) -> Path:
    """Where a fact of a kind of training is kept: all that it depends on is in the name."""
    spec = plan.spec
    recipe = [spec.batch_size, spec.optimizer, spec.ema_decay > 0, spec.fast_depthwise]
    here = spec.executor == "local"
    precision = settled(spec.precision, placement.devices) if here else spec.precision
    kernels = [precision, spec.kernel_limits]
    compiled = ["compiled"] if spec.compile else []
    engine = [] if here else [spec.executor, spec.ray_address]
    gpus = [device_name(one) for one in placement.devices if one.startswith("cuda")]
    kind = [
        plan.variants[0].variant,
        [*recipe, *kernels, *compiled, *engine, *gpus],
        asdict(placement),
    ]
    versions = [version("torch"), __version__]
    machine = [platform.machine(), processor(), os.cpu_count(), *versions]
    return cache_root() / folder / f"{digest([kind, machine])}.json"


def keep(path: Path, text: str) -> None:
    """Write a fact; where that is impossible, it is found again next time."""
    with suppress(OSError):
        disk.make_folders(path.parent)
        replace_file(path, lambda file: file.write(text.encode()), durable=False)
