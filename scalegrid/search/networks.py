"""A sampled network: its point, what it is as a baseline, and what it costs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from scalegrid.baselines import Layout, get, network_id
from scalegrid.cost import Cost, Costs
from scalegrid.data import CachedData, Source
from scalegrid.plan.variants import channels, layers
from scalegrid.results.schema import Row
from scalegrid.search.objective import Kind
from scalegrid.search.searcher import Suggestion
from scalegrid.search.space import Space
from scalegrid.search.spec import SearchSpec
from scalegrid.training.trial import Trial, trial_id

SEED = 0
"""Of the trainings of sampled networks; finalists are raced by others."""


@dataclass(frozen=True)
class Network:
    """One sampled network.

    ``number`` is its place in the order of sampling; before it ``outside`` suggestions were outside
    the window, and ``repeated`` ones sampled before. ``definition`` is JSON that
    `scalegrid.baselines.get` reads. ``cost`` is what the objective counts, and ``counted`` its
    FLOPs, parameters and activations at the space's ``resolution``; ``trained`` are those at the
    resolution that it is trained at.
    """

    number: int
    variant: str
    suggestion: Suggestion
    definition: str
    cost: float
    resolution: int
    counted: Cost
    trained: Cost
    outside: int = 0
    repeated: int = 0

    @cached_property
    def layout(self) -> Layout:
        """The layer table."""
        return get(self.definition).layout(1.0, 1.0)

    @property
    def flops(self) -> int:
        """FLOPs of one image as it is trained."""
        return self.trained.flops

    @property
    def params(self) -> int:
        """Parameters."""
        return self.trained.params

    def row(self) -> Row:
        """Its row of ``networks.parquet``."""
        return {
            "number": self.number,
            "variant": self.variant,
            "point": json.dumps(dict(self.suggestion.point)),
            "definition": self.definition,
            "generation": self.suggestion.generation,
            "outside": self.outside,
            "repeated": self.repeated,
            "cost": self.cost,
            "resolution": self.resolution,
            **self.counted._asdict(),
            "layers": layers(self.layout),
            "channels": channels(self.layout),
        }


def stored_network(row: Row) -> Network:
    """The network of a stored row; ``trained`` as its costs at its own resolution."""
    counted = Cost(row["flops"], row["params"], row["activations"])
    same = ("number", "variant", "definition", "cost", "resolution", "outside", "repeated")
    return Network(
        suggestion=Suggestion(json.loads(row["point"]), row["generation"]),
        counted=counted,
        trained=counted,
        **{key: row[key] for key in same},
    )


class Job(NamedTuple):
    """A network to train, a seed, and the rung."""

    network: Network
    seed: int = SEED
    rung: int = 1


class Maker:
    """Makes networks of a space, for a specification and its data."""

    def __init__(self, spec: SearchSpec, space: Space, source: Source) -> None:
        self._spec, self._space, self._source = spec, space, source
        self._kind: Kind = spec.objective.target.kind
        self._costs: dict[str, float] = {}

    def define(self, suggestion: Suggestion) -> str:
        """The definition of a point's network, as JSON; equal ones are one network."""
        return self._space.definition(suggestion.point, self._spec.resolution).model_dump_json()

    def cost(self, definition: str) -> float:
        """The cost that the objective counts; a latency, in seconds, is measured once."""
        if definition not in self._costs:
            px = self._space.resolution
            self._costs[definition] = (
                latency(definition, px, self._source, self._spec)
                if self._kind == "latency"
                else float(getattr(self._counted(definition, px), self._kind))
            )
        return self._costs[definition]

    def make(
        self,
        number: int,
        suggestion: Suggestion,
        definition: str,
        cost: float,
        *,
        outside: int = 0,
        repeated: int = 0,
    ) -> Network:
        """The network of a suggestion; arguments are fields of `Network`."""
        px = int(self._spec.resolution or 0)
        baseline = get(definition)
        return Network(
            number=number,
            variant=network_id(baseline, baseline.layout(1.0, 1.0), px, self._source.channels),
            suggestion=suggestion,
            definition=definition,
            cost=cost,
            resolution=self._space.resolution,
            counted=self._counted(definition, self._space.resolution),
            trained=self._counted(definition, px),
            outside=outside,
            repeated=repeated,
        )

    def read(self, row: Row) -> Network:
        """The network of a stored row."""
        trained = self._counted(row["definition"], int(self._spec.resolution or 0))
        return replace(stored_network(row), trained=trained)

    def trial(self, job: Job, data: CachedData) -> Trial:
        """The training of a network."""
        spec, network = self._spec, job.network
        return Trial(
            trial=trial_id(network.variant, job.seed, data.fingerprint, spec.recipe, job.rung),
            variant=network.variant,
            seed=job.seed,
            rung=job.rung,
            baseline=network.definition,
            depth=1.0,
            width=1.0,
            resolution=int(spec.resolution or 0),
            data=data,
            recipe=spec.recipe,
            fast_depthwise=spec.fast_depthwise,
            kernel_limits=spec.kernel_limits,
            compile=spec.compile,
            threads=spec.threads,
        )

    def _counted(self, definition: str, px: int) -> Cost:
        costs = Costs(get(definition), self._source.num_classes, self._source.channels)
        return costs.of(1.0, 1.0, px)


def latency(definition: str, px: int, source: Source, spec: SearchSpec) -> float:
    """The median time of an inference of one image in seconds, on this machine."""
    import statistics

    from scalegrid.cost.latency import seconds
    from scalegrid.training.devices import find_devices

    model = get(definition).build(1.0, 1.0, source.num_classes, in_chans=source.channels)
    device = find_devices(spec.device)[0]
    [sample] = seconds([model], [(source.channels, px, px)], device, spec.threads)
    return statistics.median(sample)
