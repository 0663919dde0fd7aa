"""Baselines that are known by the modules they build, and by nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from scalegrid.baselines.base import Layout
from scalegrid.baselines.skeleton import bare, skeleton
from scalegrid.util.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import nn

CLASSES = 10
"""Classes of the networks that are built to be looked at; nothing read off depends on them."""


class _Probe(NamedTuple):
    """Where, and on images of how many px, the unscaled network could be run."""

    device: str
    resolution: int


class ModuleBaseline(ABC):
    """A baseline whose layer table is read off the module: see `introspection`.

    Modules are built on torch's meta device, which costs milliseconds; a network that cannot be
    built or run there is built on the CPU.
    """

    @property
    def origin(self) -> str:
        """x"""
        return "code"

    def __init__(self, name: str) -> None:
        self.name = name
        self._layouts: dict[tuple[Hashable, Hashable], Layout] = {}

    @property
    @abstractmethod
    def resolution(self) -> int:
        """The authors' input side in px."""

    @property
    @abstractmethod
    def brief_resolution(self) -> int:
        """The input side in px that a brief sweep starts from."""

    @property
    @abstractmethod
    def definition(self) -> Any:
        """What, beside the layer table, decides the network; anything JSON can hold."""

    @abstractmethod
    def known_layers(self, *_: Any) -> None:
        """x"""
        return

    def depths(self, depth: float) -> Hashable:
        """The realised depth: equal for two multipliers if and only if they build the same."""

    @abstractmethod
    def channels(self, width: float) -> Hashable:
        """The realised width: equal for two multipliers if and only if they build the same."""

    @abstractmethod
    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """The network itself, freshly initialised, taking (N, 3, R, R) to (N, num_classes)."""

    def layout(self, depth: float, width: float) -> Layout:
        """The layer table, read off the module.

        Raises:
            UserError: the network cannot be built.
        """
        key = (self.depths(depth), self.channels(width))
        if key not in self._layouts:
            self._layouts[key] = self._table(depth, width)[0]
        return self._layouts[key]

    @cached_property
    def total_stride(self) -> int:
        """Input px per px of the last feature map, measured on the unscaled network."""
        return self._table(1.0, 1.0)[1]

    @property
    def counting_device(self) -> str:
        """Where `skeleton` builds: ``meta``, or ``cpu`` for a network that needs numbers."""
        return self._probe.device

    def _table(self, depth: float, width: float) -> tuple[Layout, int]:
        from scalegrid.baselines.introspection import layer_table

        model = skeleton(self, depth, width, CLASSES)
        resolution = self._probe.resolution
        try:
            return layer_table(model, self._stages, resolution, CLASSES)
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise UserError(
                f"{self.name} at depth {depth:g}, width {width:g} does not run on images of "
                f"{resolution} px: {one_line(error)}."
            ) from error

    @cached_property
    def _stages(self) -> frozenset[str]:
        """Names of the modules that grow with the depth multiplier."""
        from scalegrid.baselines.introspection import lengthened

        shallow = skeleton(self, 1.0, 1.0, CLASSES)
        deeper = (lengthened(shallow, skeleton(self, d, 1.0, CLASSES)) for d in (2.0, 4.0))
        return next((stages for stages in deeper if stages), frozenset())

    @cached_property
    def _probe(self) -> _Probe:
        problem: Exception | SystemExit = RuntimeError()
        for device in ("meta", "cpu"):
            try:
                with bare(device):
                    model = self.build(1.0, 1.0, CLASSES)
            except (Exception, SystemExit) as error:  # the user's code may raise anything
                problem = error
                continue
            for resolution in self._sides():
                found = _problem(model, resolution)
                if found is None:
                    return _Probe(device, resolution)
                problem = found
        if isinstance(problem, UserError):
            raise problem
        raise UserError(
            f"{self.name} does not run on square images of {', '.join(map(str, self._sides()))} "
            f"px: {one_line(problem)}."
        )

    def _sides(self) -> list[int]:
        """Image sides to try; maps of 256 px are halved without remainder."""
        return list(dict.fromkeys([256, self.resolution, 64, 32]))


def _problem(model: nn.Module, resolution: int) -> Exception | SystemExit | None:
    """What goes wrong when ``model`` is run."""
    from scalegrid.baselines.introspection import run

    try:
        run(model, resolution)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        return error
    return None
