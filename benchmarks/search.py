"""How many trainings a searcher needs: ``python -m benchmarks.search``.

*Simulated landscapes* over the space ``nano``: a network's accuracy is a sum of an effect of each
choice, and of pairs of choices of a stage or of neighbouring stages, which have a quarter of the
variance; a trial adds noise. The standard deviation between networks is `SPREAD`, and the noise
that of `nano`'s trials on CIFAR-10 (``results/published/nano-cifar10-32``: 0.86 points). FLOPs,
window and objective are real. The searchers are those of ``scalegrid search``, with eight networks
in training at once.

*A real table*, ``results/published/search-nano``, where it is there: a random search of at least
100 networks. ``--train`` makes it, and goes on where it was stopped; about a minute a network on
one core. What a searcher suggests is answered by the network of the table nearest in its choices
that it has not had, and it is told that one's point and objective.

Counted are the trials until a network has been trained that is truly in the top 1 %: of the
networks within the window, or the best hundredth of the table by its one training. Random search
needs (N + 1) / (K + 1) on average for one of K of N. Where none is trained in time, the limit is
counted, which is in the searcher's favour and is said (``never``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.timing import bounded, publish
from scalegrid.progress import display_for
from scalegrid.search.run import run_search
from scalegrid.search.searcher import Searcher, Suggestion
from scalegrid.search.space import Point, Space, Value, read_space
from scalegrid.search.spec import Name, SearchSpec
from scalegrid.search.tables import SearchTables, load_search
from scalegrid.util.errors import UserError

SPREAD, NOISE = 0.025, 0.0086
MOST = 300
AHEAD = 8
TOP = 0.01
TARGET, WINDOW, EXPONENT = 1.8e6, (0.5, 2.0), -0.07
COMPARED: tuple[Name, ...] = ("evolution", "tpe")

TABLE = "search-nano"
_POOL = 3000  # random networks within the window, of which the top 1 % is taken
_ATTEMPTS = 50

Choices = Mapping[str, Sequence[Value]]


class Answer(NamedTuple):
    """What a searcher is told of a network, and whether that is truly among the best."""

    point: Point
    value: float
    good: bool


class World(Protocol):
    """Where a search is played."""

    choices: Choices
    most: int

    def answer(self, point: Point) -> Answer | None:
        """What the training of a suggestion comes to; None where it is not trained."""


class Landscape:
    """Accuracies of the networks of a space, drawn at random; a search with a seed in it."""

    def __init__(self, seed: int, most: int = MOST) -> None:
        self.space = read_nano()
        self.choices: Choices = self.space.choices
        self.most = most
        draw = np.random.default_rng([seed, 1])
        stages = {name: int(name.split(".")[0]) for name in self.choices}
        self._alone = {name: draw.normal(size=len(own)) for name, own in self.choices.items()}
        self._pairs = {
            (one, other): draw.normal(size=(len(self.choices[one]), len(self.choices[other])))
            for i, one in enumerate(self.choices)
            for other in list(self.choices)[i + 1 :]
            if stages[other] - stages[one] <= 1
        }
        self._weights = [
            SPREAD * math.sqrt(part / len(effects))
            for part, effects in ((0.75, self._alone), (0.25, self._pairs))
        ]
        self._noise = np.random.default_rng([seed, 2])
        self._seen: set[tuple[str, ...]] = set()
        worths = [self.worth(point, cost) for point, cost in pool()]
        self._good = float(np.quantile(worths, 1 - TOP))

    def worth(self, point: Point, cost: float) -> float:
        """The objective without noise."""
        at = {name: values.index(point[name]) for name, values in self.choices.items()}
        alone = sum(float(effect[at[name]]) for name, effect in self._alone.items())
        pairs = sum(float(table[at[a], at[b]]) for (a, b), table in self._pairs.items())
        accuracy = 0.5 + self._weights[0] * alone + self._weights[1] * pairs
        return float(accuracy * (cost / TARGET) ** EXPONENT)

    def answer(self, point: Point) -> Answer | None:
        """With noise, of a new network within the window."""
        strings = self.space.strings(point)
        if strings in self._seen or not within(cost := flops(point)):
            return None
        self._seen.add(strings)
        worth = self.worth(point, cost)
        return Answer(point, worth + NOISE * self._noise.normal(), worth >= self._good)


class Table:
    """A random search that has been trained, played again."""

    def __init__(self, tables: SearchTables, seed: int) -> None:
        sampled = tables.sampled
        self.points = [json.loads(text) for text in sampled["point"]]
        self.values = sampled["value"].to_numpy()
        self.choices: Choices = read_space(tables.spec.space).choices
        self.most = len(self.points)
        self._good = self.values >= np.sort(self.values)[-good_of(self.most)]
        self._left = list(range(self.most))
        self._draw = np.random.default_rng([seed, 3])

    def answer(self, point: Point) -> Answer:
        """Of the nearest network left; of several a random one."""
        apart = [
            sum(value != self.points[i][name] for name, value in point.items()) for i in self._left
        ]
        nearest = np.flatnonzero(np.array(apart) == min(apart))
        chosen = self._left.pop(int(self._draw.choice(nearest)))
        return Answer(self.points[chosen], float(self.values[chosen]), bool(self._good[chosen]))


def good_of(networks: int) -> int:
    """How many of a table are its top 1 %."""
    return max(1, round(TOP * networks))


def flops(point: Point) -> float:
    """The FLOPs of a network of the space nano, of ten classes."""
    return float(read_nano().cost(point, 10).flops)


@cache
def read_nano() -> Space:
    """The space of the landscapes."""
    return read_space("nano")


@cache
def pool() -> list[tuple[Point, float]]:
    """Random networks within the window, and their FLOPs."""
    draw, found = np.random.default_rng(0), list[tuple[Point, float]]()
    choices = read_nano().choices
    while len(found) < _POOL:
        point = {name: own[int(draw.integers(len(own)))] for name, own in choices.items()}
        cost = flops(point)
        if within(cost):
            found.append((point, cost))
    return found


def within(cost: float) -> bool:
    """Whether a network of this cost is trained."""
    return WINDOW[0] <= cost / TARGET <= WINDOW[1]


def trials(world: World, name: Name, seed: int) -> int | None:
    """Trials until one of the best has been trained; None where that does not happen."""
    searcher = Searcher(name, world.choices, seed)
    made: list[tuple[Suggestion, float]] = []
    for number in range(world.most):
        if number >= AHEAD:
            suggestion, value = made[number - AHEAD]
            searcher.tell(suggestion, (value,))
        for attempt in range(_ATTEMPTS):
            suggestion = searcher.suggest(number, attempt)
            if (answer := world.answer(suggestion.point)) is not None:
                break
        else:
            return None
        if answer.good:
            return number + 1
        made.append((Suggestion(answer.point, suggestion.generation), answer.value))
    return None


class Needed(NamedTuple):
    """Trials that searches needed: the mean, half its 95 % interval, the median; the failures."""

    mean: float
    error: float
    median: float
    never: int


def needed(worlds: Sequence[World], name: Name) -> Needed:
    """The trials of a searcher in worlds of equal kind, each with a seed of its own."""
    found = [trials(world, name, seed) for seed, world in enumerate(worlds)]
    counted = np.array([w.most if n is None else n for n, w in zip(found, worlds, strict=True)])
    error = 1.96 * counted.std(ddof=1) / math.sqrt(len(counted))
    return Needed(counted.mean(), error, float(np.median(counted)), found.count(None))


def rows(
    kind: str, make: Callable[[int], World], seeds: Sequence[int], random: float
) -> Iterator[dict[str, object]]:
    """The table of worlds of a kind, in which random search needs so many trials on average.

    Every searcher gets worlds of its own, which have no memory of another's trials.
    """
    yield _row(kind, "random", Needed(random, 0.0, math.nan, 0), random)
    for name in COMPARED:
        yield _row(kind, name, needed([make(seed) for seed in seeds], name), random)


def _row(kind: str, name: Name, found: Needed, random: float) -> dict[str, object]:
    return {
        "world": kind,
        "searcher": name,
        "trials": f"{found.mean:.0f}" + (f" ± {found.error:.0f}" if found.error else ""),
        "median": "–" if math.isnan(found.median) else f"{found.median:.0f}",
        "never": found.never,
        "of random's": f"{found.mean / random:.2f}",
    }


def train(results: Path, data: str, networks: int) -> None:
    """The real table: a random search of the space nano; run again, it goes on."""
    settings: dict[str, Any] = {}
    if data == "cifar10":
        settings = {"train_images": 25_000, "val_images": 5000}
    spec = SearchSpec(
        space="nano",
        target="1.8M",
        data=data,
        name=TABLE,
        results=str(results),
        trials=networks,
        finalists=1,
        searcher="random",
        resolution=32,
        batch_size=32,
        **settings,
    )
    run_search(spec, display=display_for(sys.stderr))


def main() -> None:
    """Play, or train the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=bounded(int, 1), default=40, help="searches for each number")
    parser.add_argument("--results", type=Path, default=Path("results/published"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--train", action="store_true", help="make the real table, or go on")
    parser.add_argument("--data", default="cifar10", help="data of the real table")
    parser.add_argument("--networks", type=bounded(int, 2), default=200, help="of the real table")
    given = parser.parse_args()
    if given.train:
        train(given.results, given.data, given.networks)
        return
    seeds = range(given.runs)
    found = list(rows("simulated", Landscape, seeds, 1 / TOP))
    try:
        tables = load_search(TABLE, given.results)
        count = len(tables.sampled)
        random = (count + 1) / (good_of(count) + 1)
        found += rows(f"{count} trained", partial(Table, tables), seeds, random)
    except UserError as error:
        print(f"no real table: {error}", file=sys.stderr)
    publish("search", found, given.out)


if __name__ == "__main__":
    main()
