from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.spec import GROUPS, Recipe, SweepSpec
from scalegrid.util import yaml
from scalegrid.util.errors import UserError

ROOT = Path(__file__).parent.parent


def load(path: Path, flags: dict[str, object] | None = None) -> SweepSpec:
    return yaml.load(SweepSpec, path, "specification", flags)


def write(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@given(
    st.builds(
        SweepSpec,
        epochs=st.integers(1, 50),
        learning_rate=st.floats(1e-6, 1.0),
        resolution=st.none() | st.integers(1, 600),
        curves=st.lists(st.just(1.0) | st.floats(1.01, 16), max_size=4).map(tuple),
        alpha_range=st.none() | st.tuples(st.floats(1, 1.5), st.floats(1.5, 3)),
        candidates=st.just("all") | st.integers(4, 40),
        flip=st.none() | st.booleans(),
        name=st.none() | st.text("abcß-", min_size=1),
    )
)
def test_a_spec_written_as_yaml_reads_back_equal(spec: SweepSpec) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert load(write(Path(folder), yaml.dump(spec))) == spec


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "epochs: 7\nbatch-size: 16\n")
    spec = load(path, {"epochs": 2})
    assert (spec.epochs, spec.batch_size) == (2, 16)


def test_what_a_sweep_has_found_holds_where_the_user_leaves_it_open() -> None:
    stored = SweepSpec(precision="bf16", kernel_limits=(16, 36, 4))
    for asked in (SweepSpec(), SweepSpec(precision="auto")):
        going_on = asked.going_on(asked, stored)
        assert (going_on.precision, going_on.kernel_limits) == ("bf16", (16, 36, 4))
    other = SweepSpec(precision="fp32", kernel_limits=(1, 2, 3))
    assert other.going_on(other, stored) == other


def test_limits_of_kernels_are_for_the_faster_kernels() -> None:
    with pytest.raises(ValueError, match="is only for --fast-depthwise"):
        SweepSpec(fast_depthwise=False, kernel_limits=(1, 2, 3))


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load(write(tmp_path, "# nothing\n")) == SweepSpec()


def test_paths_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    spec = yaml.build(SweepSpec, {"results": "~/r", "data_dir": "~", "baseline": "~/own.yaml"})
    paths = (spec.results, spec.data_dir, spec.baseline)
    assert paths == ("/somewhere/r", "/somewhere", "/somewhere/own.yaml")


def test_the_recipe_holds_the_settings_of_training() -> None:
    spec = yaml.build(SweepSpec, {"epochs": 9, "seeds": 3})
    assert spec.recipe == Recipe(epochs=9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("epohcs: 3", "line 1: unknown key 'epohcs'; did you mean 'epochs'?"),
        ("seeds: 1\nepochs: '3'", "line 2: epochs should be a valid integer"),
        ("candidates: 2", "greater than or equal to 4 or 'all' (given 2)"),
        ("seeds: 1\n\nepochs: 3.5", "line 3: epochs should be"),
        ("epochs: 0", "epochs should be greater than 0 (given 0)"),
        ("seeds: -1", "seeds should be greater than 0"),
        ("workers: 0", "workers should be greater than 0"),
        ("learning_rate: .nan", "learning_rate"),
        ("learning_rate: .inf", "learning_rate"),
        ("alpha_range: [-0.9, 2]", "alpha_range: the lower bound -0.9 must be above 0"),
        ("beta_range: [1.4, 1.2]", "beta_range: the lower bound 1.4 is above the upper bound 1.2"),
        ("gamma_range: [1]", "gamma_range should be two numbers"),
        ("rate_exponents: [1, 2]", "rate_exponents should be three numbers"),
        ("curves: 3", "curves should be a list of numbers"),
        ("learning_rate: 1e-3", "YAML needs a decimal point in it, as in 1.0e-3"),
        ("threads: 10000000", "threads"),
        (f"name: {'x' * 300}", "too long"),
        (f"nam: {'x' * 300}", "did you mean 'name'"),
        ('name: "a\\nb"', "must be a plain folder name"),
        ("curves: [0.5]", "the FLOPs factor 0.5"),
        ("rungs: [1, 3, 3]", "rungs must begin with 1 and increase, such as 1,3,9"),
        ("rungs: [3, 9]", "rungs must begin with 1 and increase"),
        ("rungs: []", "rungs must begin with 1 and increase"),
        ("rungs: 3", "rungs should be a list of numbers"),
        ("rungs: [1, 1.5]", "rungs should be a valid integer (given 1.5)"),
        ("rungs: [0, 1]", "rungs should be greater than or equal to 1 (given 0)"),
        ("rungs: [1, 100000]", "rungs should be less than or equal to 1000 (given 100000)"),
        ("rungs: [1, 2, 3, 4, 5, 6, 7, 8, 9]", "rungs must be 8 numbers at most"),
        ("rungs_from: nothing", "rungs_from should be 'continue' or 'scratch'"),
        ("hours: 0.0", "hours should be greater than 0"),
        ("hours: -2", "hours should be greater than 0"),
        ("hours: .nan", "hours"),
        ("hours: .inf", "hours"),
        ("hours: 1.0e+300", "hours should be less than or equal to 10000"),
        ("keep_checkpoints: 0.0", "keep_checkpoints should be greater than 0"),
        ("keep-checkpoints: -1.0", "keep-checkpoints should be greater than 0"),
        ("curves: [1.0000001]", "must be 1, or from 1.01 to 16"),
        ("width_curves: [0.5, 1, 2]", "the width 0.5 must be from 1 to 4"),
        ("width_curves: [1, 2, 2]", "width_curves must be three widths or more, such as 1,1.5,2"),
        ("weight_decay: .inf", "weight_decay"),
        ("seeds: 1000000000", "seeds"),
        ("divisions: 1000000", "divisions"),
        ("flip: !!bool foo", "invalid for its type"),
        ("epochs: !!int foo", "invalid for its type"),
        ("name: 2024-02-30", "invalid for its type"),
        ('results: "a\\0b"', "without NUL characters"),
        ("grid: hexagonal", "grid should be"),
        ("candidates: 3", "candidates"),
        ("name: a/b", "must be a plain folder name"),
        ("name: ..", "must be a plain folder name"),
        ("- 1\n- 2", "must hold keys and values, not a list"),
        ("just words", "must hold keys and values, not a str"),
        ("epochs: [1", "invalid YAML on line"),
        ("epochs: !!python/object/apply:os.getcwd []", "only plain YAML is allowed"),
        ("epochs: 1\nepochs: 2", "line 2: epochs is given twice"),
    ],
)
def test_an_error_in_a_file_is_one_sentence_that_names_the_line(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, text))
    message = str(caught.value)
    assert says in message
    assert "sweep.yaml" in message
    assert "\n" not in message


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: No such file"):
        load(tmp_path / "nowhere.yaml")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UserError, match=r"binary\.yaml.*not UTF-8"):
        load(path)


def test_a_bad_flag_is_named_without_a_file() -> None:
    with pytest.raises(UserError, match=r"^unknown key 'epoch'; did you mean 'epochs'"):
        yaml.build(SweepSpec, {"epoch": 3})


@pytest.mark.parametrize(
    ("keys", "racing"),
    [
        ({}, False),
        ({"seeds": 3}, False),
        ({"confidence": 0.9}, True),
        ({"max_trials": 40}, True),
        ({"max_hours": 1.5}, True),
        ({"hours": 1.5}, True),
        ({"allocation": "racing"}, True),
        ({"allocation": "uniform", "seeds": 3}, False),
    ],
)
def test_a_limit_selects_racing(keys: dict[str, object], racing: bool) -> None:
    assert yaml.build(SweepSpec, keys).racing is racing


@pytest.mark.parametrize(
    "limit", ["confidence: 0.9", "max_trials: 9", "max_hours: 2.0", "hours: 2.0"]
)
def test_uniform_allocation_has_no_limits(limit: str, tmp_path: Path) -> None:
    key = limit.split(":")[0]
    with pytest.raises(UserError, match=rf"line 2: {key} is only for racing"):
        load(write(tmp_path, f"allocation: uniform\n{limit}\n"))


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_example_specifications_are_valid(path: Path) -> None:
    spec = yaml.load(SweepSpec, path, "specification", apart=("search",))
    assert f"scalegrid sweep sweeps/{path.name}" in path.read_text(encoding="utf-8")
    again = yaml.load(SweepSpec, path, "specification", {"epochs": 1}, apart=("search",))
    assert again == spec.model_copy(update={"epochs": 1})


@pytest.mark.parametrize("track", ["wandb, trackio,wandb", "[wandb, trackio]"])
def test_trackers_are_a_list_or_separated_by_commas(track: str, tmp_path: Path) -> None:
    assert load(write(tmp_path, f"track: {track}\n")).track == ("wandb", "trackio")


@pytest.mark.parametrize(
    ("track", "complaint"),
    [
        ("5", "track must be names separated by commas"),
        ("wandbox", "track should be 'tensorboard'"),
    ],
)
def test_other_trackers_are_refused(track: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"line 1: {complaint}"):
        load(write(tmp_path, f"track: {track}\n"))


def test_every_field_is_in_one_group() -> None:
    assert sorted(key for keys in GROUPS.values() for key in keys) == sorted(SweepSpec.model_fields)


@pytest.mark.parametrize("key", ["data", "results", "baseline", "data_dir"])
def test_a_name_that_an_unset_variable_left_empty_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="variable of the shell is unset"):
        SweepSpec.model_validate({key: ""})


def test_lists_of_python_are_as_good_as_tuples() -> None:
    lists: dict[str, Any] = {"rungs": [1, 3], "curves": [1.5]}
    assert SweepSpec(**lists) == SweepSpec(rungs=(1, 3), curves=(1.5,))
