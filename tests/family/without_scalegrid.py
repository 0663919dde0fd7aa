"""Uses exported packages where scalegrid cannot be imported: python without_scalegrid.py FOLDER.

FOLDER has the packages, and for each model a file NAME.pt: weights, an image, and the logits of the
network that scalegrid built. Prints as JSON what is found, by model and by package.
"""

from __future__ import annotations

import copy
import importlib
import json
import re
import runpy
import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers.config import set_fused_attn


class Nowhere:
    """Finds no scalegrid."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == "scalegrid":
            raise ModuleNotFoundError(name)


OTHERS = ("mynano", "mystem", "mystages", "mypatches", "myvit", "mycode")
"""Packages of which one model is used for more than comparison: one for each constructor."""

PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum", "baddbmm")


def flops(model: Any, image: Any) -> int:
    """Multiply-adds as fvcore counts them, of convolutions and products alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis: Any = FlopCountAnalysis(model, image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counted = analysis.by_operator()
    return int(sum(counted[name] for name in PRODUCTS))


def used(file: Path) -> dict[str, Any]:
    """What timm makes of a model, and whether it is the network that was saved."""
    saved = torch.load(file)
    model = timm.create_model(file.stem).eval()
    model.load_state_dict(saved["weights"])
    image = saved["image"].double()  # float32 differs by processor and number of threads
    with torch.no_grad():
        same = torch.allclose(copy.deepcopy(model).double()(image), saved["logits"], rtol=1e-9)
    rates: list[Any] = [m.drop_prob for m in model.modules() if type(m).__name__ == "DropPath"]
    return {
        "params": sum(p.numel() for p in model.parameters()),
        "flops": flops(model, saved["image"]),
        "same": same,
        "dropout": getattr(
            model, "drop_rate", getattr(getattr(model, "head_drop", None), "p", None)
        ),
        "drop_path": max(rates, default=0),
        "cfg": model.pretrained_cfg,
    }


def other(model: str, px: int) -> dict[str, Any]:
    """What else may be asked of timm: other classes and channels, and features."""
    try:
        classes = timm.create_model(model, in_chans=1, num_classes=7)(torch.zeros(2, 1, px, px))
        maps: Any = timm.create_model(model, features_only=True)
        sides = [list(one.shape[1:]) for one in maps(torch.zeros(1, 3, px, px))]
    except TypeError as error:
        return {"error": str(error)}
    return {"logits": list(classes.shape), "maps": sides, "channels": maps.feature_info.channels()}


def trained(folder: Path, package: str) -> list[Any]:
    """What the commands of the README hand to a script in the place of timm's train.py."""
    commands = re.findall(r"^python -m .*", (folder / package / "README.md").read_text(), re.M)
    for command in commands:
        _, _, module, _, *arguments = shlex.split(command)
        sys.argv = [module, str(folder / "train.py"), *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    calls = (folder / "calls.jsonl").read_text().splitlines()
    return [json.loads(call) for call in calls[-len(commands) :]]


if __name__ == "__main__":
    assert "scalegrid" not in sys.modules
    sys.meta_path.insert(0, Nowhere())
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    set_fused_attn(False)  # fvcore does not know it
    found: dict[str, Any] = {"models": {}, "others": {}, "trained": {}}
    for file in sorted(folder.glob("*.pt")):
        package = file.stem.partition("_")[0]
        importlib.import_module(package)
        found["models"][file.stem] = one = used(file)
        if package in OTHERS and package not in found["others"]:
            found["others"][package] = other(file.stem, one["cfg"]["input_size"][-1])
            found["trained"][package] = trained(folder, package)
    model = runpy.run_path(str(folder / "example.py"))["model"]
    found["example"] = {
        "input_size": model.default_cfg["input_size"],
        "classes": model.get_classifier().out_features,
    }
    (folder / "found.json").write_text(json.dumps(found))
