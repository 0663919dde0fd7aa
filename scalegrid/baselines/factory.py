"""A user's own network: any callable ``factory(depth, width, num_classes)``; see `user_code`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property
from typing import Any, TypeGuard

from torch import nn
from torch.nn.parameter import is_lazy

from scalegrid.baselines.base import Origin
from scalegrid.baselines.construction import Call
from scalegrid.baselines.introspection import structure
from scalegrid.baselines.modules import ModuleBaseline
from scalegrid.baselines.user_code import attribute_of, source_digest
from scalegrid.spec import LARGEST_SIDE
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.processes import staying

Factory = Callable[..., Any]

_OPTIONAL = frozenset({"resolution", "in_chans"})


class FactoryBaseline(ModuleBaseline):
    """What a Python callable builds; its attribute ``resolution`` is the base resolution in px."""

    origin: Origin = "code"

    def __init__(self, name: str, factory: Factory) -> None:
        given = getattr(factory, "resolution", None)
        super().__init__(name, given if _is_side(given) else None)
        self._factory = factory
        self._given = given
        self.depths = cache(lambda depth: structure(self._skeleton(depth, 1.0)))
        self.channels = cache(lambda width: structure(self._skeleton(1.0, width)))

    @property
    def resolution(self) -> int:
        """The factory's attribute ``resolution``.

        Raises:
            UserError: the factory has no such attribute, or it is not a number of px.
        """
        if not _is_side(self._given):
            attribute = f"{self.name.rpartition(':')[2]}.resolution"
            now = "" if self._given is None else f", not {self._given!r}"
            raise UserError(
                f"{self.name} has no base resolution: give --resolution, or set {attribute} to a "
                f"whole number of px, at most {LARGEST_SIDE}{now}."
            )
        return self._given

    @property
    def brief_resolution(self) -> int:
        """The same: the network is made for the user's images."""
        return self.resolution

    @cached_property
    def definition(self) -> Any:
        """The factory's name, its file without comments and layout, and what it builds unscaled."""
        return {
            "factory": self.name.rpartition("/")[2],
            "source": source_digest(self._factory),
            "structure": structure(self._skeleton(1.0, 1.0)),
        }

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """The factory, and the multipliers; ``resolution`` is for those that take it."""
        multipliers = {"depth": depth, "width": width}
        sized = {"resolution": resolution or self._given} if "resolution" in self._takes else {}
        return Call(self._factory, settings=multipliers | sized)

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """What the factory returns; ``resolution`` and ``in_chans`` are for those that take them.

        Raises:
            UserError: it cannot be called like this, raises, or returns no module; one sentence.
        """
        call = self.construction(depth, width, resolution)
        arguments = {**call.settings, "num_classes": num_classes}
        arguments |= {"in_chans": in_chans} if "in_chans" in self._takes else {}
        if in_chans != 3 and "in_chans" not in self._takes:
            raise UserError(
                f"{self.name} has no parameter in_chans, so it takes images of 3 channels, not of "
                f"{in_chans}; give the factory that parameter."
            )
        self._check_signature(arguments)
        try:
            with staying():
                model = self._factory(**arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # extensions in Rust raise what is not an Exception
            raise UserError(
                f"{self.name} failed at depth {depth:g}, width {width:g}, {num_classes} classes: "
                f"{one_line(error)}."
            ) from error
        if not isinstance(model, nn.Module):
            raise UserError(
                f"{self.name} returned an object of type {type(model).__name__}; it must return a "
                "torch.nn.Module."
            )
        if next(model.parameters(), None) is None:
            raise UserError(f"{self.name} has no parameters, so there is nothing to train.")
        if any(is_lazy(parameter) for parameter in model.parameters()):
            raise UserError(
                f"{self.name} has lazy layers (torch.nn.Lazy…), whose size is not known before "
                "they run; use layers with a given number of inputs."
            )
        return model

    @cached_property
    def _takes(self) -> frozenset[str]:
        """Which of the parameters that a factory may do without this one has."""
        with suppress(ValueError, TypeError):
            return _OPTIONAL.intersection(inspect.signature(self._factory).parameters)
        return frozenset()

    def _check_signature(self, arguments: dict[str, Any]) -> None:
        with suppress(ValueError):  # without a signature, as in C: only calling it shows
            signature = inspect.signature(self._factory)
            try:
                signature.bind(**arguments)
            except TypeError as error:
                raise UserError(
                    f"{self.name} must be callable as factory(depth=…, width=…, num_classes=…), "
                    f"but its signature is {signature}: {error}."
                ) from None


def _is_side(given: object) -> TypeGuard[int]:
    return type(given) is int and 1 <= given <= LARGEST_SIDE


def factory_baseline(name: str) -> FactoryBaseline:
    """The baseline of a name ``[folder/]package.module:factory``.

    Raises:
        UserError: the module or the factory in it cannot be found or imported.
    """
    return FactoryBaseline(name, attribute_of(name, "factory"))
