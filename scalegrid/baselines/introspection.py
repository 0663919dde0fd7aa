"""What can be read off a network that is only known as a module."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scalegrid.baselines.base import LayerRow, Layout
from scalegrid.baselines.shapes import Shapes
from scalegrid.util.files import digest
from scalegrid.util.processes import staying

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


def structure(model: nn.Module) -> str:
    """A digest of all modules (names, classes, settings) and parameter shapes of ``model``."""
    modules = [(name, type(m).__name__, m.extra_repr()) for name, m in model.named_modules()]
    shapes = [(name, tuple(p.shape)) for name, p in model.named_parameters()]
    return digest([modules, shapes])


def lengthened(shallow: nn.Module, deep: nn.Module) -> frozenset[str]:
    """Names of the modules of ``shallow`` that have more children in ``deep``: its stages.

    Of nested ones the outermost counts.
    """
    known = {name for name, _ in shallow.named_modules()}
    new = {name for name, _ in deep.named_modules()} - known
    grown = {_parent(name) for name in new} & known
    return frozenset(name for name in grown if not grown.intersection(_ancestors(name)))


def ends(model: nn.Module, in_chans: int, num_classes: int) -> tuple[str | None, Any]:
    """Names of the first convolution and of the classifier, as weights are adapted by them.

    The classifier is what ``get_classifier`` returns, several where that is a tuple, or else the
    last linear layer with so many outputs; None where there is none.
    """
    named = dict(model.named_modules())
    convolutions = (n for n, m in named.items() if isinstance(m, nn.Conv2d | nn.Linear))
    first = next(convolutions, "")
    if getattr(named.get(first), "in_channels", None) != in_chans:
        first = ""
    network: Any = model
    if hasattr(network, "get_classifier"):
        given = network.get_classifier()
        several = given if isinstance(given, tuple) else (given,)
        last = [name for name, m in named.items() if any(m is one for one in several)]
    else:
        linear = (n for n, m in named.items() if isinstance(m, nn.Linear))
        last = [n for n in linear if named[n].out_features == num_classes][-1:]
    return first or None, (tuple(last) if len(last) > 1 else next(iter(last), None))


def black_images(model: nn.Module, resolution: int, images: int = 1, in_chans: int = 3) -> Tensor:
    """Zeros (images, in_chans, resolution, resolution), of the device and type of ``model``."""
    like = next(model.parameters())
    shape = (images, in_chans, resolution, resolution)
    return torch.zeros(shape, device=like.device, dtype=like.dtype)


def run(
    model: nn.Module, resolution: int, images: int = 1, in_chans: int = 3, whole: bool = False
) -> Any:
    """The output of ``model`` for black images, in evaluation mode, without gradients.

    Raises:
        ValueError: patches do not divide the images, which must be used ``whole``.
    """
    batch = black_images(model, resolution, images, in_chans)
    was_training = model.training
    patches = [m for m in model.modules() if whole and _cuts_patches(m, in_chans)]
    handles = [patch.register_forward_pre_hook(_check_whole) for patch in patches]
    try:
        with torch.no_grad(), Shapes(), staying():
            return model.eval()(batch)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()


def _cuts_patches(module: nn.Module, in_chans: int) -> bool:
    """Whether ``module`` is a convolution that cuts an image into patches, without padding."""
    if not isinstance(module, nn.Conv2d) or module.in_channels != in_chans:
        return False
    return module.stride[0] > 2 and module.padding in (0, "valid", (0, 0))


def _check_whole(module: Any, inputs: tuple[Tensor]) -> None:
    side, kernel, stride = inputs[0].shape[-1], module.kernel_size[0], module.stride[0]
    if (side - kernel) % stride:
        raise ValueError(f"patches of {kernel} px every {stride} px leave px of {side} unused")


class Unit(NamedTuple):
    """A block of a stage, or a layer outside all stages (``stage`` is None), as it ran."""

    stage: str | None
    operator: str
    kernel: int
    channels: int
    side: int
    structure: str


def read_layout(
    model: nn.Module, stages: frozenset[str], resolution: int, num_classes: int
) -> tuple[Layout, int]:
    """The layer table of ``model``, and its total stride.

    A row is a run of equal blocks of one of the ``stages``, or one convolution or linear layer
    outside them. Strides are measured on the maps of an image of ``resolution`` px.
    """
    body = _units(model, stages, resolution)
    has_classifier = len(body) > 1 and body[-1].stage is None and body[-1].channels == num_classes
    if has_classifier:
        body.pop()
    rows, side = [], resolution
    for units in _runs(body):
        first = units[0]
        stride = max(1, round(side / first.side))
        detail = digest([unit.structure for unit in units])[:6]
        rows.append(
            LayerRow(first.operator, first.kernel, stride, first.channels, len(units), detail)
        )
        side = min(side, units[-1].side)
    if has_classifier:
        rows.append(LayerRow("Pooling & FC", 1, 1, body[-1].channels, 1))
    sides = [unit.side for unit in body if unit.side > 1]
    last_map = min(sides, default=1 if body else resolution)
    return tuple(rows), max(1, round(resolution / last_map))


def _runs(units: list[Unit]) -> Iterator[list[Unit]]:
    """Equal neighbours; a shrinking map or a layer outside the stages starts a new run."""
    run: list[Unit] = []
    for unit in units:
        same = run and unit.stage is not None and unit[:4] == run[-1][:4]
        if run and not (same and unit.side >= run[-1].side):
            yield run
            run = []
        run.append(unit)
    if run:
        yield run


def _units(model: nn.Module, stages: frozenset[str], resolution: int) -> list[Unit]:
    """The units of ``model`` in the order in which they first finish."""
    units: dict[str, Unit] = {}

    def note(name: str, stage: str | None, module: nn.Module, _inputs: Any, output: Any) -> None:
        units.setdefault(name, _unit(stage, module, output))

    handles = []
    for name, module in model.named_modules():
        stage = next((a for a in _ancestors(name) if a in stages), None)
        is_block = stage is not None and stage == _parent(name)
        if (is_block and any(isinstance(m, _LAYERS) for m in module.modules())) or (
            stage is None and isinstance(module, _LAYERS)
        ):
            handles.append(module.register_forward_hook(partial(note, name, stage)))
    try:
        run(model, resolution)
    finally:
        for handle in handles:
            handle.remove()
    return list(units.values())


def _unit(stage: str | None, module: nn.Module, output: Any) -> Unit:
    channels, side = _size(output[0] if isinstance(output, (tuple, list)) else output)
    operator = type(module).__name__
    if isinstance(module, _LAYERS):
        operator = "FC" if operator == "Linear" else operator.rstrip("12d")
    kernel = max(_kernel(layer) for layer in module.modules())
    return Unit(stage, operator, kernel, channels, side, structure(module))


def _size(output: Tensor) -> tuple[int, int]:
    """Channels and side of a map, channels first or last; of a sequence of tokens; of a vector."""
    shape = output.shape
    if len(shape) == 4:
        last = shape[2] != shape[3] and shape[1] == shape[2]
        return (shape[3], shape[1]) if last else (shape[1], shape[2])
    if len(shape) == 3:
        return shape[2], max(1, round(math.sqrt(shape[1])))
    return shape[-1], 1


def _kernel(module: nn.Module) -> int:
    size = module.kernel_size if isinstance(module, nn.Conv1d | nn.Conv2d) else 1
    return int(size[0] if isinstance(size, tuple) else size)


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _ancestors(name: str) -> Iterator[str]:
    """From the parent to the root, whose name is empty; the root has none."""
    while name:
        name = _parent(name)
        yield name
