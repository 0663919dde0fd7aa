"""From what the user gave of a search to what it needs: px, epochs, a rate, a name."""

from __future__ import annotations

from scalegrid.data import Source
from scalegrid.plan.resolve import check_training, default_rate, held_schedule, slug, with_epochs
from scalegrid.search.space import Space, check_sides
from scalegrid.search.spec import SearchSpec
from scalegrid.util.errors import UserError


def resolved(spec: SearchSpec, space: Space, source: Source, workers: int) -> SearchSpec:
    """The specification with the defaults that depend on others.

    Raises:
        UserError: the race is too short; images are too small for the space, there is no such
            optimiser or schedule, or trainings cannot go on to a higher rung by it.
    """
    raced = min(spec.finalists, spec.trials)
    if spec.race_trials < raced > 1:
        raise UserError(
            f"a race of {raced} finalists takes a training of each at least; give --race-trials "
            f"{raced} or more, or fewer --finalists."
        )
    px = spec.resolution or space.brief_resolution
    check_sides(space, px)
    spec = spec.model_copy(update=held_schedule(spec))
    check_training(spec)
    name = f"search-{slug(space.name)}-{slug(spec.data)}-{px}"
    flops = space.cost({}, source.num_classes, source.channels, px).flops
    flip = source.mirror if spec.flip is None else spec.flip
    update = {"resolution": px, "name": spec.name or name, "flip": flip, **default_rate(spec)}
    update["ahead"] = max(spec.ahead, workers)
    return with_epochs(spec, source, flops).model_copy(update=update)


def going_on(given: SearchSpec, spec: SearchSpec, stored: SearchSpec) -> SearchSpec:
    """The specification of a run that goes on with a stored search: what is not given holds.

    ``spec`` is ``given`` resolved. How far ahead it samples stays as it was, since that decides
    which networks are sampled.
    """
    return spec.going_on(given, stored).model_copy(update={"ahead": stored.ahead})
