"""The cost of every depth × width × resolution of a baseline, kept on disk.

Networks whose layers are known are not built at all (`closedform`). Other tables follow from few
networks (`separable`) and are checked against whole ones; a baseline that does not pass is counted
network by network. Tables are kept under a digest of what they are computed from: the networks'
layer tables, not their names, and the versions of the libraries that build them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scalegrid.baselines import Baseline, skeleton
from scalegrid.coefficients import DepthRule
from scalegrid.cost.closedform import closed_table
from scalegrid.cost.counting import Cost, Trace, trace
from scalegrid.cost.separable import separable_table
from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_root, digest, load_arrays, save_arrays

if TYPE_CHECKING:
    from collections.abc import Hashable

Table = NDArray[np.int64]

_FORMAT = 3


class Costs:
    """What networks of a baseline cost.

    Args:
        baseline: the network at φ = 0.
        num_classes: outputs of the classifier.
        in_chans: channels of the images.
    """

    def __init__(self, baseline: Baseline, num_classes: int, in_chans: int = 3) -> None:
        self.baseline = baseline
        self.num_classes = num_classes
        self.in_chans = in_chans
        self._traces: dict[Hashable, Trace] = {}

    @property
    def known(self) -> bool:
        """Whether the layers are known without building a network."""
        layers = self.baseline.known_layers(1.0, self.num_classes, self.in_chans)
        return layers is not None

    def rounded(self, rule: DepthRule) -> Costs:
        """The costs of the same networks, their layers rounded by another rule."""
        return self._of(self.baseline.rounded(rule))

    def placed(self, placement: float) -> Costs:
        """The costs of networks whose layers are added elsewhere; see `Baseline.placed`."""
        return self._of(self.baseline.placed(placement))

    def _of(self, baseline: Baseline) -> Costs:
        other = Costs(baseline, self.num_classes, self.in_chans)
        other._traces = self._traces
        return other

    def of(self, depth: float, width: float, resolution: int) -> Cost:
        """The cost of one network; arguments as of `table`.

        Raises:
            UserError: the network does not run on images of that size.
        """
        counted = self._kept([depth], [width], [resolution], self._count_each)
        return Cost(*(int(c) for c in counted[0, 0, 0]))

    def check(self, depth: float, width: float, resolution: int, planned: Cost) -> None:
        """Count a network whole, as it will be trained, unless its layers are known.

        Raises:
            UserError: it does not cost what was planned.
        """
        if self.known:
            return
        real = self._trace(depth, width, resolution).total
        if real != planned:
            raise UserError(
                f"{self.baseline.name} at depth {depth:.4g}, width {width:.4g} has {real}, not "
                f"the {planned} that follow from its depth and its width alone; its layers must "
                "depend on depth alone, and its channels on width alone."
            )

    def table(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> Table:
        """The costs of all combinations.

        Args:
            depths: D multipliers.
            widths: W multipliers.
            resolutions: P input sides in px.

        Returns:
            (D, W, P, 3) integers: FLOPs, parameters, activations, in the order of `Cost`.

        Raises:
            UserError: the network does not run on images of one of these sizes.
        """
        return self._kept(depths, widths, resolutions, self._from_few)

    def _kept(
        self,
        depths: Sequence[float],
        widths: Sequence[float],
        resolutions: Sequence[int],
        compute: Callable[[Sequence[float], Sequence[float], Sequence[int]], Table],
    ) -> Table:
        """A table in closed form, or from the disk, or computed and stored there."""
        known = closed_table(
            self.baseline, depths, widths, resolutions, self.num_classes, self.in_chans
        )
        if known is not None:
            return known
        path = self._path(depths, widths, resolutions)
        shape = (len(depths), len(widths), len(resolutions), len(Cost._fields))
        stored = load_arrays(path, ["costs"])
        if stored and stored[0].shape == shape:
            return stored[0]
        with _without_garbage_collection():
            table = compute(depths, widths, resolutions)
        save_arrays(path, costs=table)
        return table

    def _from_few(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> Table:
        table = separable_table(self._trace, depths, widths, resolutions)
        middle = tuple(len(axis) // 2 for axis in (depths, widths, resolutions))
        checked = (middle, (0, -1, -1), (-1, -1, 0), (-1, -1, -1))
        if table is not None and all(
            tuple(table[d, w, p]) == self._trace(depths[d], widths[w], resolutions[p]).total
            for d, w, p in checked
        ):
            return table
        return self._count_each(depths, widths, resolutions)

    def _count_each(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> Table:
        table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
        for d, depth in enumerate(depths):
            for w, width in enumerate(widths):
                for p, resolution in enumerate(resolutions):
                    table[d, w, p] = self._trace(depth, width, resolution).total
        return table

    def _trace(self, depth: float, width: float, resolution: int) -> Trace:
        """The operators of one network, counted once."""
        key = (self.baseline.depths(depth), self.baseline.channels(width), resolution)
        if key not in self._traces:
            classes, in_chans = self.num_classes, self.in_chans
            model = skeleton(self.baseline, depth, width, classes, resolution, in_chans)
            with self._errors_named(resolution):
                self._traces[key] = trace(model, resolution, in_chans)
        return self._traces[key]

    @contextmanager
    def _errors_named(self, resolution: int) -> Iterator[None]:
        """Within, whatever a network raises on images of ``resolution`` px becomes a UserError."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(
                f"{self.baseline.name} does not run on images of {resolution} px ({reason}); give "
                "another --resolution, or a --resolution-step that suits its strides."
            ) from error

    def unscaled(self, resolution: int) -> Cost | None:
        """The unscaled network of a user's own code, counted now.

        It reveals what the definition does not show, such as changes in a module that it imports.
        """
        if self.baseline.origin != "code":
            return None
        return self._trace(1.0, 1.0, resolution).total

    def _path(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> Path:
        content = [
            _FORMAT,
            [version(library) for library in ("torch", "timm")],
            self.baseline.definition,
            [[asdict(row) for row in self.baseline.layout(depth, 1.0)] for depth in depths],
            [[asdict(row) for row in self.baseline.layout(1.0, width)] for width in widths],
            list(resolutions),
            self.num_classes,
            self.in_chans,
            self.unscaled(resolutions[0]),
        ]
        return cache_root() / "costs" / f"{digest(content)}.npz"


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """To build a hundred networks makes so many objects that looking for cycles takes seconds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
