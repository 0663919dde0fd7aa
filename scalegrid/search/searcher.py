"""Which network next: Optuna's samplers behind ask and tell, told the trials in order.

What is suggested for a number follows from the seed, the number, and what has been told before, and
from nothing else: a searcher that is told the same trials again, after a restart, goes on as the
first one would have.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from scalegrid.search.space import Point, Value
from scalegrid.search.spec import Name
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

POPULATION = 10
"""Networks of a generation; of 10, 20 and 40 the best in simulated searches (docs/search.md)."""

FIRST = 10
"""Networks that TPE samples at random before it has a model."""


class Suggestion(NamedTuple):
    """A point, and the generation of an evolution that it belongs to; -1 without one."""

    point: Point
    generation: int = -1


class Searcher:
    """Suggests points of a space.

    Args:
        name: one of `spec.SEARCHERS`; ``nsga2`` is told two values, more of the first and less of
            the second being better, the others one, of which more is better.
        choices: the values of each choice, by name.
        seed: of all random draws.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, name: Name, choices: Mapping[str, Sequence[Value]], seed: int) -> None:
        optuna = _optuna()
        self._name, self._seed = name, seed
        self._create = optuna.trial.create_trial
        kind = optuna.distributions.CategoricalDistribution
        self._distributions = {key: kind(values) for key, values in choices.items()}
        directions = ["maximize", "minimize"] if name == "nsga2" else ["maximize"]
        self._study = optuna.create_study(directions=directions)
        self._failed = optuna.trial.TrialState.FAIL
        self._key = next((key for key in self._asked(0).system_attrs if "generation" in key), "")

    def suggest(self, number: int, attempt: int = 0) -> Suggestion:
        """The point for a trial; another ``attempt`` gives another, where one is of no use."""
        trial = self._asked(hash_of(self._seed, number, attempt))
        return Suggestion(trial.params, trial.system_attrs.get(self._key, -1))

    def tell(self, suggestion: Suggestion, values: Sequence[float]) -> None:
        """Take in what a network came to; those of trials before it have been told."""
        generation = suggestion.generation
        self._study.add_trial(
            self._create(
                params=dict(suggestion.point),
                distributions=self._distributions,
                values=list(values),
                system_attrs={self._key: generation} if generation >= 0 else {},
            )
        )

    def _asked(self, seed: int) -> FrozenTrial:
        """What the sampler draws; in the study it has failed, and is told once it is known."""
        self._study.sampler = _sampler(self._name, seed)
        asked = self._study.ask(self._distributions)
        trial: FrozenTrial = self._study.tell(asked, state=self._failed)
        return trial


def hash_of(*numbers: int) -> int:
    """A seed of 32 bits that differs from those of other numbers."""
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError(
            "a search needs Optuna, which is not installed; `pip install 'scalegrid[search]'` "
            "installs it."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _sampler(name: Name, seed: int) -> BaseSampler:
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    if name == "random":
        return RandomSampler(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # settings of Optuna that may still change
        if name == "tpe":
            return TPESampler(
                seed=seed, n_startup_trials=FIRST, multivariate=True, constant_liar=False
            )

        class Generations(NSGAIISampler):
            """Parents are of the first trials of a generation: those told later change nothing."""

            def get_population(self, study: Any, generation: int) -> list[FrozenTrial]:
                return super().get_population(study, generation)[:POPULATION]

            def select_parent(self, study: Any, generation: int) -> list[FrozenTrial]:
                chosen = super().select_parent(study, generation)
                return sorted(chosen, key=lambda trial: trial.number)  # as they are recalled

        return Generations(population_size=POPULATION, seed=seed)
