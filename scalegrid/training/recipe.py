"""Optimiser and learning-rate schedule of a recipe, by timm's names."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from timm.optim._optim_factory import create_optimizer_v2, get_optimizer_class, list_optimizers
from timm.scheduler.scheduler_factory import create_scheduler_v2
from torch import nn
from torch.optim import Optimizer

from scalegrid.spec import Recipe
from scalegrid.training.held import DECAY, held_updates
from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean

SCHEDULES = ("onecycle", "wsd", "cosine", "tanh", "poly", "step", "multistep", "none")
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
    if recipe.schedule.lower() == "wsd" and recipe.warmup + DECAY > 1:
        raise UserError(
            f"--warmup {recipe.warmup:g} leaves wsd no room to hold its rate, which falls in the "
            f"last {100 * DECAY:g} % of the steps; choose at most {1 - DECAY:g}."
        )
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


def make_schedule(
    optimizer: Optimizer, recipe: Recipe, steps: int, *, rung: int = 1, first: int = 0
) -> Schedule:
    """The recipe's schedule over ``steps`` updates, of which the share ``warmup`` warms up.

    ``onecycle`` is torch's, at constant momentum. ``wsd`` warms up, holds the rate, and lets it
    fall as 1 − √t in the last `DECAY` of the updates (Hägele et al., "Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024, section 3); at a
    ``rung`` the warm-up is as long as at rung 1, and the rate is held for longer. Of it alone
    the update ``first`` may be another than 0. All others are timm's, with lengths that are
    shares of the training: ``step`` divides the rate by ten after each third, ``multistep`` after
    a half and three quarters; ``poly`` falls linearly.

    Raises:
        UserError: timm has no schedule of this name, or one that follows a metric.
    """
    name = recipe.schedule.lower()
    if name == "wsd":
        return _Held(optimizer, recipe, steps, rung, first)
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


class _Held:
    """Warm-up, hold, decay: the rate of an update depends on its number alone."""

    def __init__(
        self, optimizer: Optimizer, recipe: Recipe, steps: int, rung: int, first: int
    ) -> None:
        self._optimizer, self._peak = optimizer, recipe.learning_rate
        self._warm = round(recipe.warmup * (steps // rung))
        self._held, self._steps = held_updates(steps), steps
        self._updates = first
        self._set()

    def step(self) -> None:
        self._updates += 1
        self._set()

    def _set(self) -> None:
        rising = (self._updates + 1) / (self._warm + 1)
        fallen = max(0, self._updates + 1 - self._held) / (self._steps + 1 - self._held)
        for group in self._optimizer.param_groups:
            group["lr"] = self._peak * min(1.0, rising) * (1.0 - math.sqrt(fallen))


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
