"""The fields of a search: those of a sweep that train a network, and its own.

In a YAML file a search's own keys, and those in which it differs from the sweep of that file, are
in the part ``search:``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from scalegrid.search.objective import Limit, Objective, Target
from scalegrid.spec import GROUPS as SWEEP_GROUPS
from scalegrid.spec import (
    INDIFFERENCE,
    SEARCH_SECTION,
    Parallel,
    PositiveInt,
    Side,
    SweepSpec,
    of_other_engines,
)
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean

SPACES = Path(__file__).parent / "spaces"
"""The folder of the spaces that are known by name."""

Name = Literal["random", "evolution", "tpe", "nsga2"]
SEARCHERS: tuple[Name, ...] = get_args(Name)

_DROPPED = ("trainer", "rates", "rate_exponents", "track")
_OF_CANDIDATES = ("seeds", "rungs", "rungs_from")  # what they say in a sweep is not of finalists


class SearchSpec(SweepSpec):
    """All settings of a search. Fields of a sweep that are not in `KEYS` have no meaning."""

    space: str = Field(
        "mnasnet",
        description=f"Space: {', '.join(sorted(p.stem for p in SPACES.glob('*.yaml')))}, or the "
        "path of a YAML file.",
    )
    target: str = Field(
        "400M", description="T: FLOPs, parameters or a latency, as 400M, '5M params' or 20ms."
    )
    exponent: Annotated[float, Field(ge=-4, le=0)] = Field(
        -0.07, description="w of ACC·(cost/T)^w, which is maximised."
    )
    limit: Limit = Field(
        "soft", description="soft: ACC·(cost/T)^w; hard: ACC of networks of T at most."
    )
    window: tuple[
        Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=1, allow_inf_nan=False)]
    ] = Field((0.5, 2.0), description="Least and largest cost over T of a network that is trained.")
    trials: PositiveInt = Field(100, description="Networks to train.")
    searcher: str = Field(
        "random", description=f"Which network next: {', '.join(SEARCHERS)} (accuracy × cost)."
    )
    search_seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        0, description="Seed of the sampling."
    )
    ahead: Parallel = Field(
        8,
        description="Networks that may be in training at once: a network is chosen by the results "
        "of all before it but so many.",
    )
    finalists: Annotated[int, Field(ge=1, le=100)] = Field(
        4, description="The best so many are raced by trainings with further seeds; 1: no race."
    )
    check_learning: bool = Field(
        True, description="Stop if none of the first eight networks has learnt."
    )
    seeds: Annotated[int, Field(gt=0, le=10_000)] = Field(
        2, description="Further seeds of each finalist at first."
    )
    race_trials: PositiveInt = Field(
        24, description="Trainings of the finalists altogether, at most."
    )
    rungs: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (1,),
        description="Multiples of the brief budget, such as 1,3: finalists are trained for the "
        "first, and those that can still be best for the next; the answer is that of the highest.",
    )
    rungs_from: Literal["continue", "scratch"] = Field(
        "continue",
        description="A training at a higher rung continues that of the one before, by a schedule "
        "that holds its rate (wsd), or starts from scratch, by any schedule.",
    )

    indifference: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None,
        description="Differences of this many points of the objective do not matter; default: "
        f"{INDIFFERENCE:g}.",
    )
    resolution: Side | None = Field(
        None, description="Input side of the trainings in px; default: as the space defines."
    )
    name: str | None = Field(
        None, description="Name of the search; default: space, data and resolution."
    )

    @field_validator("target", mode="before")
    @classmethod
    def _number(cls, target: object) -> object:
        """A plain number of YAML is FLOPs."""
        is_number = isinstance(target, int | float) and not isinstance(target, bool)
        return f"{target:.0f}" if is_number else target

    @field_validator("target")
    @classmethod
    def _target(cls, text: str) -> str:
        Target.read(text)
        return text

    @field_validator("searcher")
    @classmethod
    def _searcher(cls, name: str) -> str:
        if name not in SEARCHERS:
            hint = did_you_mean(name, SEARCHERS)
            known = f"must be one of {', '.join(SEARCHERS)}"
            raise ValueError(f"{known}; {hint}" if hint else known)
        return name

    @model_serializer(mode="wrap")
    def _what_holds(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = write(self)
        return {key: fields[key] for key in KEYS if key in fields}

    @property
    def objective(self) -> Objective:
        """What is maximised."""
        return Objective(Target.read(self.target), self.exponent, self.limit, self.window)


_OWN_GROUPS = {
    "Space and objective": ("space", "target", "exponent", "limit", "window"),
    "Search": ("trials", "searcher", "search_seed", "ahead", "check_learning"),
    "Finalists": (
        *("finalists", "seeds", "race_trials", "rungs", "rungs_from"),
        *("confidence", "indifference"),
    ),
}
GROUPS: dict[str, tuple[str, ...]] = {
    **_OWN_GROUPS,
    **{
        heading: tuple(key for key in SWEEP_GROUPS[heading] if key not in _DROPPED)
        for heading in ("Data", "Recipe", "Where it runs", "Results")
    },
}
GROUPS["Recipe"] = ("resolution", *GROUPS["Recipe"])

KEYS: tuple[str, ...] = tuple(key for keys in GROUPS.values() for key in keys)
"""The keys that a search has."""

_SHARED = frozenset(KEYS) - set(_OF_CANDIDATES)
"""The keys that mean the same in a sweep."""

EXTENDABLE = frozenset({"trials", "check_learning", *_OWN_GROUPS["Finalists"]})
"""Keys that decide how many trials there are; changing them goes on with the same search."""


def read_spec(path: Path, flags: Mapping[str, Any]) -> SearchSpec:
    """The specification of a file, whose part ``search:`` wins over the rest; flags win over both.

    Raises:
        UserError: the file, as a sweep's specification or in its part, is wrong.
    """
    yaml.load(SweepSpec, path, "specification", apart=(SEARCH_SECTION,))
    whole = {
        key: value for key, value in yaml.values(path, "specification").items() if key in _SHARED
    }
    own = yaml.section(path, "specification", SEARCH_SECTION)
    for key in own:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS, f"known are {', '.join(KEYS)}")
            raise UserError(f"{path}: search: unknown key {key!r}; {hint}.")
    if whole.get("name") and "name" not in own:
        whole["name"] = f"{whole['name']}-search"
    own, flags = of_other_engines(own) | own, {**of_other_engines(flags), **flags}
    spec = yaml.build(SearchSpec, {**whole, **own, **flags}, f"{path}: search")
    if "space" in flags or not spec.space.endswith((".yaml", ".yml")):
        return spec
    near = path.parent / spec.space  # a space may lie beside the file that names it
    if Path(spec.space).exists() or not near.exists():
        return spec
    return spec.model_copy(update={"space": near.as_posix()})
