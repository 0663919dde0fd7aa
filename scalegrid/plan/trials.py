"""From a plan to the descriptions of its trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalegrid.spec import Recipe
from scalegrid.training.trial import Trial, trial_id

if TYPE_CHECKING:
    from scalegrid.data import CachedData
    from scalegrid.plan.variants import Plan, Variant


def make_trial(plan: Plan, variant: Variant, seed: int, data: CachedData, recipe: Recipe) -> Trial:
    """The description of one trial: all that a worker needs to know.

    Args:
        plan: the sweep's plan.
        variant: the network.
        seed: of the training.
        data: the cached images.
        recipe: `Plan.recipe`, or a shorter one for measuring the speed.
    """
    spec = plan.spec
    return Trial(
        trial=trial_id(variant.variant, seed, data.fingerprint, recipe),
        variant=variant.variant,
        seed=seed,
        baseline=spec.baseline,
        depth=variant.depth,
        width=variant.width,
        resolution=variant.resolution,
        data=data,
        recipe=recipe,
        fast_depthwise=spec.fast_depthwise,
        compile=spec.compile,
        threads=spec.threads,
    )
