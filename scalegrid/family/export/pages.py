"""What the README, the model card and the docstring of an exported family say."""

from __future__ import annotations

import shlex
import textwrap
from typing import Any

from scalegrid.baselines.user_code import split
from scalegrid.family.export.models import Model, Models
from scalegrid.family.export.source import WIDTH
from scalegrid.family.family import Family
from scalegrid.util.text import count, markdown, runs, sentence
from scalegrid.util.version import __version__

TIMM = "1.0.12"
"""The first version of timm that an exported family runs with."""

_FLAGS = {"drop_rate": "--drop", "drop_path_rate": "--drop-path"}
"""The rates as arguments of timm's train.py."""


def pages(family: Family, models: Models, package: str) -> dict[str, Any]:
    """What the templates are filled with, beside the module's code."""
    first, last = models.models[0].size, models.models[-1].size
    span = f"{first.phi:.4g}" if len(models.models) == 1 else f"{first.phi:.4g} … {last.phi:.4g}"
    heading = f"{models.baseline}, scaled to φ = {span}, as models of timm."
    found = _origin(family, models)
    return {
        "package": package,
        "version": __version__,
        "timm": TIMM,
        "heading": heading,
        "docstring": _docstring([f"{package}: {heading}", found]),
        "origin": found,
        "models": [
            {"name": model.name, "command": _command(package, models, model)}
            for model in models.models
        ],
        "table": markdown([_row(model) for model in models.models]),
        "card": markdown([_card_row(model) for model in models.models]),
        "in_chans": models.in_chans,
        "num_classes": models.num_classes,
        "mean": _numbers(models.images["mean"]),
        "std": _numbers(models.images["std"]),
        "factor": f"{family.terms.flops_factor:g}",
        "features": bool(models.features),
        "lacks": " and ".join(flag for key, flag in _FLAGS.items() if key not in models.takes),
        "own": split(models.baseline)[1] if models.own else "",
        "notes": [sentence(note) for note in family.notes],
    }


def _origin(family: Family, models: Models) -> str:
    """Where the numbers come from, in sentences."""
    terms = family.terms
    a, b, c = (f"{value:.6g}" for value in terms.coefficients)
    of_a_sweep = f", as {family.origin} recommends" if family.origin else ""
    way = (
        f"Each size is the network nearest that direction that costs {terms.flops_factor:g}^φ "
        f"times the FLOPs within {100 * terms.tolerance:g} %, or the budget that was asked for."
        if family.by("exact")
        else "Depth, width and resolution are multiplied by α^φ, β^φ and γ^φ, and rounded."
    )
    return (
        f"The baseline is {models.baseline} at {terms.start.resolution} px (φ = 0), scaled by "
        f"α = {a}, β = {b}, γ = {c}{of_a_sweep}. {way} Written by scalegrid {__version__}, "
        "`scalegrid family --export`."
    )


def _docstring(paragraphs: list[str]) -> list[str]:
    """Paragraphs in lines of a docstring, which ends no string and has no escapes."""
    plain = (text.replace("\\", "/").replace('"""', "'''") for text in paragraphs)
    return [textwrap.fill(text, WIDTH - 3, break_long_words=False) for text in plain]


def _command(package: str, models: Models, model: Model) -> str:
    """The command that trains a size by timm's train.py."""
    size = model.size
    words = ["python", "-m", f"{package}.train", "pytorch-image-models/train.py"]
    words += ["--data-dir", "IMAGES", "--model", model.name]
    words += ["--num-classes", str(models.num_classes)]
    words += ["--in-chans", str(models.in_chans)] if models.in_chans != 3 else []
    words += ["--img-size", str(size.resolution), "--crop-pct", f"{model.crop_pct:g}"]
    for key in models.rates:
        words += [_FLAGS[key], f"{model.call.settings[key]:g}"]
    return shlex.join([*words, "--weight-decay", f"{size.weight_decay:g}"])


def _row(model: Model) -> dict[str, str]:
    size = model.size
    return {
        "model": f"`{model.name}`",
        "φ": f"{size.phi:.4g}",
        "d": f"{size.depth:.3f}",
        "w": f"{size.width:.3f}",
        "r": f"{size.resolution_scale:.3f}",
        "px": str(size.resolution),
        "layers": runs(size.layers),
        "channels": runs(size.channels),
        "FLOPs": count(size.flops),
        "ratio": f"{size.flops_ratio:.4g}",
        "F^φ": f"{size.nominal_ratio:.4g}",
        "parameters": count(size.params),
        "activations": count(size.activations),
        "dropout": f"{size.dropout:.2g}",
        "drop path": f"{size.drop_path:.2g}",
        "weight decay": f"{size.weight_decay:g}",
    }


def _card_row(model: Model) -> dict[str, str]:
    row = _row(model)
    return {key: row[key] for key in ("model", "px", "FLOPs", "parameters")}


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
