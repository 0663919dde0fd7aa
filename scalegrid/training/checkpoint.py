"""A training that can go on later: its state in a file of plain tensors and numbers, never pickles.

The format is safetensors, whose header holds all that is not a tensor, as JSON, and a digest of it
and of the tensors: a damaged file is of no use, and safetensors would not know.
"""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from scalegrid.util import disk
from scalegrid.util.files import replace_file

_SUFFIX = ".safetensors"
_KEY, _DIGEST = "scalegrid", "digest"
_LEAVES = (bool, int, float, str, type(None))


class Checkpoints:
    """The checkpoints of one line of trainings: of one variant, seed and recipe, by rung.

    Args:
        folder: where the files are; made when the first is written.
        line: the id of the trial at rung 1.
        made_with: what numbers depend on beside the trial: a checkpoint of another device, number
            of threads or version is passed over.
    """

    def __init__(self, folder: Path, line: str, made_with: list[str]) -> None:
        self._folder, self._line, self._made_with = folder, line, made_with

    def latest(self, rung: int) -> Any | None:
        """The state that goes furthest without passing where ``rung`` branches off; None if none.

        A file that is damaged or was made otherwise is passed over.
        """
        for one in sorted(self._rungs(), reverse=True):
            if one <= rung and (found := _load(self._path(one))) is not None:
                made_with, state = found
                if made_with == self._made_with:
                    return state
        return None

    def write(self, rung: int, state: Any) -> None:
        """Keep a state durably, and delete those of lower rungs, which nothing needs any more.

        Raises:
            OSError: it cannot be written.
            TypeError: something in it is neither a tensor nor a number nor text, nor a list, tuple
                or dictionary of such.
        """
        disk.make_folders(self._folder)
        tensors: dict[str, Tensor] = {}
        text = json.dumps(_plain([self._made_with, state], tensors))
        content = save(tensors, {_KEY: text, _DIGEST: _digest(text, tensors)})
        replace_file(self._path(rung), lambda file: file.write(content))
        for lower in self._rungs():
            if lower < rung:
                disk.remove(self._path(lower))

    def _path(self, rung: int) -> Path:
        return self._folder / f"{self._line}-{rung}{_SUFFIX}"

    def _rungs(self) -> list[int]:
        names = [path.stem for path in self._folder.glob(f"{self._line}-*{_SUFFIX}")]
        numbers = [name.removeprefix(f"{self._line}-") for name in names]
        return [int(number) for number in numbers if number.isdecimal()]


def generators(device: torch.device) -> dict[str, Any]:
    """The states of the global generators of random numbers, as tensors and numbers."""
    version, internal, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": _gpu_state(device),
        "python": [version, torch.tensor(internal), gauss],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
    }


def _gpu_state(device: torch.device) -> Tensor | None:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else None


def set_generators(states: dict[str, Any], device: torch.device) -> None:
    """Go on with the states that `generators` returned."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states["cuda"])
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal.tolist()), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))


def _load(path: Path) -> tuple[list[str], Any] | None:
    """What the file was made with, and the state; None if it is damaged or gone."""
    with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if header[_DIGEST] == _digest(header[_KEY], tensors):
            made_with, state = _whole(json.loads(header[_KEY]), tensors)
            return made_with, state
    return None


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    found = hashlib.blake2b(text.encode(), digest_size=16)
    for key, tensor in sorted(tensors.items()):
        found.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _plain(value: Any, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON; its tensors go to ``tensors``, and their keys stand for them."""
    if isinstance(value, Tensor):
        key = str(len(tensors))
        # A copy of its own, since safetensors refuses tensors that share memory.
        tensors[key] = value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        return {"tensor": key}
    if isinstance(value, dict):
        return {"pairs": [[_plain(k, tensors), _plain(v, tensors)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_plain(one, tensors) for one in value]}
    if isinstance(value, list):
        return [_plain(one, tensors) for one in value]
    if isinstance(value, _LEAVES):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _whole(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_plain`."""
    if isinstance(value, list):
        return [_whole(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_whole(one, tensors) for one in content)
    return {_whole(key, tensors): _whole(one, tensors) for key, one in content}
