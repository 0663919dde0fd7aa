"""Baselines that are known only by the modules they build."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from torch import nn

from scalegrid.baselines.base import Layout, Run, usual_step
from scalegrid.baselines.introspection import lengthened, read_layout, run
from scalegrid.baselines.skeleton import bare
from scalegrid.coefficients import DepthRounding, DepthRule
from scalegrid.util.errors import UserError, one_line

if TYPE_CHECKING:
    from typing_extensions import Self

_CLASSES = 10
"""Classes of the networks that are built to be read off; nothing depends on them."""


class ModuleBaseline(ABC):
    """A baseline whose layer table is read off the module: see `introspection`.

    Modules are built on torch's meta device, which takes milliseconds; a network that cannot be
    built or run there is built on the CPU. A subclass sets ``depths`` and ``channels``.

    Args:
        name: what the user calls it.
        side: px of images that it takes, if known; other sides are tried too.
    """

    kept_per_activation: float | None = None

    depths: Callable[[float], Hashable]
    channels: Callable[[float], Hashable]

    def __init__(self, name: str, side: int | None) -> None:
        self.name = name
        self._side = side
        self._layouts: dict[tuple[Hashable, Hashable], Layout] = {}
        # Maps of 256 px are halved without remainder.
        self._sides = [256, *([side] if side else []), 224, 128, 96, 64, 32]

    @abstractmethod
    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """The network itself; of all that can go wrong it raises `UserError`."""

    def layout(self, depth: float, width: float) -> Layout:
        """The layer table, read off the module; raises `UserError`."""
        key = (self.depths(depth), self.channels(width))
        if key not in self._layouts:
            self._layouts[key] = self._read(depth, width)[0]
        return self._layouts[key]

    @property
    def depth_rounding(self) -> DepthRounding | None:
        """None: what a multiplier means is known by building alone."""
        return None

    def rounded(self, rule: DepthRule, /) -> Self:
        """Itself."""
        return self

    def placed(self, placement: float, /) -> Self:
        """Itself, evenly; raises `UserError` for others, since its stages are not known."""
        if placement != 0:
            raise UserError(
                f"{self.name} takes one depth multiplier, so where its layers go cannot be chosen; "
                "leave out --scale stages, or give a built-in, YAML or timm network."
            )
        return self

    def known_layers(self, width: float, num_classes: int, in_chans: int = 3) -> list[Run] | None:
        """None: these networks are built and counted."""
        return None

    @cached_property
    def total_stride(self) -> int:
        """Input px per px of the last feature map, measured on the unscaled network."""
        return self._read(1.0, 1.0)[1]

    @cached_property
    def resolution_step(self) -> int:
        """An eighth of the total stride, or up to twice of it if the network needs that.

        A network that runs with none of these has an eighth.
        """
        stride, eighth = self.total_stride, usual_step(self.total_stride)
        steps = (eighth, 2 * eighth, 4 * eighth, stride, 2 * stride)
        return self._first_step(steps, self._side or self._probe[1]) or eighth

    def _first_step(self, steps: Iterable[int], side: int) -> int | None:
        """The first of the ``steps`` in px that the network takes above ``side``, also twice."""
        return next((s for s in steps if all(self._runs(side + n * s) for n in (1, 2))), None)

    def _runs(self, side: int) -> bool:
        """Whether the unscaled network runs on images of ``side`` px, and crops none."""
        return self._problem(self.counting_device, side, whole=True) is None

    @property
    def counting_device(self) -> str:
        """``meta``, or ``cpu`` for a network that needs values."""
        return self._probe[0]

    def _skeleton(self, depth: float, width: float) -> nn.Module:
        device, side = self._probe
        with bare(device):
            return self._probed(depth, width, side)

    def _probed(self, depth: float, width: float, side: int) -> nn.Module:
        """A network to be read off as it runs on images of ``side`` px."""
        return self.build(depth, width, _CLASSES, resolution=side)

    def _read(self, depth: float, width: float) -> tuple[Layout, int]:
        """Layer table and total stride."""
        model, stages, side = self._skeleton(depth, width), self._stages, self._probe[1]
        try:
            return read_layout(model, stages, side, _CLASSES)
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise UserError(
                f"{self.name} at depth {depth:g}, width {width:g} does not run on images of "
                f"{side} px: {one_line(error)}."
            ) from error

    @cached_property
    def _stages(self) -> frozenset[str]:
        """Names of the modules that grow with the depth multiplier."""
        shallow = self._skeleton(1.0, 1.0)
        deeper = (lengthened(shallow, self._skeleton(depth, 1.0)) for depth in (2.0, 4.0))
        return next((stages for stages in deeper if stages), frozenset())

    @cached_property
    def _probe(self) -> tuple[str, int]:
        """The device where, and px of images on which, the unscaled network runs."""
        problem: Exception | SystemExit | None = None
        for device in ("meta", "cpu"):
            for side in self._sides:
                problem = self._problem(device, side)
                if problem is None:
                    return device, side
                if isinstance(problem, UserError):  # it cannot be built there
                    break
        if problem is None or isinstance(problem, UserError):
            raise problem or AssertionError
        sides = ", ".join(map(str, dict.fromkeys(self._sides)))
        raise UserError(
            f"{self.name} does not run on square images of {sides} px: {one_line(problem)}."
        )

    def _problem(
        self, device: str, side: int, whole: bool = False
    ) -> Exception | SystemExit | None:
        try:
            with bare(device):
                model = (
                    self.build(1.0, 1.0, _CLASSES, resolution=side)
                    if whole
                    else self._probed(1.0, 1.0, side)
                )
            run(model, side, whole=whole)
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            return error
        return None
