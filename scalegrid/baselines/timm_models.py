"""Any timm model whose constructor is given the layers and channels of its stages.

timm's entry points are functions such as ``resnet50()`` that pass settings to a constructor. The
settings are read where they pass, in ``build_model_with_cfg``, and replaced by those that a rule of
`timm_rules` scales; a RegNet is scaled as the built-in ones are.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import timm
from torch import nn

from scalegrid.baselines.base import Baseline, Origin
from scalegrid.baselines.modules import ModuleBaseline
from scalegrid.baselines.stages import regnet_of_timm
from scalegrid.baselines.timm_rules import Rule, Settings, rule_for
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import did_you_mean

PREFIX = "timm/"
_INSTEAD = (
    "write a function (depth, width, num_classes) that builds it and give it as "
    "--baseline package.module:function"
)

_lock = threading.Lock()


class TimmBaseline(ModuleBaseline):
    """A ``model`` of timm at the px that its weights were trained on, scaled by a rule."""

    origin: Origin = "timm"

    def __init__(self, model: str, resolution: int, rule: Rule) -> None:
        super().__init__(PREFIX + model, resolution)
        self.resolution = resolution
        self.definition = {"timm": model}
        self.depths = rule.depths
        self.channels = rule.channels
        self._model = model
        self._scaled = rule.scaled

    @property
    def brief_resolution(self) -> int:
        """64 px, or twice the total stride."""
        return max(64, 2 * self.total_stride)

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """The timm model, its settings scaled.

        Raises:
            UserError: timm cannot build it at these multipliers.
        """
        changed = self._scaled(depth, width)
        try:
            return _create(
                self._model, lambda _, settings: settings | changed, num_classes, in_chans
            )
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self.name} cannot be built at depth {depth:g}, width {width:g} "
                f"({one_line(error)}); {_INSTEAD}."
            ) from error


def timm_baseline(name: str) -> Baseline:
    """The baseline of a name ``timm/<model>``.

    Raises:
        UserError: timm has no such model (the nearest is named), or no rule can scale it.
    """
    model = name.removeprefix(PREFIX)
    if not timm.is_model(model):
        known = [PREFIX + known for known in timm.list_models()]
        hint = did_you_mean(name, known, cutoff=0.5)
        raise UserError(f"timm has no model {model!r}{f'; {hint}' if hint else '.'}")
    pretrained = timm.models.get_pretrained_cfg(model)
    resolution = int(pretrained.input_size[-1]) if pretrained else 224
    constructor, settings = _settings(model)
    if constructor.__name__ == "RegNet":
        return regnet_of_timm(name, timm.models.get_arch_name(model), resolution)
    rule = rule_for(constructor, settings)
    if rule is None:
        raise UserError(
            f"{name} cannot be scaled by rule, since its constructor {constructor.__name__} is not "
            f"given layers and channels stage by stage; {_INSTEAD}."
        )
    return TimmBaseline(model, resolution, rule)


class _SeenError(Exception):
    """The settings have been read, and nothing is to be built."""


def _settings(model: str) -> tuple[Any, Settings]:
    """The constructor of ``model``, and the settings that its entry point passes to it."""
    seen: list[tuple[Any, Settings]] = []

    def note(constructor: Any, settings: Settings) -> Settings:
        seen.append((constructor, settings))
        raise _SeenError

    with suppress(_SeenError):
        _create(model, note)
    if not seen:
        raise UserError(f"{PREFIX}{model} cannot be scaled by rule; {_INSTEAD}.")
    return seen[0]


def _create(
    model: str,
    change: Callable[[Any, Settings], Settings],
    num_classes: int = 1000,
    in_chans: int = 3,
) -> nn.Module:
    """The timm model whose constructor is given what ``change`` makes of it and its settings."""
    module: Any = sys.modules[timm.models.model_entrypoint(model).__module__]
    original = getattr(module, "build_model_with_cfg", None)
    if original is None:
        raise UserError(f"{PREFIX}{model} cannot be scaled by rule; {_INSTEAD}.")

    def build(constructor: Any, variant: str, pretrained: bool, **settings: Any) -> Any:
        return original(constructor, variant, pretrained, **change(constructor, settings))

    with _lock:
        module.build_model_with_cfg = build
        try:
            created: nn.Module = timm.create_model(
                model, num_classes=num_classes, in_chans=in_chans
            )
        finally:
            module.build_model_with_cfg = original
    return created
