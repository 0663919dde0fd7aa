"""Strict YAML: files of keys and values, validated by a pydantic model.

Unknown and repeated keys, Python tags and values of wrong types are errors of one sentence, which
names the file, the line and the key. Keys may have dashes for underscores, like flags.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean, sentence

Model = TypeVar("Model", bound=BaseModel)


class Key(NamedTuple):
    """A key as written in the file, and its line."""

    written: str
    line: int


class Document(NamedTuple):
    """The values of a file by key (with underscores), and each key as written there."""

    values: dict[str, Any]
    keys: dict[str, Key]


def load(
    model: type[Model],
    path: Path,
    what: str,
    overrides: Mapping[str, Any] | None = None,
    apart: Collection[str] = (),
) -> Model:
    """Read a file into a ``model``; ``overrides`` replace values of the file.

    Args:
        model: the class that defines the keys.
        path: the file; an empty file has no keys.
        what: the kind of file in errors, such as ``specification``.
        overrides: keys and values from elsewhere; the file must also be valid without them.
        apart: keys of the file that are for another reader.

    Raises:
        UserError: the file is missing, is not plain YAML, or does not validate.
    """
    document = _read(path, what)
    values = {key: value for key, value in document.values.items() if key not in apart}
    loaded = _validated(model, values, str(path), document.keys)
    return build(model, {**values, **overrides}) if overrides else loaded


def values(path: Path, what: str) -> dict[str, Any]:
    """The values of a file by key, with underscores for dashes, as they are written there."""
    return _read(path, what).values


def section(path: Path, what: str, key: str) -> dict[str, Any]:
    """The mapping at a key of a file, with underscores for dashes; empty without the key.

    Raises:
        UserError: the file is missing, is not plain YAML, or holds something else there.
    """
    found = _read(path, what).values.get(key)
    if not isinstance(found, dict | None):
        raise UserError(f"{path}: {key} must hold keys and values of its own, not {found!r}.")
    return {_plain(own): value for own, value in (found or {}).items()}


def build(model: type[Model], values: Mapping[str, Any], source: str = "") -> Model:
    """Validate ``values`` into a ``model``.

    Args:
        model: the class that defines the keys.
        values: by key.
        source: where they come from, for errors.

    Raises:
        UserError: unknown keys, wrong types, values out of range; all in one sentence.
    """
    return _validated(model, values, source, {})


def dump(instance: BaseModel) -> str:
    """YAML that `load` reads back as an equal object."""
    values = instance.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _read(path: Path, what: str) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text; save it as such"
        raise UserError(f"cannot read the {what} {path}: {reason}.") from None
    try:
        values = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not a valid {what}: {_reason(error)}.") from None
    except Exception:  # PyYAML raises various errors for invalid dates and numbers
        raise UserError(
            f"{path} is not a valid {what}: it holds a value that is invalid for its type, or is "
            "nested too deeply."
        ) from None
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values, not a {type(values).__name__}.")
    known = [_known(path, mapping) for mapping in _mappings(node, set())]
    return Document({_plain(key): value for key, value in values.items()}, (known or [{}])[0])


def _mappings(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.MappingNode]:
    """All mappings of a file, the outermost first; those that others refer to once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
    if isinstance(node, yaml.CollectionNode):
        for one in node.value:
            for inner in one if isinstance(one, tuple) else (one,):
                yield from _mappings(inner, seen)


def _known(path: Path, mapping: yaml.MappingNode) -> dict[str, Key]:
    """The keys of a mapping as they are written; UserError where one is given twice."""
    known: dict[str, Key] = {}
    for node, _ in mapping.value:
        key = Key(str(node.value), node.start_mark.line + 1)
        if _plain(key.written) in known:
            raise UserError(f"{path}: line {key.line}: {key.written} is given twice.")
        known[_plain(key.written)] = key
    return known


def _plain(key: object) -> str:
    return str(key).replace("-", "_")


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.constructor.ConstructorError):
        where = f" on line {mark.line + 1}" if mark else ""
        return f"only plain YAML is allowed, but{where} there is: {str(error.problem).strip()}"
    if isinstance(error, yaml.MarkedYAMLError) and mark:
        return f"invalid YAML on line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"invalid YAML ({str(error).splitlines()[0]})"


def _validated(
    model: type[Model], values: Mapping[str, Any], source: str, keys: Mapping[str, Key]
) -> Model:
    try:
        return model.model_validate(_without_lists(values))
    except ValidationError as error:
        parts: dict[str, list[str]] = {}
        for detail in error.errors():
            field = str(detail["loc"][0])
            key = keys.get(field)
            line = f"line {key.line}: " if key else ""
            name = key.written if key else field.replace("_", "-")
            parts.setdefault(field, []).append(line + _complaint(model, name, detail))
        prefix = f"{source}: " if source else ""
        raise UserError(sentence(prefix + "; ".join(map(_either, parts.values())))) from None


def _either(complaints: Sequence[str]) -> str:
    """Complaints on one value in a clause, where it might have been one thing or another."""
    parts = [re.fullmatch(r"(.* should be )(.*)( \(given .*\))", one) for one in complaints]
    known = [part for part in parts if part]
    if len(known) == len(complaints) and len({(part[1], part[3]) for part in known}) == 1:
        return known[0][1] + " or ".join(dict.fromkeys(part[2] for part in known)) + known[0][3]
    return "; ".join(dict.fromkeys(complaints))


def _without_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace YAML's lists by the tuples that a strict model needs."""

    def converted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: converted(own) for key, own in value.items()}
        return tuple(map(converted, value)) if isinstance(value, list) else value

    return {key: converted(value) for key, value in values.items()}


def _numbers(annotation: Any) -> str:
    """``two numbers``, of a tuple of so many or an optional one."""
    kinds = (annotation, *get_args(annotation))
    count = next(len(get_args(kind)) for kind in kinds if get_origin(kind) is tuple)
    return f"{('no', 'one', 'two', 'three')[count]} numbers"


def _complaint(model: type[BaseModel], name: str, detail: Any) -> str:
    """What is wrong with the value of the key ``name``, and that value."""
    if detail["type"] == "extra_forbidden":
        few = len(model.model_fields) < 12
        known = f"known are {', '.join(model.model_fields)}" if few else ""
        hint = did_you_mean(_plain(name), model.model_fields, known)
        return f"unknown key {name!r}" + (f"; {hint}" if hint else "")
    if detail["type"] == "missing" and len(detail["loc"]) == 1:
        return f"the key {name!r} is missing"
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    of_numbers = re.search("int|float", str(model.model_fields[str(detail["loc"][0])].annotation))
    message = message.replace("valid tuple", "list of numbers" if of_numbers else "list")
    given = detail["input"]
    given = list(given) if isinstance(given, tuple) else given
    shown = textwrap.shorten(repr(given), 200)
    if detail["type"] == "float_type" and re.fullmatch(
        r"[-+]?\d+[eE][-+]?\d+", str(detail["input"])
    ):
        message += "; YAML needs a decimal point in it, as in 1.0e-3"
    if detail["type"] in ("missing", "too_long"):  # of a tuple
        message = f"should be {_numbers(model.model_fields[str(detail['loc'][0])].annotation)}"
    if message.startswith("the "):  # it names what is wrong itself
        return f"{name}: {message} (given {shown})"
    return f"{name} {message[0].lower()}{message[1:]} (given {shown})"
