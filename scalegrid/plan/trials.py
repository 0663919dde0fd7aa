"""From a plan to its trials: what they are, how many, and how much work each is."""

from __future__ import annotations

from scalegrid.data import CachedData
from scalegrid.plan.plan import Plan
from scalegrid.plan.rungs import rising_variants
from scalegrid.plan.variants import Variant
from scalegrid.spec import Recipe
from scalegrid.training.trial import Trial, trial_id


def make_trial(
    plan: Plan, variant: Variant, seed: int, data: CachedData, recipe: Recipe, rung: int = 1
) -> Trial:
    """The description of one trial: all that a worker needs to know.

    Args:
        plan: the sweep's plan.
        variant: the network.
        seed: of the training.
        data: the cached images.
        recipe: `Plan.recipe_of` the variant, or another for finding a rate or measuring the speed.
        rung: the multiple of the recipe's epochs.
    """
    spec = plan.spec
    return Trial(
        trial=trial_id(variant.variant, seed, data.fingerprint, recipe, rung),
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
        depth_rounding=variant.depth_rounding,
        placement=variant.placement,
        threads=spec.threads,
        trainer=spec.trainer,
        kernel_limits=spec.kernel_limits,
        rung=rung,
    )


def planned_trials(plan: Plan) -> int:
    """How many trials a sweep has at rung 1; of a race the most it may have, or the first.

    The first too of a race over rungs. The check of the baseline takes two trials of it.
    """
    spec = plan.spec
    first = spec.seeds * len(plan.variants) + (spec.check_learning and spec.seeds == 1)
    if spec.max_trials is None:
        return first
    return spec.max_trials if len(spec.rungs) == 1 else min(first, spec.max_trials)


def later_trials(plan: Plan, rung: int) -> list[str]:
    """The variants of the trials at a higher rung, if all go on that may; one entry a trial.

    Of a race none: it decides as it goes.
    """
    spec = plan.spec
    if rung == 1 or spec.racing:
        return []
    return rising_variants(plan.variants, spec) * spec.seeds


def trial_work(activations: int, recipe: Recipe, num_train: int, num_val: int) -> float:
    """The work of a trial: activations times forward passes, a backward pass counting as two."""
    return float(activations) * recipe.epochs * (3 * num_train + num_val)


def trial_works(plan: Plan) -> dict[str, float]:
    """The `trial_work` of a trial of each variant at rung 1, by its id."""
    source, recipe = plan.source, plan.spec.recipe
    return {
        one.variant: trial_work(one.activations, recipe, source.num_train, source.num_val)
        for one in plan.variants
    }
