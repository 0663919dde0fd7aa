"""Strict YAML with a small model; `tests/test_spec.py` has the errors of whole specifications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from scalegrid.util import yaml
from scalegrid.util.errors import UserError


class Oven(BaseModel):
    """A model with a required key, a default, bounds and a tuple."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    heat_max: float = Field(200.0, gt=0)
    sizes: tuple[int, ...] = ()
    fan: bool | None = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "oven.yaml"


def load(file: Path, text: str, overrides: dict[str, Any] | None = None) -> Oven:
    file.write_text(text, encoding="utf-8")
    return yaml.load(Oven, file, "oven", overrides)


def message(file: Path, text: str, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load(file, text, overrides)
    return str(caught.value)


@given(
    st.builds(
        Oven,
        name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])),
        heat_max=st.floats(1e-3, 1e6),
        sizes=st.lists(st.integers(), max_size=4).map(tuple),
        fan=st.none() | st.booleans(),
    )
)
def test_what_is_dumped_loads_as_an_equal_object(oven: Oven) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert load(Path(folder) / "oven.yaml", yaml.dump(oven)) == oven


def test_keys_with_dashes_and_lists_are_read(file: Path) -> None:
    oven = load(file, "name: a\nheat-max: 9.5\nsizes: [1, 2]\n")
    assert (oven.heat_max, oven.sizes) == (9.5, (1, 2))


def test_overrides_replace_values_and_are_checked(file: Path) -> None:
    assert load(file, "name: a", {"name": "b", "fan": True}) == Oven(name="b", fan=True)
    assert "heat-max should be greater than 0 (given -1.0)" in message(
        file, "name: a", {"heat_max": -1.0}
    )


def test_the_file_is_valid_without_overrides(file: Path) -> None:
    assert "the key 'name' is missing" in message(file, "fan: true", {"name": "b"})


def test_all_errors_of_a_file_are_in_one_sentence_with_lines(file: Path) -> None:
    text = message(file, "name: 3\nheat-max: -1.0\nfann: true\n")
    assert text.startswith(f"{file}: line 1: name should be a valid string (given 3); ")
    assert "line 2: heat-max should be greater than 0 (given -1.0)" in text
    assert "line 3: unknown key 'fann'; did you mean 'fan'?" in text
    assert "\n" not in text


def test_a_small_model_lists_its_keys_when_none_is_near(file: Path) -> None:
    assert "known are name, heat_max, sizes, fan" in message(file, "name: a\nqqqqqq: 1")


@pytest.mark.parametrize("text", ["name: a\nname: b", "name: a\nheat-max: 1.0\nheat_max: 2.0"])
def test_a_repeated_key_is_an_error_however_it_is_written(file: Path, text: str) -> None:
    assert "is given twice" in message(file, text)


def test_a_long_value_is_shortened(file: Path) -> None:
    assert len(message(file, f"name: [{'word, ' * 500}]")) < 600


def test_values_from_elsewhere_name_their_source() -> None:
    assert yaml.build(Oven, {"name": "a", "sizes": [1]}) == Oven(name="a", sizes=(1,))
    with pytest.raises(UserError, match=r"^the flags: heat-max should be .*\.$"):
        yaml.build(Oven, {"name": "a", "heat_max": "hot"}, "the flags")
