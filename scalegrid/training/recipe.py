"""Optimiser and learning-rate schedule of a recipe, by timm's names."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from timm.optim._optim_factory import create_optimizer_v2, get_optimizer_class, list_optimizers
from timm.scheduler.scheduler_factory import create_scheduler_v2
from torch import nn
from torch.optim import Optimizer

from scalegrid.spec import Recipe
from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean

SCHEDULES = ("onecycle", "cosine", "tanh", "poly", "step", "multistep", "none")
"""The names to suggest; any other schedule that timm can step by update works as well."""

_STEP = 1 / 3  # after each such share of the training `step` divides the rate by ten
_MILESTONES = (1 / 2, 3 / 4)  # shares after each of which `multistep` divides it by ten


class Schedule(Protocol):
    """Sets an optimiser's learning rates."""

    def step(self) -> None:
        """Set the rates of the next update; called between one update and the next."""


def check_recipe(recipe: Recipe) -> None:
    """Try optimiser and schedule on a network of one layer, which takes milliseconds.

    Raises:
        UserError: one of them does not exist, or cannot be used here.
    """
    optimizer = make_optimizer(nn.Linear(4, 4), recipe)
    make_schedule(optimizer, recipe, steps=100)


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser; parameters with fewer than two axes (norms, biases) do not decay.

    Raises:
        UserError: timm has no optimiser of this name, or it cannot be used here.
    """
    name = recipe.optimizer.lower()
    known = [str(name) for name in list_optimizers()]
    if name not in known:
        raise UserError(f"unknown optimizer {name!r}: {_hint(name, known)}use one of timm's.")
    try:
        optimizer: Optimizer = create_optimizer_v2(
            model, name, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, **_fused(name)
        )
    except (AssertionError, ImportError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise UserError(
            f"the optimizer {name!r} cannot be used here: {reason}; choose another."
        ) from error
    if getattr(optimizer, "is_second_order", False):
        raise UserError(
            f"the optimizer {name!r} needs second derivatives, which brief trainings do not "
            "compute; choose another."
        )
    return optimizer


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> Schedule:
    """The recipe's schedule over ``steps`` updates, of which the share ``warmup`` warms up.

    ``onecycle`` is torch's, at constant momentum. All others are timm's, with lengths that are
    shares of the training: ``step`` divides the rate by ten after each third, ``multistep`` after
    a half and three quarters; ``poly`` falls linearly.

    Raises:
        UserError: timm has no schedule of this name, or one that follows a metric.
    """
    name = recipe.schedule.lower()
    if name == "onecycle":
        # torch divides by zero when exactly one update warms up.
        share = 2 / steps if recipe.warmup * steps == 1 else recipe.warmup
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, steps, pct_start=share, cycle_momentum=False
        )
    try:
        scheduler, _ = create_scheduler_v2(
            optimizer,
            name,
            num_epochs=steps,
            warmup_epochs=round(recipe.warmup * steps),
            decay_epochs=max(1, round(_STEP * steps)),
            decay_milestones=[round(share * steps) for share in _MILESTONES],
            decay_rate=1.0 if name == "poly" else 0.1,
            step_on_epochs=False,
            updates_per_epoch=1,
        )
    except (AssertionError, ValueError) as error:
        scheduler, reason = None, str(error).rstrip(".")
    else:
        reason = "timm has no schedule of this name"
    if scheduler is None and name != "none":
        raise UserError(
            f"unknown schedule {name!r}: {_hint(name, SCHEDULES)}use onecycle, or one of timm's "
            f"that steps by update ({reason})."
        )
    return _PerUpdate(scheduler)


class _PerUpdate:
    """A timm scheduler, or None for a constant rate, that counts the updates itself."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._updates = 0

    def step(self) -> None:
        self._updates += 1
        if self._scheduler is not None:
            self._scheduler.step_update(self._updates)


def _fused(name: str) -> dict[str, Any]:
    """One kernel for all parameters, where the optimiser has it: the fastest on every device."""
    optimizer = get_optimizer_class(name, bind_defaults=False)
    return {"fused": True} if "fused" in inspect.signature(optimizer).parameters else {}


def _hint(name: str, known: Sequence[str]) -> str:
    hint = did_you_mean(name, known)
    return hint and f"{hint} "
