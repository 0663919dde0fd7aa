"""What timm's entry points pass to their constructors, read and changed on the way.

An entry point is a function such as ``resnet50()``. Its settings pass through
``build_model_with_cfg`` of its module, which is replaced while a model is created.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

import timm
from torch import nn

from scalegrid.baselines.skeleton import bare

Settings = dict[str, Any]

_lock = threading.Lock()


class _SeenError(Exception):
    """The settings have been read, and nothing is to be built."""


def settings_of(model: str) -> tuple[Any, Settings]:
    """The constructor of a ``model`` of timm, and the settings that its entry point passes."""
    seen: list[tuple[Any, Settings]] = []

    def note(constructor: Any, settings: Settings) -> Settings:
        seen.append((constructor, settings))
        raise _SeenError

    with suppress(_SeenError), bare("meta"):  # some entry points build parts of the network
        create(model, note)
    return seen[0]


def create(model: str, change: Callable[[Any, Settings], Settings], **arguments: Any) -> nn.Module:
    """The timm model whose constructor is given what ``change`` makes of it and its settings."""
    module: Any = sys.modules[timm.models.model_entrypoint(model).__module__]
    original = module.build_model_with_cfg

    def build(constructor: Any, variant: str, pretrained: bool, **settings: Any) -> Any:
        return original(constructor, variant, pretrained, **change(constructor, settings))

    with _lock:
        module.build_model_with_cfg = build
        try:
            created: nn.Module = timm.create_model(model, **arguments)
        finally:
            module.build_model_with_cfg = original
    return created


def preparation(model: str | None) -> Settings:
    """How timm prepares images for a ``model``, or by default: crop, interpolation, mean, std."""
    given = timm.models.get_pretrained_cfg(model) if model else None
    known = given or timm.models.PretrainedCfg()
    return {key: getattr(known, key) for key in ("crop_pct", "interpolation", "mean", "std")}


def configuration(settings: Settings) -> tuple[str, Any]:
    """The setting that holds most others, a data class, dict or list, and its name; or nothing."""
    key = next((key for key in ("model_cfg", "cfg") if key in settings), "")
    return key, settings.get(key)


def all_settings(constructor: Any, settings: Settings) -> Settings:
    """Defaults of the constructor and those it inherits, its configuration's, and ``settings``."""
    classes = reversed(inspect.getmro(constructor)[:-1]) if inspect.isclass(constructor) else ()
    defaults = {
        name: parameter.default
        for kind in (*classes, constructor)
        if kind is not nn.Module
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not parameter.empty
    }
    config = configuration(settings)[1]
    if is_dataclass(config):
        config = {field.name: getattr(config, field.name) for field in fields(config)}
    return defaults | (config if isinstance(config, dict) else {}) | settings
