"""What `import scalegrid` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import scalegrid


@pytest.mark.parametrize("name", scalegrid.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(scalegrid, name)
    assert name in dir(scalegrid)
    assert name == "__version__" or found.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        scalegrid.sweeep  # noqa: B018


def test_importing_it_imports_no_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import scalegrid;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["scalegrid"]


def test_a_sweep_in_python_ends_in_a_recommendation(tmp_path: object) -> None:
    spec = scalegrid.SweepSpec(
        baseline="nano",
        resolution=16,
        results=str(tmp_path),
        device="cpu",
        train_images=32,
        val_images=32,
        epochs=1,
        candidates=4,
        seeds=2,
        workers=1,
    )
    plan = scalegrid.make_plan(spec)
    assert plan.variants[0].role == "baseline"
    outcome = scalegrid.run_sweep(spec, measure_rate=False)
    assert (outcome.trained, outcome.exit_status) == (2 * len(plan.variants), 0)
    sweep = scalegrid.load_sweep(outcome.name, str(tmp_path))
    best = scalegrid.recommend(sweep.planned, sweep.trials).best
    assert best.variant in {variant.variant for variant in plan.variants}
