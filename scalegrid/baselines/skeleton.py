"""Networks to be looked at and counted: shapes without values, in a few milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.base import Baseline

if TYPE_CHECKING:
    from torch import Tensor, nn


def skeleton(baseline: Baseline, depth: float, width: float, num_classes: int) -> nn.Module:
    """The scaled network on torch's meta device, or on the CPU where it does not work there.

    Raises:
        UserError: it cannot be built (timm models and factories).
    """
    with bare(getattr(baseline, "counting_device", "meta")):
        return baseline.build(depth, width, num_classes)


@contextmanager
def bare(device: str) -> Iterator[None]:
    """Within, modules are made on ``device``, uninitialised; the global random state is kept.

    On the meta device `torch.nn.init` takes two thirds of the time of building, for nothing.
    """
    import torch
    from torch.nn import init

    initialisers = [n for n in dir(init) if n.endswith("_") and not n.startswith("_")]
    originals = {name: getattr(init, name) for name in initialisers}
    with torch.random.fork_rng(devices=[]), torch.device(device):
        for name in initialisers:
            setattr(init, name, _unchanged)
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(init, name, original)


def _unchanged(tensor: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
    return tensor
