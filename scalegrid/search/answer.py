"""What a search has found: the winner, how sure that is, and what it was chosen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from scalegrid.baselines import get, layer_table
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.baselines.blockstring import Block, read_block
from scalegrid.results.schema import Row
from scalegrid.search.finals import Answered, chances
from scalegrid.search.networks import SEED, Network
from scalegrid.search.objective import Objective
from scalegrid.search.space import Space
from scalegrid.search.spec import SearchSpec
from scalegrid.util.text import percent, plural

FOUND_FILE = "found.yaml"
"""The winner as a baseline, in the folder of its search."""

BESIDE = "b0"
"""The baseline whose layer table is shown beside the winner's."""


@dataclass(frozen=True)
class Finalist:
    """A network that was raced.

    ``accuracy`` is the mean top-1 of its ``trials`` at a ``rung``, a share: of the race, without
    the training by which it was chosen; of that one where there was no race. The rung is the
    highest that two finalists have reached, or that it has reached itself, and ``brief`` the mean
    at the first. ``value`` is the objective, and ``best`` the probability that it is the best of
    the finalists; None without a race.
    """

    network: Network
    accuracy: float
    trials: int
    value: float
    best: float | None
    brief: float
    rung: int = 1

    @property
    def values(self) -> dict[str, Any]:
        """It as numbers, for programs; the cost is in FLOPs, parameters or seconds."""
        network = {"network": self.network.number + 1, "variant": self.network.variant}
        raced = {"rung": self.rung, "seeds": self.trials, "top1": self.accuracy}
        last = {"objective": self.value, "best": self.best}
        return {**network, "cost": self.network.cost, **raced, **last}


def ranked(
    networks: Sequence[Network], accuracies: Mapping[str, float], objective: Objective
) -> list[Network]:
    """The networks that have an accuracy, the best objective first."""
    done = [one for one in networks if one.variant in accuracies]
    return sorted(done, key=lambda one: -objective.value(accuracies[one.variant], one.cost))


def finalists_of(
    spec: SearchSpec, chosen: Sequence[Network], trials: Sequence[Row], answers: Answered
) -> list[Finalist]:
    """The finalists, the winner first.

    That is the one that is most probably best, of those at the highest rung that two have reached;
    without a race the first. ``answers`` are those of the race.
    """
    best, highest = chances(spec, chosen, trials, answers)
    found = []
    for network in chosen:
        finished = [
            row
            for row in trials
            if row["variant"] == network.variant
            and row["status"] == "finished"
            and row["rung"] <= highest
        ]
        own = [row for row in finished if row["seed"] > SEED] or finished
        rung = max(row["rung"] for row in own)
        top1 = [row["top1"] for row in own if row["rung"] == rung]
        brief = fmean(row["top1"] for row in own if row["rung"] == 1)
        value = spec.objective.value(fmean(top1), network.cost)
        chance = best.get(network.variant)
        found.append(Finalist(network, fmean(top1), len(top1), value, chance, brief, rung))
    if not best:
        return found
    return sorted(found, key=lambda one: (-one.rung, -(one.best or 0.0), -one.value))


def front(networks: Sequence[Network], accuracies: Mapping[str, float]) -> list[Network]:
    """Those that no other network beats in accuracy and cost at once, the least cost first."""
    best, chosen = -1.0, []
    done = [network for network in networks if network.variant in accuracies]
    for network in sorted(done, key=lambda one: (one.cost, -accuracies[one.variant])):
        if accuracies[network.variant] > best:
            best = accuracies[network.variant]
            chosen.append(network)
    return chosen


def sentences(
    spec: SearchSpec, space: Space | None, found: Sequence[Finalist], networks: Sequence[Network]
) -> list[str]:
    """What was found, how sure that is, and what it was chosen from."""
    winner, target = found[0], spec.objective.target
    sure = ""
    if winner.best is not None:
        sure = f", the best of {len(found)} finalists with probability {percent(winner.best)}"
    seeds = plural(winner.trials, "seed") + (f" at {winner.rung}×" if winner.rung > 1 else "")
    if winner.best is None:
        seeds += ", by which it was chosen: in part it is luck"
    low, high = (target.shown(bound) for bound in spec.objective.bounds)
    size = "" if space is None else f", {space.size:,} networks"
    outside = sum(network.outside for network in networks)
    return [
        f"Found: network {winner.network.number + 1} of {len(networks)}{sure}.",
        f"Its cost: {target.shown(winner.network.cost)} at {winner.network.resolution} px, "
        f"{winner.network.params:,} parameters.",
        f"Its top-1: {100 * winner.accuracy:.2f} % ({seeds}); "
        f"{spec.objective}: {100 * winner.value:.2f} %.",
        f"Space: {spec.space}{size}; {plural(outside, 'suggestion')} outside "
        f"{low} to {high} cost nothing.",
    ]


def rows(found: Sequence[Finalist], spec: SearchSpec) -> list[dict[str, Any]]:
    """The finalists as a table for people; with their rungs where there are several."""
    rungs = any(one.rung > 1 for one in found)
    return [
        {
            "network": one.network.number + 1,
            "variant": one.network.variant,
            "cost": spec.objective.target.shown(one.network.cost),
            "seeds": one.trials,
            **({"rung": f"{one.rung}×"} if rungs else {}),
            "top-1": f"{100 * one.accuracy:.2f} %",
            "objective": f"{100 * one.value:.2f} %",
            "best": "–" if one.best is None else percent(one.best),
        }
        for one in found
    ]


def front_rows(
    spec: SearchSpec, chosen: Sequence[Network], accuracies: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The front as a table for people; accuracies are of one training each."""
    return [
        {
            "front": one.number + 1,
            "variant": one.variant,
            "cost": spec.objective.target.shown(one.cost),
            "top-1": f"{100 * accuracies[one.variant]:.2f} %",
        }
        for one in chosen
    ]


def beside(network: Network) -> list[dict[str, Any]]:
    """The layer table of a network beside that of `BESIDE`, for people."""
    tables = {"found": _layers(network.definition), BESIDE: _layers(BESIDE)}
    length = max(map(len, tables.values()))
    columns = {
        title: [*cells, *[""] * (length - len(cells))]
        for name, rows in tables.items()
        for title, cells in zip(
            (name, f"{name} channels", f"{name} layers"), zip(*rows, strict=True), strict=True
        )
    }
    return [
        {"stage": number + 1, **{title: cells[number] for title, cells in columns.items()}}
        for number in range(length)
    ]


def _layers(name: str) -> list[tuple[str, str, str]]:
    """Operator, with squeeze-and-excitation and skips, channels and layers of each row."""
    baseline = get(name)
    assert isinstance(baseline, BlockBaseline)
    blocks = [read_block(string) for strings in baseline.stages for string in strings]
    notes = ["", *map(_note, blocks), ""]
    return [
        (f"{row.operator}{note}", str(row.channels), str(row.layers))
        for row, note in zip(layer_table(baseline), notes, strict=True)
    ]


def _note(block: Block) -> str:
    """What the layer table leaves open: ``, SE, no skip``."""
    parts = ["SE"] if block.squeeze else []
    if block.kind != "cn" and "noskip" in block.string:
        parts.append("no skip")
    if block.kind == "cn" and "_skip" in block.string:
        parts.append("skip")
    return "".join(f", {part}" for part in parts)
