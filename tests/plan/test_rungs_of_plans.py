from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from light_sweep import light_plan, light_spec
from safetensors.torch import save_file

from scalegrid.executors import placement_for
from scalegrid.plan import Plan, later_trials, planned_trials, trial_works
from scalegrid.plan.rungs import (
    all_checkpoints_bytes,
    checkpoint_bytes,
    checkpoint_notes,
    rising_variants,
)
from scalegrid.progress.estimate import estimate_seconds
from scalegrid.spec import Recipe
from scalegrid.speed import remember_rate
from scalegrid.training.held import held_updates, rung_work
from scalegrid.training.recipe import make_optimizer

RUNGS = (1, 3, 9)


def plan(**settings: Any) -> Plan:
    """Of which one variant's cost is off."""
    made = light_plan(light_spec("results", **{"rungs": RUNGS, **settings}))
    *others, last = made.variants
    return replace(made, variants=(*others, replace(last, matched=False)))


def test_going_on_costs_the_updates_that_are_left() -> None:
    spec, brief = plan().spec, 1000
    for before, rung in ((0, 1), (1, 3), (3, 9)):
        left = rung * brief - (held_updates(before * brief) if before else 0)
        assert rung_work(spec.rungs, rung, goes_on=spec.continues) * brief == pytest.approx(left)
    assert rung_work(spec.rungs, 9, goes_on=False) == 9


def test_the_baseline_and_the_candidates_may_go_on() -> None:
    made = plan(seeds=2)
    assert rising_variants(made.variants, made.spec) == ["v000", "v001", "v002", "v003"]
    assert sorted(later_trials(made, 3)) == sorted(2 * ["v000", "v001", "v002", "v003"])
    assert not later_trials(made, 1)
    race = plan(max_trials=9)
    assert not later_trials(race, 3), "a race decides as it goes"
    assert planned_trials(race) == 5


def test_the_time_is_that_of_the_first_rung_and_at_most_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    made = plan(workers=1)
    remember_rate(made, placement_for(made.spec), 1e-6)
    works = trial_works(made)
    first = 1e-6 * sum(works.values())
    rising = 1e-6 * sum(works[v] for v in rising_variants(made.variants, made.spec))
    estimate = estimate_seconds(made)
    assert estimate.seconds == pytest.approx(first)
    assert estimate.most == pytest.approx(first + rising * (3 - 0.7 + 9 - 0.7 * 3))
    assert estimate_seconds(plan(workers=1, rungs=(1,))).most == pytest.approx(first)


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9}, {"optimizer": "adamw"}], ids=str)
def test_a_checkpoint_is_about_as_large_as_what_it_holds(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    made = plan(**settings)
    model = torch.nn.Linear(100, 49, bias=True)
    variant = replace(made.variants[0], params=sum(p.numel() for p in model.parameters()))
    optimizer = make_optimizer(model, Recipe(**settings))
    model(torch.ones(2, 100)).sum().backward()
    optimizer.step()
    tensors = dict(model.state_dict())
    if settings.get("ema_decay"):
        tensors |= {f"average {k}": v.clone() for k, v in model.state_dict().items()}
    for i, state in enumerate(optimizer.state.values()):
        tensors |= {f"{i} {k}": v for k, v in state.items() if torch.is_tensor(v)}
    save_file(tensors, tmp_path / "file")
    size = (tmp_path / "file").stat().st_size
    assert size < checkpoint_bytes(variant, made.spec) < 1.06 * size


def test_a_plan_says_when_not_all_checkpoints_can_be_kept() -> None:
    made = plan(seeds=5)
    needed = all_checkpoints_bytes(made.variants, made.spec)
    assert needed == 5 * 4 * checkpoint_bytes(made.variants[0], made.spec)
    assert not checkpoint_notes(made.variants, made.spec)
    less = made.spec.model_copy(update={"keep_checkpoints": 0.5 * needed / 1e9})
    (note,) = checkpoint_notes(made.variants, less)
    assert "0.00084 GB" in note
    assert "--keep-checkpoints allows for 0.00042" in note
    assert " GB: trials" in note
    scratch = less.model_copy(update={"rungs_from": "scratch"})
    assert not checkpoint_notes(made.variants, scratch)
