"""`scalegrid import`: what becomes of trainings made elsewhere, and which tables are refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from scalegrid import import_trials, load_sweep
from scalegrid.cli.main import main

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = ROOT / "results" / "published"
PAGE = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Trainings made elsewhere\n")[1].split("\n## ")[0]
(EXAMPLE,) = re.findall(r"^```csv\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
(COMMANDS,) = re.findall(r"^```console\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)

TABLE = """alpha,beta,gamma,seed,top1
1,1,1,0,0.5
1.2,1.1,1.15,0,0.6
1,1.4,1,0,0.55
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path


def run(*words: str) -> Result:
    result = CliRunner().invoke(main, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def imported(content: str | bytes = TABLE, *flags: str, name: str = "house") -> Result:
    raw = content if isinstance(content, bytes) else content.encode()
    Path("trials.csv").write_bytes(raw)
    return run("import", "trials.csv", "--name", name, "--resolution", "32", *flags)


def refused(content: str | bytes, *flags: str) -> str:
    """The one sentence by which a table is refused; nothing is written."""
    result = imported(content, *flags)
    assert result.exit_code == 2
    assert not Path("results").exists()
    (line,) = result.stderr.splitlines()
    return line.removeprefix("scalegrid: ")


def exported() -> pd.DataFrame:
    """The trials of a committed sweep with their variants: more columns than are needed."""
    sweep = load_sweep("nano-cifar10-32", PUBLISHED)
    variants = sweep.planned.drop(columns=["flops", "params"])
    joined: pd.DataFrame = sweep.trials.drop(columns="figures").merge(variants, on="variant")
    return joined


@pytest.mark.slow
def test_the_example_of_the_documentation_runs() -> None:
    Path("trials.csv").write_text(EXAMPLE)
    for command in COMMANDS.splitlines():
        result = run(*shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
        if "recommend" in command:
            assert "α 1.17, β 1.08, γ 1.25 leads 4 candidates of equal cost" in result.stdout
    assert Path("results/house/report.html").exists()
    assert {"recommend", "plot", "report"} <= {line.split()[1] for line in COMMANDS.splitlines()}


def test_every_column_that_is_read_is_documented() -> None:
    names = "alpha depth beta width gamma resolution seed top1 accuracy top5 balanced train_loss "
    names += "val_loss flops params phi role rung seconds device status"
    assert not [name for name in names.split() if f"`{name}`" not in SECTION]


@pytest.mark.parametrize("brief", ["", "2,1,1,0,1,0.5\n"])
def test_longer_trainings_alone_are_refused(brief: str) -> None:
    rows = "".join(f"{n},1,0,{r},0.6\n" for n in ("2,1", "1,1.4") for r in (3, 9))
    table = f"alpha,beta,gamma,seed,rung,top1\n1,1,1,0,1,0.3\n{brief}{rows}"
    count = 1 if brief else 0
    said = f"{count} of 2 scaled networks has a training of rung 1"
    assert said in refused(table)


def test_slopes_over_rungs_are_drawn_without_learning_curves() -> None:
    networks = enumerate(("2,1", "1,1.4", "1.5,1.1"))
    rows = [
        f"{network},1,{seed},{rung},{0.5 + 0.02 * n + 0.1 * (rung > 1) + 0.002 * seed}"
        for n, network in networks
        for seed in (0, 1)
        for rung in (1, 3)
    ]
    table = "\n".join(["alpha,beta,gamma,seed,rung,top1", "1,1,1,0,1,0.3", *rows])
    assert imported(table).exit_code == 0
    result = run("plot", "house", "--figure", "rungs")
    assert result.exit_code == 0, result.output
    caption = Path("results/house/figures/rungs.txt").read_text()
    assert "Here: the candidates' estimates" in caption
    assert "earning curves" not in caption


def test_losses_are_kept_and_compared_by() -> None:
    table = exported()[["alpha", "beta", "gamma", "resolution", "seed", "top1", "val_loss"]]
    result = imported(table.to_csv(index=False), "--metric", "val_loss")
    assert "left out" not in result.stderr
    kept = load_sweep("house").trials["val_loss"].sort_values(ignore_index=True)
    pd.testing.assert_series_equal(kept, table["val_loss"].sort_values(ignore_index=True))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_committed_sweep_is_recommended_alike_once_exported_and_imported(form: str) -> None:
    table, path = exported(), f"trials.{form}"
    table.to_csv(path, index=False) if form == "csv" else table.to_parquet(path)
    flags = ("--resolution", "32", "--baseline", "nano", "--depth-rounding", "round")
    result = run("import", path, "--name", "again", *flags)
    assert "76 trainings of 9 networks" in result.stdout
    sweep, again = load_sweep("nano-cifar10-32", PUBLISHED), load_sweep("again")
    same = ["variant", "role", "flops", "params", "layers", "channels", "resolution", "share_depth"]
    pd.testing.assert_frame_equal(again.planned[same], sweep.planned[same])
    before, now = sweep.recommend(), again.recommend()
    assert now.best.variant == before.best.variant
    assert now.equal_cost
    chances = {one.variant: one.probability_best for one in now.ranking}
    for one in before.ranking:  # the images' luck is known before alone
        assert chances[one.variant] == pytest.approx(one.probability_best, abs=0.05)


@pytest.mark.slow
def test_without_a_baseline_coefficients_and_flops_are_as_given() -> None:
    table = exported()[["alpha", "beta", "gamma", "resolution", "seed", "top1", "flops", "params"]]
    result = imported(table.to_csv(index=False))
    assert result.stderr == ""
    sweep, here = load_sweep("nano-cifar10-32", PUBLISHED), load_sweep("house")
    columns = ["alpha", "beta", "gamma", "resolution", "flops", "params"]
    by = {"by": columns[:4], "ignore_index": True}
    pd.testing.assert_frame_equal(
        here.planned[columns].sort_values(**by), sweep.planned[columns].sort_values(**by)
    )
    assert here.recommend().best.gamma == sweep.recommend().best.gamma == 1.25
    result = run("plot", "house")
    assert "cannot draw architecture: the layers of the networks are not known" in result.stderr
    assert "Left out: activations, memory and training time" in read("price")
    assert "budget shares, coloured" in read("triangle")
    assert "measured" not in read("triangle").splitlines()[0]


def read(figure: str) -> str:
    return Path(f"results/house/figures/{figure}.txt").read_text(encoding="utf-8")


def test_every_command_that_reads_sweeps_reads_it_and_no_other_trains_it() -> None:
    imported()
    for command in ("recommend", "status", "plot", "report"):
        assert run(command, "house").exit_code == 0, command
    assert run("compare", "house", "house").exit_code == 0
    assert "3 of 3 trials" in run("status").stdout
    assert "scalegrid import TRIALS.csv --name house" in run("recommend").stdout
    page = Path("results/house/report.html").read_text(encoding="utf-8")
    assert "Compound-scaling coefficients of trainings that were made elsewhere<" in page
    assert "scalegrid import TRIALS.csv --name house" in page
    assert "scalegrid sweep" not in page
    why = {
        ("family", "--from", "house"): "imported without --baseline",
        ("sweep", "results/house/sweep.yaml"): "by a recipe that is not known",
        ("plan", "results/house/sweep.yaml"): "by a recipe that is not known",
        ("sweep", "--extend", "house", "--phi", "2"): "cannot be trained further",
        ("sweep", "--baseline", "nano", "--name", "house"): "choose another --name",
        ("sweep", "--trainer", "imported"): "by a recipe that is not known",
    }
    for words, reason in why.items():
        result = run(*words)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
        assert reason in result.stderr


def test_with_a_baseline_the_family_follows_from_it() -> None:
    imported(TABLE, "--baseline", "nano")
    result = run("family", "--from", "house", "--phi", "0:1", "--format", "csv")
    first, last = result.stdout.splitlines()[1:]
    assert ",32," in first
    assert ",36," in last  # nearest 32 px times 1.15 that a sweep of nano takes


def test_networks_that_rounding_makes_equal_are_one() -> None:
    table = TABLE + "1.21,1.1,1.15,1,0.61\n"
    imported(table, "--baseline", "nano")
    sweep = load_sweep("house")
    assert len(sweep.planned) == 3
    assert sorted(sweep.trials.groupby("variant").size()) == [1, 1, 2]
    assert "4 trainings of 4 networks" in imported(table, name="unrealised").stdout
    same = imported(table.replace("1.15,1,0.61", "1.15,0,0.61"), "--baseline", "nano", name="x")
    assert "line 5 is the same network, the paper's coefficients, 37 px" in same.stderr
    assert "seed 0 as line 3" in same.stderr


def test_roles_follow_from_the_multipliers() -> None:
    rows = "2,1,1,0,0.5\n2.5,1,1,0,0.5\n1,1,1.4,0,0.5\n1.3,1.1,1.1,0,0.5\n"
    imported(TABLE + rows)
    variants = load_sweep("house").planned
    roles = {(row["alpha"], row["beta"]): row["role"] for _, row in variants.iterrows()}
    assert roles.pop((1.0, 1.0)) in ("baseline", "resolution")
    assert roles == {
        **{(1.2, 1.1): "paper", (1.0, 1.4): "width", (1.3, 1.1): "grid"},
        **{(2.0, 1.0): "depth", (2.5, 1.0): "grid"},  # of an axis alone, the nearest to F
    }


def test_networks_are_given_by_coefficients_at_a_phi_or_by_their_sizes() -> None:
    sizes = "depth,width,resolution,seed,top1\n1,1,32,0,.5\n1.44,1.21,42,0,.6\n1,1.4,32,0,.5\n"
    powers = "alpha,beta,gamma,phi,seed,top1\n1,1,1,0,0,.5\n1.2,1.1,1.15,2,0,.6\n1,1.4,1,1,0,.5\n"
    powers += "1.5,1,1,1,0,.5\n"
    imported(sizes, "--baseline", "nano")
    imported(powers, "--baseline", "nano", name="powers")
    sweep, other = load_sweep("house").planned, load_sweep("powers").planned
    (one,) = sweep[sweep["resolution"] == 42].to_dict("records")
    (same,) = other[other["resolution"] == 42].to_dict("records")
    assert (one["variant"], one["phi"]) == (same["variant"], 1)
    assert (same["alpha"], same["phi"]) == (pytest.approx(1.2), 2)


def test_seeds_of_64_bits_stay_as_they_are() -> None:
    seeds = [2**53, 2**53 + 1, 2**62 + 1]
    imported(TABLE + "".join(f"1,1.4,1,{seed},0.5\n" for seed in seeds) + "1,1.4,1,1e3,0.5\n")
    trials = load_sweep("house").trials
    assert sorted(trials["seed"]) == [0, 0, 0, 1000, *seeds]


def test_figures_of_any_name_can_be_compared_by() -> None:
    table = "depth,width,resolution,seed,loss,hours,note\n"
    table += "1,1,32,0,2.5,,a\n1.2,1.1,36,0,2.2,2,b\n1,1.4,32,0,2.1,1,c\n"
    assert "give --metric NAME" in refused(table)
    result = imported(table, "--metric", "loss", "--minimize")
    assert result.stderr.startswith("Note: columns that are no figures are left out: note.\n")
    assert "width alone leads 2 candidates" in run("recommend").stdout
    assert load_sweep("house").recommend(metric="maximize hours").best.role == "grid"


@pytest.mark.slow
def test_trainings_of_several_lengths_and_phis_are_judged_as_those_of_a_sweep() -> None:
    nets = {(1.2, 1.1, 1.15): 0.6, (1, 1.4, 1): 0.58, (2, 1, 1): 0.5}
    rows = ["alpha,beta,gamma,phi,role,seed,rung,top1", "1,1,1,0,,0,1,0.4"]
    for (a, b, g), top1 in nets.items():
        for seed in (0, 1):
            for rung in (1, 3):
                value = top1 + 0.05 * rung + 0.002 * seed
                rows.append(f"{a},{b},{g},1,,{seed},{rung},{value}")
            rows.append(f"1.2,1.1,1.15,{seed + 2},compound,0,1,{0.65 + 0.05 * seed}")
    table = "\n".join(dict.fromkeys(rows))
    assert imported(table).exit_code == 0
    found = load_sweep("house").recommend()
    assert found.rung == 3
    assert found.verdict is not None
    assert found.advantage is not None
    result = run("plot", "house")
    assert "cannot draw curves: no training that was made elsewhere has epochs" in result.stderr
    for figure in ("scaling", "rungs"):
        assert Path(f"results/house/figures/{figure}.svg").exists()


def test_importing_again_adds_what_is_new_and_nothing_else() -> None:
    imported()
    before = {path: path.read_bytes() for path in Path("results/house").glob("*.parquet")}
    assert "nothing was added" in imported().stdout
    assert {path: path.read_bytes() for path in before} == before
    longer = TABLE + "1.2,1.1,1.15,1,0.61\n1.4,1.2,1,0,0.5\n"
    assert "5 trainings of 4 networks; 2 of them new" in imported(longer).stdout
    alone = longer.splitlines()[0] + "\n1.4,1.2,1,1,0.52\n"  # of a seed's own file
    Path("trials.csv").write_text(alone)
    assert (
        "6 trainings of 4 networks; 1 of them new"
        in run("import", "trials.csv", "--name", "house").stdout
    )
    imported(longer + alone.splitlines()[1], name="at-once")
    columns = ["variant", "role", "flops", "order"]
    pieces, whole = load_sweep("house"), load_sweep("at-once")
    pd.testing.assert_frame_equal(pieces.planned[columns], whole.planned[columns])
    measured = ["variant", "seed", "top1"]
    pd.testing.assert_frame_equal(pieces.trials[measured], whole.trials[measured])


def test_a_further_column_adds_its_figures() -> None:
    imported()
    wide = TABLE.replace("\n", ",0.7\n").replace("top1,0.7", "top1,miou")
    assert "3 of them new" in imported(wide).stdout
    trials = load_sweep("house").trials
    assert list(trials["miou"]) == [0.7] * 3
    assert sorted(trials["top1"]) == [0.5, 0.55, 0.6]
    assert "nothing was added" in imported().stdout
    assert list(load_sweep("house").trials["miou"]) == [0.7] * 3


def test_costs_that_are_given_later_replace_the_formula() -> None:
    assert "FLOPs are not given" in imported().stderr
    result = imported(FLOPS.replace("1,1.4,1,0,.5", "1,1.4,1,1,.5"))
    assert result.stderr == ""
    sweep = load_sweep("house")
    assert sorted(sweep.planned["flops"]) == [1_000_000, 2_000_000, 2_000_000]
    assert sorted(sweep.trials["flops"]) == [1_000_000, *[2_000_000] * 3]


def test_a_baseline_that_has_changed_since_is_refused() -> None:
    definition = Path("own.yaml")
    definition.write_bytes((ROOT / "tests" / "fixtures" / "blocks.yaml").read_bytes())
    assert "3 of them new" in imported(TABLE, "--baseline", "own.yaml").stdout
    assert "nothing was added" in imported().stdout
    definition.write_text(definition.read_text().replace("head: 96", "head: 100"))
    assert "own.yaml has changed since results/house was imported" in imported().stderr


@pytest.mark.slow
def test_small_networks_are_judged_too() -> None:
    rows = ["alpha,beta,gamma,seed,top1", "1,1,1,0,.6", "0.5,1,1,0,.5", "1,0.7,1,0,.51"]
    assert imported("\n".join([*rows, "0.8,0.9,0.9,0,.52"]), "--baseline", "nano").exit_code == 0
    assert load_sweep("house").spec["flops_factor"] < 0.7
    assert run("recommend").stdout.startswith("Not decided: α 0.80, β 0.90, γ 0.90 leads 3 cand")
    assert run("plot").exit_code == 0


@pytest.mark.parametrize(
    ("table", "flags", "said"),
    [
        (
            TABLE.replace("0.55", "0.56"),
            (),
            "line 4: top1 is 0.56, and was 0.55 when width alone, 32 px, with",
        ),
        (TABLE, ("--resolution", "64"), "--resolution is 32 there and 64 here"),
        (TABLE, ("--baseline", "nano"), "--baseline is unknown there and nano here"),
        (TABLE, ("--num-classes", "3"), "--num-classes is not given there and 3 here"),
        (
            TABLE,
            ("--metric", "miou", "--maximize"),
            "miou, which trainings are compared by, is miss",
        ),
    ],
)
def test_what_does_not_agree_with_what_is_stored_is_refused(
    table: str, flags: tuple[str, ...], said: str
) -> None:
    imported()
    before = Path("results/house/trials.parquet").read_bytes()
    result = imported(table, *flags)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert said in result.stderr
    assert Path("results/house/trials.parquet").read_bytes() == before


def test_a_sweep_that_was_trained_here_is_left_alone() -> None:
    Path("results").mkdir()
    Path("results/nano").symlink_to(PUBLISHED / "nano-cifar10-32")
    result = imported(name="nano")
    assert "results/nano holds a sweep that was trained here" in result.stderr


def changed(old: str, new: str) -> str:
    return TABLE.replace(old, new)


FLOPS = (
    "alpha,beta,gamma,seed,top1,flops\n1,1,1,0,.5,1e6\n1.2,1.1,1.15,0,.6,2e6\n1,1.4,1,0,.5,2e6\n"
)
SIZES = "depth,width,resolution,seed,top1\n1,1,32,0,.5\n1.2,1.1,36.5,0,.6\n1,1.4,32,0,.7\n"
STATUSES = TABLE.replace("seed", "status,seed").replace(",0,0.", ",COMPLETED,0,0.")
ROLES = "alpha,beta,gamma,role,seed,top1\n1,1,1,,0,.5\n1.2,1.1,1.15,grid,0,.6\n1,1.4,1,,0,.5\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "trials.csv is empty; it needs a line of column names"),
        ("alpha,beta,gamma,seed,top1\n", "trials.csv has no row of a finished training"),
        (changed("seed", "run"), "no column 'seed'; there are alpha, beta, gamma, run, top1."),
        (changed("gamma", "g"), "no column 'gamma', nor 'resolution' in its place; there are alph"),
        (changed("top1", "acc"), "top1, which trainings are compared by, is missing in 3 of 3; th"),
        (changed("gamma", "beta"), "trials.csv has two columns 'beta'"),
        (changed("0.55", "55"), "line 4: top1 is 55, and must be a share from 0 to 1 (per cent"),
        (changed("0.55", "-0.1"), "line 4: top1 is -0.1, and must be a share"),
        (changed("0.55", ""), "line 4: top1 is empty, and must be a share"),
        (changed("0.55", "nan"), "line 4: top1 is nan, and must be a share"),
        (changed("0.55", "good"), "line 4: top1 is good, and must be a share"),
        (changed(",", ";").replace(".", ","), "line 2: top1 is 0,5, and must be"),
        (changed("1.4", "0"), "line 4: beta is 0, and must be a number above 0"),
        (changed("1.4", "-1"), "line 4: beta is -1, and must be a number above 0"),
        (changed("1,1.4,1,0", "1,1.4,1,0.5"), "line 4: seed is 0.5, and must be a whole number"),
        (changed("1,1.4,1,0", "1,1.4,1,-1"), "line 4: seed is -1, and must be a whole number"),
        (changed("1,1.4,1,0", f"1,1.4,1,{2**64 - 1}"), "must be a whole number from 0 to 2^63 - 1"),
        (changed("1,1.4,1,0", "1,1.4,1,1_0"), "line 4: seed is 1_0, and must be a whole number"),
        (changed("0.55", '"0.55'), "trials.csv: line 4 is no CSV: unexpected end of data"),
        (STATUSES, "no row of a finished training; status is COMPLETED, and must be finished"),
        (FLOPS.replace("e6", "e18").replace("1e18", "1"), "cost 2e+18 times the baseline of 32"),
        (FLOPS.replace("2e6", "2").replace("1e6", "1e18"), "and coefficients scale by 1/16 to 16"),
        (TABLE + "1,1.4,1,0,0.56\n", "line 5 is the same network, width alone, 32 px, with the sa"),
        (changed("1,1.4,1,0,0.55\n", ""), "there is one network at φ = 1 to be recommended; two "),
        (TABLE + "1,2\n", "line 5 has 2 cells for 5 columns"),
        (b"\xff\xff\x00", "cannot read trials.csv: it is not UTF-8 text"),
        (b"PK\x03\x04\x00\x00", "it is neither CSV nor parquet"),
        (FLOPS + "1,1.4,1,1,.5,3e6\n", "line 5: flops is 3000000, and 2000000 in another row"),
        (FLOPS.replace("2e6\n1,1.4", "\n1,1.4"), "line 3: flops is empty, and must be a number of"),
        (SIZES, "line 3: resolution is 36.5, and must be whole px"),
        (SIZES.replace("32", "224").replace("36.5", "256"), "give another --resolution"),
        (ROLES.replace("grid", "big"), "line 3: role is big, and must be baseline, depth, width"),
        (ROLES.replace("grid", "depth"), "by its multipliers the network is of the role paper"),
        (
            "alpha,depth,width,resolution,seed,top1\n1.2,1.5,1,32,0,.5\n",
            "line 2: depth is 1.5, and alpha at φ = 1 says 1.2 times the baseline's",
        ),
        (
            "alpha,beta,gamma,seed,rung,top1\n1.2,1.1,1.1,0,3,.5\n1,1.4,1,0,3,.5\n",
            "the column rung has 3 and no 1",
        ),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_in_one_sentence(
    content: str | bytes, said: str
) -> None:
    assert said in refused(content)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--baseline", "nno"), "unknown baseline 'nno': did you mean 'nano'?"),
        (("--baseline", "b0", "--resolution", "16"), "16 px is too small for b0"),
        (("--num-classes", "5"), "--num-classes is for a network that is known"),
        (("--metric", "loss"), "did you mean 'val_loss'?\n"),
        (("--flops-factor", "1"), "at 1 nothing is scaled"),
        (("--name", "../up"), "must be a plain folder name"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_in_one_sentence(
    flags: tuple[str, ...], said: str
) -> None:
    assert said in refused(TABLE, *flags) + "\n"


def test_what_is_needed_is_asked_for() -> None:
    Path("trials.csv").write_text(TABLE)
    assert "give --resolution PX" in run("import", "trials.csv", "--name", "house").stderr
    assert "Missing option '--name'" in run("import", "trials.csv").stderr
    assert (
        "cannot read no.csv: No such file"
        in run("import", "no.csv", "--name", "house", "--resolution", "32").stderr
    )


@pytest.mark.parametrize(
    "content",
    [
        changed(",", ";"),
        changed(",", "\t"),
        changed("\n", "\r\n"),
        changed("\n", "\n\n"),
        changed(",", " , "),
        changed("top1", "accuracy"),
        b"\xef\xbb\xbf" + TABLE.encode(),
        TABLE.encode("utf-16"),
        changed("\n", ",a\u2028b\n").replace("top1,a\u2028b", "top1,note"),
    ],
)
def test_tables_as_spreadsheets_write_them_are_read(content: str | bytes) -> None:
    assert "3 trainings of 3 networks" in imported(content).stdout


@pytest.mark.parametrize(
    ("table", "flags", "notes"),
    [
        (TABLE, (), ["FLOPs are not given: they are taken to grow by α·β²·γ², from 1.00 M of"]),
        (FLOPS, (), []),
        (
            FLOPS.replace("1,1,1,0,.5,1e6\n", ""),
            (),
            [
                "the FLOPs of the baseline are not given: 1.03 M, by α·β²·γ² and the others'",
                "no training is of the baseline (1, 1, 1): figures of what scaling gains lack it",
            ],
        ),
        (
            FLOPS.replace("1,1.4,1,0,.5,2e6", "1,1.4,1,0,.5,3e6"),
            (),
            ["the candidates' FLOPs run from 2.00 to 3.00 times the baseline's: they are ranked"],
        ),
        (
            FLOPS.replace("1e6", "3423616"),
            ("--baseline", "nano", "--depth-rounding", "round"),
            ["the FLOPs of 3 rows are 0.581 to 2 times those that are counted for nano, which"],
        ),
        (
            TABLE.replace("seed", "status,seed").replace(",0,0.", ",finished,0,0.")
            + "1.4,1.2,1,failed,0,\n",
            ("--baseline", "nano", "--depth-rounding", "round"),
            ["rows whose status is not finished are left out: 1"],
        ),
        (
            FLOPS.replace("\n", "\n,").removesuffix(",").replace("alpha", ",alpha"),
            (),
            ["columns that are no figures are left out: ''"],
        ),
    ],
)
def test_what_is_assumed_or_left_out_is_said(
    table: str, flags: tuple[str, ...], notes: list[str]
) -> None:
    result = imported(table, *flags)
    assert result.exit_code == 0, result.output
    said = [line.removeprefix("Note: ") for line in result.stderr.splitlines()]
    assert len(said) == len(notes), said
    for line, note in zip(said, notes, strict=True):
        assert line.startswith(note)


def test_in_python_it_is_a_function() -> None:
    Path("trials.csv").write_text(EXAMPLE)
    settings: dict[str, Any] = {"resolution": 32, "baseline": "nano", "results": "elsewhere"}
    found = import_trials("trials.csv", "house", **settings)
    assert (found.folder, found.added) == (Path("elsewhere/house"), 10)
    assert load_sweep("house", "elsewhere").spec["trainer"] == "imported"
