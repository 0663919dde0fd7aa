"""A search as it is on disk, for pictures and notebooks: what was sampled, and what was found."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalegrid.results.loading import SEARCH_FILE, SPEC_FILE, SweepTables, load_sweep, sweep_folder
from scalegrid.search.answer import Finalist, finalists_of, ranked, sentences
from scalegrid.search.finals import Answered
from scalegrid.search.networks import SEED, Network, stored_network
from scalegrid.search.space import read_space
from scalegrid.search.spec import SearchSpec
from scalegrid.search.store import read_search
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SearchTables:
    """The tables of a search, finished or running; columns are those of `results.schema`."""

    folder: Path
    spec: SearchSpec
    networks: pd.DataFrame
    trials: pd.DataFrame
    answers: Answered

    @property
    def first(self) -> pd.DataFrame:
        """The trials of the search itself, one a network; the others are the race's."""
        rows: pd.DataFrame = self.trials[self.trials["seed"] == SEED]
        return rows

    @cached_property
    def sampled(self) -> pd.DataFrame:
        """The networks whose training by the search has finished, in the order of sampling.

        Columns are those of networks, ``top1``, a share, and the objective as ``value``.

        Raises:
            UserError: there are less than two.
        """
        made = self.first[self.first["status"] == "finished"]
        joined = self.networks.merge(made[["variant", "top1"]], on="variant").sort_values("number")
        if len(joined) < 2:
            raise UserError(f"{self.folder.name} has no two trained networks yet.")
        pairs = zip(joined["top1"], joined["cost"], strict=True)
        values = [self.spec.objective.value(accuracy, cost) for accuracy, cost in pairs]
        sampled: pd.DataFrame = joined.assign(value=values).reset_index(drop=True)
        return sampled

    @cached_property
    def finalists(self) -> list[Finalist]:
        """The best networks, the winner first."""
        rows: list[Any] = self.trials.to_dict("records")
        accuracies = dict(zip(self.sampled["variant"], self.sampled["top1"], strict=True))
        chosen = ranked(self.every, accuracies, self.spec.objective)[: self.spec.finalists]
        return finalists_of(self.spec, chosen, rows, self.answers)

    @cached_property
    def every(self) -> list[Network]:
        """All sampled networks."""
        stored: list[Any] = self.networks.to_dict("records")
        return [stored_network(row) for row in stored]

    @property
    def answer(self) -> list[str]:
        """What `scalegrid search` says of them; of a space whose file is gone its name alone."""
        space = None
        with suppress(UserError):
            space = read_space(self.spec.space)
        return sentences(self.spec, space, self.finalists, self.every)

    @property
    def found(self) -> Network:
        """The winner so far."""
        return self.finalists[0].network


def load_search(name: str | None, results: Path | str = "results") -> SearchTables:
    """Read the tables of a search; of the newest when ``name`` is None.

    Raises:
        UserError: there is no such search, or a file is corrupt or foreign.
    """
    folder = sweep_folder(name, results, (SEARCH_FILE,))
    found = read_search(folder)
    assert found is not None
    networks, trials = found.networks.to_pandas(), found.trials.to_pandas()
    return SearchTables(folder, found.spec, networks, trials, found.answered)


def load_either(name: str | None, results: Path | str = "results") -> SweepTables | SearchTables:
    """Read the tables of a sweep or of a search; of the newest of both when ``name`` is None.

    Raises:
        UserError: there is neither, or a file is corrupt or foreign.
    """
    folder = sweep_folder(name, results, (SPEC_FILE, SEARCH_FILE))
    load = load_search if (folder / SEARCH_FILE).is_file() else load_sweep
    return load(folder.name, results)
