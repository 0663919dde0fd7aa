"""Networks for inspection and counting: shapes without values, in a few milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.base import Baseline
from scalegrid.util.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import Tensor, nn


def skeleton(
    baseline: Baseline,
    depth: float,
    width: float,
    num_classes: int,
    resolution: int | None = None,
    in_chans: int = 3,
) -> nn.Module:
    """The scaled network, uninitialised, on the baseline's ``counting_device``.

    Raises:
        UserError: it cannot be built; one sentence.
    """
    try:
        with bare(baseline.counting_device):
            return baseline.build(
                depth, width, num_classes, resolution=resolution, in_chans=in_chans
            )
    except UserError:
        raise
    except (ImportError, MemoryError, OSError) as error:  # of no depth or width
        raise UserError(
            f"{baseline.name} cannot be built ({one_line(error)}); install what is missing, or "
            "allow this process more memory."
        ) from error
    except Exception as error:  # of timm or torch, for numbers that make no network
        raise UserError(
            f"{baseline.name} cannot be built at depth {depth:.4g}, width {width:.4g} "
            f"({one_line(error)}); a baseline must have a network at every depth and width."
        ) from error


@contextmanager
def bare(device: str) -> Iterator[None]:
    """Within, modules are built on ``device``, uninitialised; the global random state is kept.

    On the meta device, initialising would take two thirds of the time of building.
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.device(device), ExitStack() as restored:
        for home, name in _initialisers():
            restored.callback(setattr, home, name, getattr(home, name))
            setattr(home, name, _unchanged)
        yield


def _initialisers() -> Iterator[tuple[ModuleType | type, str]]:
    """What fills tensors: layers, torch's functions, the one that timm's truncated normals share.

    Layers of torch take longer to reset their parameters than to allocate them.
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
