"""The number formats of a training: float32, mixed on CUDA."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def total(device: torch.device) -> Tensor:
    """A sum that begins with 0, in float64 where the device has it."""
    kind = torch.float32 if device.type == "mps" else torch.float64
    return torch.zeros((), dtype=kind, device=device)


class Precision:
    """Autocast to bfloat16 where the device computes in it, else to float16 with scaled losses.

    Elsewhere everything stays in float32, in which most CPUs convolve as fast as in any format.
    """

    def __init__(self, device: torch.device) -> None:
        self._mixed = device.type == "cuda"
        half = not self._mixed or not torch.cuda.is_bf16_supported(including_emulation=False)
        self._format = torch.float16 if half else torch.bfloat16
        self._scaler = torch.amp.GradScaler(enabled=self._mixed and half)

    def autocast(self) -> AbstractContextManager[object]:
        """The context of forward passes."""
        return torch.autocast("cuda", self._format) if self._mixed else nullcontext()

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
