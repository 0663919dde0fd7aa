"""The number formats of a training: float32, or mixed with bfloat16 or float16 by autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from scalegrid.spec import Precision
from scalegrid.training.devices import number_format

_MIXED = {"bf16": torch.bfloat16, "fp16": torch.float16}


def total(device: torch.device) -> Tensor:
    """A sum that begins with 0, in float64 where the device has it."""
    kind = torch.float32 if device.type == "mps" else torch.float64
    return torch.zeros((), dtype=kind, device=device)


class Arithmetic:
    """How a training computes: by autocast unless in float32, with scaled losses in float16."""

    def __init__(self, precision: Precision, device: torch.device) -> None:
        self._kind, self._format = device.type, number_format(precision, str(device))
        self._scaler = torch.amp.GradScaler(enabled=self._format == "fp16")

    def autocast(self) -> AbstractContextManager[object]:
        """The context of forward passes."""
        mixed = _MIXED.get(self._format)
        return torch.autocast(self._kind, mixed) if mixed else nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of ``loss``, scaled where float16 would lose them."""
        torch.autograd.backward(self._scaler.scale(loss))

    def update(self, optimizer: Optimizer, clip_norm: float) -> None:
        """Unscale the gradients, limit their norm, and update; overflowed updates are skipped."""
        if clip_norm:
            self._scaler.unscale_(optimizer)
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """What is known of the scale of losses; empty where they are not scaled."""
        return dict(self._scaler.state_dict())

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with what `state` returned."""
        if state:
            self._scaler.load_state_dict(state)
