"""The options that commands share, above all a flag for each field of the specification."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import BaseModel

from scalegrid.baselines import locate
from scalegrid.cli.output import FORMATS
from scalegrid.metric import measure
from scalegrid.spec import GROUPS, SEARCH_SECTION, SweepSpec, of_other_engines
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.text import sentence

Command = TypeVar("Command", bound=Callable[..., Any])

format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", help="How to print the result."
)
results_option = click.option(
    "--results", default="results", show_default=True, help="Folder that holds the sweeps."
)
name_argument = click.argument("name", required=False)


_FLAG_COLUMN = 28  # characters

_METAVARS = {
    "compound": "ALPHA BETA GAMMA",
    "rate_exponents": "DEPTH WIDTH RESOLUTION",
    "kernel_limits": "POINTWISE DEPTHWISE DENSE",
}
"""Of options that take several numbers, if these are not bounds."""


class NumberList(click.ParamType[tuple[float, ...]]):
    """Numbers of a kind separated by commas."""

    name = "LIST"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Turn ``1,1.5,2`` into a tuple."""
        if isinstance(value, tuple):
            return value
        try:
            parts = str(value).split(",") if str(value).strip() else []
            return tuple(self._kind(part) for part in parts)
        except ValueError:
            like = "whole numbers" if self._kind is int else "numbers"
            example = "1,3,9" if self._kind is int else "1,1.5,2"
            said = f"{value!r} must be {like} separated by commas, such as {example}"
            self.fail(said, param, ctx)


class IntOrWord(click.ParamType[int | str]):
    """A whole number, or a word that stands for one."""

    name = "INTEGER|all"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Turn ``16`` into a number; leave a word for the specification to check."""
        try:
            return int(value)
        except ValueError:
            return str(value)


class SpecCommand(click.Command):
    """A command whose help lists the keys of a specification under their headings."""

    groups: ClassVar[Mapping[str, Sequence[str]]] = GROUPS

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each of `scalegrid.spec.GROUPS`, and one for the other options."""
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        records = {p.name: r for p in options if (r := p.get_help_record(ctx))}
        sections = {
            heading: [records.pop(key) for key in keys] for heading, keys in self.groups.items()
        }
        for heading, rows in (*sections.items(), ("Other", list(records.values()))):
            (flag, text), *others = rows
            with formatter.section(heading):  # the second column starts at the same place in all
                formatter.write_dl([(flag.ljust(_FLAG_COLUMN), text), *others], _FLAG_COLUMN)


def spec_options(command: Command) -> Command:
    """Give a command SPEC.yaml as an optional argument and every key of a spec as a flag."""
    return options_of(SweepSpec, list(SweepSpec.model_fields))(_goal_option(command))


def options_of(model: type[BaseModel], keys: Sequence[str]) -> Callable[[Command], Command]:
    """As `spec_options`, of some keys of a model."""

    def with_options(command: Command) -> Command:
        for key in reversed(keys):
            command = _option(model, key)(command)
        path = click.Path(path_type=Path, dir_okay=False)
        spec_file = click.argument("spec_file", metavar="[SPEC.yaml]", required=False, type=path)
        return spec_file(command)

    return with_options


def given_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Those flags of a command line that were given."""
    return {key: value for key, value in flags.items() if value is not None}


def spec_from_flags(spec_file: Path | None, flags: dict[str, Any]) -> SweepSpec:
    """The specification that a command line asks for; flags win over the file.

    Raises:
        UserError: see `scalegrid.util.yaml` and `scalegrid.plan.trainer.check_heeded`.
    """
    spec = _spec(spec_file, given_flags(flags))
    if spec.trainer is not None:
        from scalegrid.plan.trainer import check_heeded

        check_heeded(spec)
    return spec


def _spec(spec_file: Path | None, given: dict[str, Any]) -> SweepSpec:
    if spec_file is None:
        return yaml.build(SweepSpec, given)
    given = of_other_engines(given) | given
    spec = yaml.load(SweepSpec, spec_file, "specification", given, apart=(SEARCH_SECTION,))
    if "hours" in given and "max_hours" not in given:
        own = yaml.load(SweepSpec, spec_file, "specification", {}, apart=(SEARCH_SECTION,))
        if own.hours is not None:  # whose --max-hours came of those hours
            spec = spec.model_copy(update={"max_hours": None})
    if "baseline" in given:
        return spec
    # A definition or a factory that a file names may lie beside it.
    near = {"baseline": locate(spec.baseline, spec_file.parent)}
    if yaml.section(spec_file, "specification", SEARCH_SECTION):
        _check_found(near["baseline"], spec_file)
    if spec.trainer is not None and "trainer" not in given:
        near["trainer"] = locate(spec.trainer, spec_file.parent)
    return spec.model_copy(update=near)


def _check_found(baseline: str, spec_file: Path) -> None:
    """Raise UserError where a search is to find the baseline and has not done so."""
    if baseline.endswith((".yaml", ".yml")) and not Path(baseline).exists():
        raise UserError(
            f"the baseline {baseline} is not there yet; `scalegrid search {spec_file}` finds it."
        )


def given(keys: Collection[str]) -> list[str]:
    """Those flags of the running command with these keys that were given, in the help's order."""
    context = click.get_current_context()
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in keys
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]


def refuse_others(option: str, allowed: Collection[str]) -> None:
    """Raise UserError where flags are given that an option would leave unread.

    ``allowed`` are the keys of those that it reads, its own among them.
    """
    every = {parameter.name for parameter in click.get_current_context().command.params}
    if unread := given({key for key in every if key} - set(allowed)):
        raise UserError(f"{option} takes no {unread[0]}; leave out one of them.")


def _option(model: type[BaseModel], key: str) -> Callable[[Command], Command]:
    field = model.model_fields[key]
    flag = "--" + key.replace("_", "-")
    shown = "" if "default:" in str(field.description) else _shown(field.default)
    help_text = f"{field.description}{f'  [default: {shown}]' if shown else ''}"
    kind = _unwrapped(field.annotation)
    if key == "candidates":
        return click.option(flag, type=IntOrWord(), default=None, help=help_text)
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", default=None, help=help_text)
    if get_origin(kind) is Literal:
        choice = click.Choice(get_args(kind))
        return click.option(flag, type=choice, default=None, help=help_text)
    if key == "metric":
        return click.option(flag, default=None, help=help_text, callback=_metric)
    if key == "track":
        return click.option(
            flag, multiple=True, metavar="LIST", help=help_text, callback=_joined_by_commas
        )
    if get_origin(kind) is tuple and Ellipsis in get_args(kind):
        numbers = NumberList(_unwrapped(get_args(kind)[0]))
        return click.option(flag, type=numbers, default=None, help=help_text)
    if get_origin(kind) is tuple:
        metavar = _METAVARS.get(key, "LOW HIGH")
        return click.option(
            *(flag,),
            type=_unwrapped(get_args(kind)[0]),
            nargs=len(get_args(kind)),
            default=None,
            metavar=metavar,
            help=help_text,
        )
    return click.option(flag, type=kind, default=None, help=help_text)


def metric_options(command: Command) -> Command:
    """``--metric``, and whether more or less of a trainer's figure is better."""
    command = click.option("--metric", help="What to compare by.", callback=_metric)(command)
    return _goal_option(command)


def _goal_option(command: Command) -> Command:
    for goal, better in (("minimize", "less"), ("maximize", "more")):
        command = click.option(
            f"--{goal}",
            is_flag=True,
            is_eager=True,  # before --metric, which it is a part of
            expose_value=False,
            callback=_goal,
            help=f"With --metric: {better} of a trainer's figure is better.",
        )(command)
    return command


def _goal(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and "goal" in context.meta:
        raise UserError("--maximize and --minimize exclude each other; leave out one of them.")
    if given:
        context.meta["goal"] = option.name


def _metric(context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    """The metric of a name and a goal, as a specification has it."""
    goal = context.meta.get("goal")
    if goal is not None and name is None:
        raise UserError(f"--{goal} needs --metric, the name of a figure.")
    metric = name if goal is None else f"{goal} {name}"
    if metric is not None:
        try:
            measure(metric)
        except ValueError as error:
            raise UserError(sentence(f"--metric {name} {error}")) from None
    return metric


def _joined_by_commas(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> str | None:
    return ",".join(values) if values else None


def _unwrapped(annotation: Any) -> Any:
    """The type inside ``Annotated[...]`` and ``... | None``."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def _shown(default: Any) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return " ".join(f"{value:g}" for value in default)
    return f"{default:g}" if isinstance(default, float) else str(default)
