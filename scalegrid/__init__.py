"""Compound-scaling coefficients for a vision backbone, by grid search at equal cost.

Everything a program needs is here; each name is imported from its room on first use, so
``import scalegrid`` is quick:

```python
from scalegrid import SweepSpec, load_sweep, recommend, run_sweep

if __name__ == "__main__":  # workers are processes of their own that import this file
    outcome = run_sweep(SweepSpec(baseline="nano"))
    sweep = load_sweep(outcome.name)
    print(recommend(sweep.planned, sweep.trials).best)
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scalegrid.util.version import __version__

if TYPE_CHECKING:
    from scalegrid.analysis import Comparison, Recommendation, compare, recommend
    from scalegrid.baselines import Baseline
    from scalegrid.baselines import get as get_baseline
    from scalegrid.coefficients import Coefficients
    from scalegrid.family import make_family
    from scalegrid.figures import draw
    from scalegrid.importing import import_trials
    from scalegrid.plan import Plan, Variant, make_plan
    from scalegrid.progress import display_for
    from scalegrid.results import SweepTables, load_sweep
    from scalegrid.rounds import SweepOutcome
    from scalegrid.search.run import SearchOutcome, run_search
    from scalegrid.search.spec import SearchSpec
    from scalegrid.search.tables import SearchTables, load_search
    from scalegrid.spec import Recipe, SweepSpec
    from scalegrid.sweep import run_sweep
    from scalegrid.training import TrainerTrial
    from scalegrid.util.errors import UserError

# The room of each name, and what it is called there if that differs.
_ROOMS = {
    "Baseline": "baselines",
    "Coefficients": "coefficients",
    "Comparison": "analysis",
    "Plan": "plan",
    "Recipe": "spec",
    "Recommendation": "analysis",
    "SearchOutcome": "search.run",
    "SearchSpec": "search.spec",
    "SearchTables": "search.tables",
    "SweepOutcome": "rounds",
    "SweepSpec": "spec",
    "SweepTables": "results",
    "TrainerTrial": "training",
    "UserError": "util.errors",
    "Variant": "plan",
    "compare": "analysis",
    "display_for": "progress",
    "draw": "figures",
    "get_baseline": "baselines:get",
    "import_trials": "importing",
    "load_search": "search.tables",
    "load_sweep": "results",
    "make_family": "family",
    "make_plan": "plan",
    "recommend": "analysis",
    "run_search": "search.run",
    "run_sweep": "sweep",
}

__all__ = [
    "Baseline",
    "Coefficients",
    "Comparison",
    "Plan",
    "Recipe",
    "Recommendation",
    "SearchOutcome",
    "SearchSpec",
    "SearchTables",
    "SweepOutcome",
    "SweepSpec",
    "SweepTables",
    "TrainerTrial",
    "UserError",
    "Variant",
    "__version__",
    "compare",
    "display_for",
    "draw",
    "get_baseline",
    "import_trials",
    "load_search",
    "load_sweep",
    "make_family",
    "make_plan",
    "recommend",
    "run_search",
    "run_sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room, _, attribute = _ROOMS[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{room}"), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
