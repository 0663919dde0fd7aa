"""Searchers: suggestions follow from what has been told, also after a restart."""

import sys
from collections.abc import Sequence

import pytest

from scalegrid.search.searcher import Searcher, Suggestion
from scalegrid.search.spec import SEARCHERS, Name
from scalegrid.util.errors import UserError

CHOICES = {f"{stage}.kernel": (3, 5, 7) for stage in range(1, 9)}
LAG = 4


def values(name: Name, suggestion: Suggestion) -> Sequence[float]:
    size = float(sum(map(int, suggestion.point.values())))
    return (size, size) if name == "nsga2" else (size,)


def run(name: Name, trials: int, restart_at: int = -1) -> list[Suggestion]:
    """A search whose results come four trials late, as if so many were trained at once."""
    searcher, made = Searcher(name, CHOICES, seed=3), list[Suggestion]()
    for number in range(trials):
        if number == restart_at:
            searcher = Searcher(name, CHOICES, seed=3)
            for earlier in made[: number - LAG]:
                searcher.tell(earlier, values(name, earlier))
        made.append(searcher.suggest(number))
        if number >= LAG:
            told = made[number - LAG]
            searcher.tell(told, values(name, told))
    return made


@pytest.mark.parametrize("name", SEARCHERS)
@pytest.mark.parametrize("restart_at", [15, 47])
def test_a_restart_changes_nothing(name: Name, restart_at: int) -> None:
    assert run(name, 60, restart_at) == run(name, 60)


@pytest.mark.parametrize("name", ["evolution", "tpe"])
def test_what_is_told_is_learnt_from(name: Name) -> None:
    sizes = [sum(map(int, one.point.values())) for one in run(name, 80)]
    assert sum(sizes[-20:]) / 20 > sum(sizes[:10]) / 10 + 4


def test_another_attempt_is_another_suggestion() -> None:
    searcher = Searcher("random", CHOICES, seed=0)
    assert searcher.suggest(5) == searcher.suggest(5) != searcher.suggest(5, attempt=1)


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'scalegrid\[search\]'"):
        Searcher("tpe", CHOICES, seed=0)
