"""From a specification to distinct variants of equal measured cost, before any training.

`resolve` fills in defaults and opens the data; `realisable` enumerates the networks that rounding
leaves; `matched` and `classic` choose among them; `variants` describes what was chosen, `plan` is
all of it, `memory` what a training step of each takes, `trials` what is to be trained, and `rungs`
what going on to higher rungs takes.
"""

from scalegrid.plan.memory import memory_of
from scalegrid.plan.picks import ROLES
from scalegrid.plan.plan import Plan, classic_plan, make_plan
from scalegrid.plan.resolve import open_data, resolve
from scalegrid.plan.trials import (
    later_trials,
    make_trial,
    planned_trials,
    trial_work,
    trial_works,
)
from scalegrid.plan.variants import Variant

__all__ = [
    "ROLES",
    "Plan",
    "Variant",
    "classic_plan",
    "later_trials",
    "make_plan",
    "make_trial",
    "memory_of",
    "open_data",
    "planned_trials",
    "resolve",
    "trial_work",
    "trial_works",
]
