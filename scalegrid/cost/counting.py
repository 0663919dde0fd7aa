"""What a network costs: FLOPs, parameters and activations, counted operator by operator.

FLOPs are multiply-adds of convolutions and matrix products, however they are called: as layers,
functions, einsum or attention. The counts are those of torch's own `flop_counter` with attention
written out as matrix products, halved, since it counts two operations a multiply-add. They are what
fvcore counts and what the papers' tables hold (EfficientNet-B0 at 224 px: 0.39 B). Normalisation,
activation functions, pooling and elementwise products (squeeze-and-excitation) are left out.
Activations are the elements of the outputs of the same operators (Dollár et al. 2021, arXiv
2103.06877, count those of convolutions alone). A network on torch's meta device
(`scalegrid.baselines.skeleton`) is counted without arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import nn

_VECTOR_PRODUCTS = ("mv", "addmv", "dot", "vdot", "addr")
"""Products that torch's counter leaves out: a multiply-add an element of the largest input."""

_NOT_COUNTED = (
    *("_fft_", "linalg_", "_linalg_", "cholesky", "grid_sampler_", "_cdist", "_trilinear"),
    *("_thnn_", "_cudnn_rnn", "mkldnn_rnn", "_embedding_bag"),
)
"""How the names of torch's operators begin that do much arithmetic and are not counted."""


class Cost(NamedTuple):
    """The cost of one network for one image of one resolution."""

    flops: int
    params: int
    activations: int

    def __str__(self) -> str:
        return (
            f"{self.flops:,} FLOPs, {self.params:,} parameters and {self.activations:,} activations"
        )


@dataclass
class Trace:
    """The counted operators and the parameters of a network, in the order of use.

    ``kinds`` are names of operators, and ``parameter``; ``costs`` what each adds to the network's.
    ``uncounted`` are the elements of the outputs of operators that do arithmetic that is not
    counted, by name.
    """

    kinds: list[str] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    uncounted: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, cost: Cost) -> None:
        """Append an operator or a parameter."""
        self.kinds.append(kind)
        self.costs.append(cost)

    @property
    def total(self) -> Cost:
        """The cost of the network."""
        flops, params, activations = (sum(column) for column in zip(*self.costs, strict=True))
        return Cost(flops, params, activations)


def measure(model: nn.Module, resolution: int, in_chans: int = 3) -> Cost:
    """Count ``model`` for one image of ``in_chans`` × ``resolution`` × ``resolution`` px."""
    return trace(model, resolution, in_chans).total


def trace(model: nn.Module, resolution: int, in_chans: int = 3) -> Trace:
    """Run ``model`` on one image of ``in_chans`` × ``resolution`` × ``resolution`` px, and count.

    The model may be on any device, the meta device included, and is left as it was.
    """
    from scalegrid.baselines.introspection import black_images

    found = Trace()
    for parameter in model.parameters():
        found.add("parameter", Cost(0, parameter.numel(), 0))
    image = black_images(model, resolution, in_chans=in_chans)
    with _inferring(model), _counting(found):
        model(image)
    return found


def _counting(found: Trace) -> Any:
    """A context within which every operator is added to ``found``."""
    from torch.utils.flop_counter import flop_registry

    from scalegrid.baselines.shapes import Shapes

    class Counting(Shapes):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            kwargs = kwargs or {}
            output = super().__torch_dispatch__(func, types, args, kwargs)
            name = func.overloadpacket.__name__
            operations = flop_registry.get(func.overloadpacket)
            if operations is not None:
                count = operations(*args, **kwargs, out_val=output) // 2
                found.add(name, Cost(count, 0, _elements(output)))
            elif name in _VECTOR_PRODUCTS:
                count = max(a.numel() for a in (*args, output) if hasattr(a, "numel"))
                found.add(name, Cost(count, 0, _elements(output)))
            elif func.namespace not in ("aten", "prim", "prims") or name.startswith(_NOT_COUNTED):
                found.uncounted[name] += _elements(output)
            return output

    return Counting()


def _elements(output: Any) -> int:
    """Elements of an operator's output, of the first of several."""
    first = output[0] if isinstance(output, (tuple, list)) else output
    return int(first.numel()) if hasattr(first, "numel") else 0


@contextmanager
def _inferring(model: nn.Module) -> Iterator[None]:
    """Within, ``model`` infers, and attention is written out as matrix products."""
    import torch
    from torch.backends import mha
    from torch.nn.attention import SDPBackend, sdpa_kernel

    was_fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with mode_kept(model), sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            model.eval()
            yield
    finally:
        mha.set_fastpath_enabled(was_fast)


@contextmanager
def mode_kept(model: nn.Module) -> Iterator[None]:
    """On leaving, each module trains or infers as it did on entering."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
