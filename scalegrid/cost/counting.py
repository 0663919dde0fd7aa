"""What a network costs: FLOPs, parameters and activations, counted without running it.

FLOPs are multiply-adds of convolution and linear layers, counted as fvcore counts those operators
and as the paper's tables do (EfficientNet-B0 at 224 px: 0.39 B); normalisation, activation
functions, pooling and the squeeze-and-excitation product are left out. Activations are the elements
of the outputs of the same layers (Dollár et al. 2021, arXiv 2103.06877, count convolutions alone).
A network on torch's meta device (`scalegrid.baselines.skeleton`) is counted without arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn


_ELEMENTWISE = ["ReLU", "ReLU6", "LeakyReLU", "SiLU", "GELU", "Mish"]
_ELEMENTWISE += ["Sigmoid", "Tanh", "Hardswish", "Hardsigmoid"]
"""Activation functions of torch.nn that are common in vision networks."""


class Cost(NamedTuple):
    """The cost of one network for one image of one resolution."""

    flops: int
    params: int
    activations: int

    def __str__(self) -> str:
        return (
            f"{self.flops:,} FLOPs, {self.params:,} parameters and {self.activations:,} activations"
        )


def measure(model: nn.Module, resolution: int) -> Cost:
    """Count ``model`` for one image of 3 × ``resolution`` × ``resolution`` px.

    The model may be on any device, the meta device included, and is left as it was.
    """
    flops = activations = 0
    positions = output_positions(model, resolution)
    for name, layer in counted_layers(model):
        flops += layer.weight.numel() * positions.get(name, 0)
        activations += layer.weight.shape[0] * positions.get(name, 0)
    return Cost(flops, sum(p.numel() for p in model.parameters()), activations)


def output_positions(model: nn.Module, resolution: int) -> dict[str, int]:
    """At how many output positions each counted layer is applied: the pixels of its output map.

    A layer used several times counts each use.
    """
    import torch
    from torch import nn

    positions: dict[str, int] = {}

    def count(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(layer: Any, _inputs: Any, output: Tensor) -> None:
            positions[name] = positions.get(name, 0) + output.numel() // layer.weight.shape[0]

        return hook

    hooks = [layer.register_forward_hook(count(name)) for name, layer in counted_layers(model)]
    # These keep the shape, and are most of a meta forward's time.
    keep_shape = [getattr(nn, name) for name in _ELEMENTWISE]
    idle = [
        m
        for m in model.modules()
        if (isinstance(m, nn.modules.batchnorm._BatchNorm) or type(m) in keep_shape)
        and "forward" not in vars(m)
    ]
    for module in idle:
        module.__dict__["forward"] = _unchanged
    like = next(model.parameters())
    image = torch.empty(1, 3, resolution, resolution, device=like.device, dtype=like.dtype)
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(image)
    finally:
        model.train(was_training)
        for module in idle:
            del module.__dict__["forward"]
        for handle in hooks:
            handle.remove()
    return positions


def counted_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The convolution and linear layers of ``model`` with their dotted names."""
    from torch import nn

    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
    return ((name, m) for name, m in model.named_modules() if isinstance(m, kinds))


def _unchanged(tensor: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
    return tensor
