"""Networks to be looked at and counted: shapes without values, in a few milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.base import Baseline
from scalegrid.util.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import Tensor, nn


def skeleton(baseline: Baseline, depth: float, width: float, num_classes: int) -> nn.Module:
    """The scaled network on torch's meta device, or on the CPU where it does not work there.

    Raises:
        UserError: it cannot be built (timm models and factories).
    """
    with bare(getattr(baseline, "counting_device", "meta")):
        return baseline.build(depth, width, num_classes)


def built(baseline: Baseline, depth: float, width: float, num_classes: int) -> nn.Module:
    """The `skeleton` of a baseline.

    Raises:
        UserError: it cannot be built; one sentence.
    """
    try:
        return skeleton(baseline, depth, width, num_classes)
    except UserError:
        raise
    except Exception as error:  # of timm or torch, for numbers that make no network
        raise UserError(
            f"{baseline.name} cannot be built at depth {depth:.4g}, width {width:.4g} "
            f"({one_line(error)}); a baseline must have a network at every depth and width."
        ) from error


@contextmanager
def bare(device: str) -> Iterator[None]:
    """Within, modules are made on ``device``, uninitialised; the global random state is kept.

    On the meta device initialising takes two thirds of the time of building, for nothing.
    """
    import torch

    originals = {(home, name): getattr(home, name) for home, name in _initialisers()}
    with torch.random.fork_rng(devices=[]), torch.device(device):
        for home, name in originals:
            setattr(home, name, _unchanged)
        try:
            yield
        finally:
            for (home, name), original in originals.items():
                setattr(home, name, original)


def _initialisers() -> Iterator[tuple[ModuleType | type, str]]:
    """What fills tensors: torch's functions, the one that timm's truncated normals share, layers.

    Layers of torch do more to reset their parameters than to make them.
    """
    from torch import nn
    from torch.nn import init

    for kind in (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear, nn.LayerNorm):
        yield kind, "reset_parameters"

    yield from ((init, n) for n in dir(init) if n.endswith("_") and not n.startswith("_"))
    timm_init = sys.modules.get("timm.layers.weight_init")
    if timm_init is not None and hasattr(timm_init, "_trunc_normal_"):
        yield timm_init, "_trunc_normal_"


def _unchanged(tensor: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
    return tensor
