"""Any timm model whose constructor is given the layers and channels of its stages.

timm's entry points are functions such as ``resnet50()`` that pass settings to a constructor. Here
the settings are read where they pass, in ``build_model_with_cfg``, and written back scaled by one
of the rules of `timm_rules`; a RegNet is scaled as `regnet` does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.base import Baseline
from scalegrid.baselines.modules import ModuleBaseline
from scalegrid.baselines.regnet import RegNetBaseline
from scalegrid.baselines.timm_rules import Rule, Settings, rule_for
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import did_you_mean

if TYPE_CHECKING:
    from torch import nn

PREFIX = "timm/"
INSTEAD = (
    "write a function (depth, width, num_classes) that builds it and give it as "
    "--baseline package.module:function"
)

_lock = threading.Lock()


class TimmBaseline(ModuleBaseline):
    """``timm/<model>``, scaled by one of the rules of `timm_rules`."""

    def __init__(self, name: str, rule: Rule) -> None:
        super().__init__(name)
        self._model = name.removeprefix(PREFIX)
        self._rule = rule

    @property
    def resolution(self) -> int:
        """The side of the images that timm's weights were trained on."""
        return _trained_at(self._model)

    @property
    def brief_resolution(self) -> int:
        """64 px, or twice the total stride."""
        return max(64, 2 * self.total_stride)

    @property
    def definition(self) -> Any:
        """The model's name in timm."""
        return {"timm": self._model}

    def depths(self, depth: float) -> tuple[int, ...]:
        """Layers of each stage."""
        return self._rule.depths(depth)

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage."""
        return self._rule.channels(width)

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """The timm model, its settings scaled.

        Raises:
            UserError: timm cannot build it so.
        """
        import timm

        with _passing(self._model, lambda _, s: self._rule.scaled(s, depth, width)):
            try:
                model: nn.Module = timm.create_model(self._model, num_classes=num_classes)
            except (Exception, SystemExit) as error:
                raise UserError(
                    f"{self.name} cannot be built at depth {depth:g}, width {width:g} "
                    f"({one_line(error)}); {INSTEAD}."
                ) from error
        return model


def timm_baseline(name: str) -> Baseline:
    """The baseline of a name ``timm/<model>``.

    Raises:
        UserError: timm has no such model (the nearest is named), or no rule can scale it.
    """
    import timm

    model = name.removeprefix(PREFIX)
    if not timm.is_model(model):
        known = [PREFIX + known for known in timm.list_models()]
        hint = did_you_mean(name, known, cutoff=0.5)
        raise UserError(f"timm has no model {model!r}{f'; {hint}' if hint else '.'}")
    constructor, settings = _settings(name)
    if constructor.__name__ == "RegNet":
        return RegNetBaseline(name, timm.models.get_arch_name(model), _trained_at(model))
    rule = rule_for(constructor, settings)
    if rule is None:
        raise UserError(
            f"{name} cannot be scaled by rule, since its constructor {constructor.__name__} is not "
            f"given layers and channels stage by stage; {INSTEAD}."
        )
    return TimmBaseline(name, rule)


def _settings(name: str) -> tuple[Any, Settings]:
    """The constructor of ``name``, and what its entry point gives it."""
    import timm

    seen: list[tuple[Any, Settings]] = []

    def note(constructor: Any, settings: Settings) -> Settings:
        seen.append((constructor, settings))
        raise _SeenError

    with _passing(name.removeprefix(PREFIX), note):
        try:
            timm.create_model(name.removeprefix(PREFIX))
        except _SeenError:
            return seen[0]
    raise UserError(f"{name} cannot be scaled by rule; {INSTEAD}.")


class _SeenError(Exception):
    """The settings have been read; building is not wanted."""


@contextmanager
def _passing(model: str, through: Callable[[Any, Settings], Settings]) -> Iterator[None]:
    """Within, the settings of ``model`` go ``through`` a function before its constructor."""
    from timm.models import model_entrypoint

    module: Any = sys.modules[model_entrypoint(model).__module__]
    original = getattr(module, "build_model_with_cfg", None)
    if original is None:
        raise UserError(f"{PREFIX}{model} cannot be scaled by rule; {INSTEAD}.")

    def passing(constructor: Any, variant: str, pretrained: bool, **settings: Any) -> Any:
        return original(constructor, variant, pretrained, **through(constructor, settings))

    with _lock:
        module.build_model_with_cfg = passing
        try:
            yield
        finally:
            module.build_model_with_cfg = original


def _trained_at(model: str) -> int:
    """Side in px of the images that timm's weights were trained on."""
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(model)
    return int(config.input_size[-1]) if config else 224
