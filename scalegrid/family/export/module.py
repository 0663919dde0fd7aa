"""The module that registers the sizes of a family with timm, as source."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scalegrid.baselines.user_code import split
from scalegrid.family.export.models import RATES, Model, Models
from scalegrid.family.export.source import (
    WIDTH,
    Brackets,
    Source,
    UnwritableError,
    Writer,
    laid_out,
)
from scalegrid.util.errors import UserError
from scalegrid.util.text import count

_OURS = "scalegrid."
"""Modules of this program: an exported family has copies of those that it needs."""

_USUAL: dict[str, Any] = {"in_chans": 3, **dict.fromkeys(RATES, 0.0)}
"""What timm may ask of any network, and what a factory without such a parameter builds."""

_STANDARD = ("copy", "functools", "typing")

Block = dict[str, Source]
"""Settings, written."""


def module(models: Models) -> tuple[dict[str, Any], list[Path]]:
    """What the template of the module is filled with, and the files that belong beside it.

    Raises:
        UserError: a setting of the networks has no source.
    """
    writer = Writer(_beside)
    writer.imports |= {("typing", "Any"), *(("timm.models", name) for name in _BUILDERS)}
    try:
        network = _network(models, writer)
        each = [_block(model.call.settings, writer) for model in models.models]
        shared = _shared(each) | _block(models.features, writer)
    except UnwritableError as error:
        raise UserError(
            f"{models.baseline} is built with {error}, which cannot be written down as source, so "
            "that --export cannot do without scalegrid; write a function (depth, width, "
            "num_classes) that builds it and give it as --baseline package.module:function."
        ) from None
    if writer.repeats:
        writer.imports.add(("copy", "deepcopy"))
    size = {"input_size": f"({models.in_chans}, px, px)", "crop_pct": "crop_pct"}
    images = size | _block(models.images, writer)
    kind = "nn.Module" if models.own else network
    builder = "_network" if models.own else network
    filled = {
        "own": models.own,
        "factory": network,
        "repeats": writer.repeats,
        "absent": _written(_block(_absent(models), writer), 0, "_ABSENT: dict[str, Any] = "),
        "create": _signature("_create", _CREATE, kind),
        "call": _called("build_model_with_cfg", builder, "variant", "pretrained", "**every"),
        "shared": shared and _written(shared, 4, "    shared: dict[str, Any] = "),
        "images": _written(images, 4, "    return "),
        "entries": [
            _entry(model, {key: own[key] for key in own if key not in shared}, kind)
            for model, own in zip(models.models, each, strict=True)
        ],
        "imports": _imports(writer),
    }
    return filled, [_file(name) for name in _copied(writer)]


_BUILDERS = ("build_model_with_cfg", "generate_default_cfgs", "register_model")
_ENTRY = ("pretrained: bool = False", "**kwargs: Any")
_CREATE = (
    "variant: str",
    "pretrained: bool",
    "settings: dict[str, Any]",
    "given: dict[str, Any]",
)


def _entry(model: Model, settings: Block, kind: str) -> dict[str, Any]:
    """The function that timm registers for a size."""
    size = model.size
    return {
        "name": model.name,
        "px": size.resolution,
        "crop_pct": model.crop_pct,
        "signature": _signature(model.name, _ENTRY, kind),
        "title": f"φ = {size.phi:.4g}: {size.resolution} px, {count(size.flops)} FLOPs, "
        f"{count(size.params)} parameters.",
        "settings": _written(settings, 4, "    settings: dict[str, Any] = "),
        "call": _called("_create", f'"{model.name}"', "pretrained", "settings", "kwargs"),
    }


def _network(models: Models, writer: Writer) -> str:
    """The name of what builds the networks."""
    if not models.own:
        return writer.name(models.models[0].call.function)
    _, home, attribute = split(models.baseline)
    writer.imports |= {(home, attribute.partition(".")[0]), ("torch", "nn")}
    return attribute


def _absent(models: Models) -> dict[str, Any]:
    """Of own code, the usual values of parameters that its factory lacks."""
    return {key: usual for key, usual in _USUAL.items() if key not in models.takes}


def _block(settings: dict[str, Any], writer: Writer) -> Block:
    return {key: writer.source(value) for key, value in settings.items()}


def _shared(each: list[Block]) -> Block:
    """The settings that are written alike for all sizes; of a single size none."""
    if len(each) == 1:
        return {}
    first = each[0]
    return {key: v for key, v in first.items() if all(own.get(key) == v for own in each)}


def _written(block: Block, indent: int, before: str) -> str:
    """Settings as a dict that follows ``before`` in its line."""
    items = [(f'"{key}": ', value) for key, value in block.items()]
    return laid_out(Brackets("{", items, "}"), indent, len(before))


def _signature(name: str, parameters: Iterable[str], returns: str) -> str:
    items: list[tuple[str, Source]] = [("", parameter) for parameter in parameters]
    return laid_out(Brackets(f"def {name}(", items, f") -> {returns}:"), 0, 0, WIDTH + 1)


def _called(function: str, *arguments: str) -> str:
    """A call whose result is returned."""
    items: list[tuple[str, Source]] = [("", argument) for argument in arguments]
    return laid_out(Brackets(f"{function}(", items, ")"), 4, len("    return "))


def _imports(writer: Writer) -> str:
    """Import statements in three groups: Python, what is installed, and the package itself."""
    homes: dict[str, list[str]] = {}
    for home, name in writer.imports:
        homes.setdefault(home, []).append(name)
    groups: list[list[str]] = [[], [], []]
    for home in sorted(homes):
        group = 0 if home in _STANDARD else 2 if home.startswith(".") else 1
        groups[group].append(_import(home, sorted(homes[home], key=_order)))
    return "\n\n".join("\n".join(group) for group in groups if group)


def _order(name: str) -> tuple[int, str]:
    """Constants first, then classes, then others, as isort has them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _import(home: str, names: list[str]) -> str:
    line = f"from {home} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    items: list[tuple[str, Source]] = [("", name) for name in names]
    return laid_out(Brackets(f"from {home} import (", items, ")"), 0, WIDTH)


def _beside(home: str) -> str | None:
    """Modules of this program are copied beside the module."""
    return f".{home.rpartition('.')[2]}" if home.startswith(_OURS) else None


def _copied(writer: Writer) -> list[str]:
    return sorted({home for home, _ in writer.imports if home.startswith(".")})


def _file(relative: str) -> Path:
    return Path(str(importlib.import_module(f"scalegrid.baselines{relative}").__file__))
