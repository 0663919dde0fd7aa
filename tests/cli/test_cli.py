"""The command line from outside: what it prints, where, and how it exits."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from light_sweep import light_spec, run_light_sweep

from scalegrid import baselines
from scalegrid.cli.main import COMMANDS, main
from scalegrid.cli.options import NumberList, spec_from_flags
from scalegrid.cli.sweep import sweep
from scalegrid.progress.estimate import Estimate
from scalegrid.results import load_sweep
from scalegrid.spec import GROUPS
from scalegrid.speed import Probed
from scalegrid.util.errors import UserError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "results"
PLAN = ("plan", "--baseline", "b0", "--resolution", "64", "--candidates", "5")
BOUNDED_TO_ONE = (
    *("--alpha-range", "1", "1"),
    *("--beta-range", "1", "1"),
    *("--gamma-range", "1", "1"),
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _known_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's speed is measured elsewhere; here it is given."""
    monkeypatch.setattr(
        "scalegrid.progress.estimate.estimate_seconds", lambda *_: Estimate(120.0, True, 120.0)
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def files() -> list[Path]:
    """All that is in the working directory, but for what Python keeps of imported modules."""
    return sorted(path for path in Path().rglob("*") if "__pycache__" not in path.parts)


def refused(*arguments: str) -> str:
    """The one sentence on standard error; nothing else printed, nothing written."""
    before = files()
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.strip().splitlines()
    assert "Traceback" not in sentence
    assert sentence[-1] in ".?"
    assert not sentence.endswith("..")
    assert files() == before
    return str(sentence)


@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_help_has_a_flag_for_every_key_under_the_heading_of_its_group(command: str) -> None:
    shown = run(command, "--help").stdout
    sections = dict(re.findall(r"^(\w[\w ]*):\n((?:  .*\n|\n(?=  ))+)", shown, re.MULTILINE))
    assert list(sections) == [*GROUPS, "Other"]
    for heading, keys in GROUPS.items():
        flags = re.findall(r"^  (--[a-z-]+)", sections[heading], re.MULTILINE)
        assert flags == ["--" + key.replace("_", "-") for key in keys]


def test_another_executor_does_without_the_settings_of_that_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("executor: slurm\nslurm: partition=gpu\n")
    assert spec_from_flags(path, {"executor": "slurm"}).slurm == "partition=gpu"
    spec = spec_from_flags(path, {"executor": "ray", "ray_address": "auto"})
    assert (spec.executor, spec.slurm, spec.ray_address) == ("ray", None, "auto")
    with pytest.raises(UserError, match="is only for --executor slurm"):
        spec_from_flags(path, {"executor": "local", "slurm": "partition=gpu"})


def test_limits_of_kernels_are_three_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    flags = dict(sweep.make_context("sweep", ["--kernel-limits", "36", "4096", "0"]).params)
    assert spec_from_flags(flags.pop("spec_file"), flags).kernel_limits == (36, 4096, 0)
    with pytest.raises(SystemExit):
        main(["plan", "--kernel-limits", "36", "-1", "0"])
    assert "kernel-limits should be greater than or equal to 0" in capsys.readouterr().err


def test_trackers_are_repeated_or_separated_by_commas_and_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("track: mlflow\n")
    given = ("spec.yaml", "--track", "wandb,trackio", "--track", "tensorboard")
    for arguments, track in (
        (given, ("wandb", "trackio", "tensorboard")),
        (given[:1], ("mlflow",)),
    ):
        flags = dict(sweep.make_context("sweep", list(arguments)).params)
        assert spec_from_flags(flags.pop("spec_file"), flags).track == track


@pytest.mark.parametrize("arguments", [(), *((command,) for command in COMMANDS)])
def test_help_imports_nothing_slow(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom scalegrid.cli.main import main\n"
        f"main([*{arguments!r}, '--help'], standalone_mode=False)\n"
        "slow = 'torch', 'timm', 'pandas', 'pyarrow', 'matplotlib', 'scipy', 'numpy', 'rich'\n"
        "print([m for m in slow if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command_with_a_whole_sentence() -> None:
    shown = run("--help").stdout.split("Commands:\n")[1]
    assert re.findall(r"^  (\w+) ", shown, re.MULTILINE) == list(COMMANDS)
    assert "..." not in shown
    assert " ".join(shown.split()).count(". ") == len(COMMANDS) - 1


def test_a_plan_of_block_strings_imports_neither_torch_nor_timm(tmp_path: Path) -> None:
    planned = run(*PLAN)
    code = (
        "import sys\nfrom scalegrid.cli.main import main\n"
        f"main({list(PLAN)!r}, standalone_mode=False)\n"
        "print([m for m in ('torch', 'timm') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"SCALEGRID_CACHE": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        check=True,
    )
    *rows, imported = shown.stdout.splitlines()
    assert imported == "[]"
    assert rows[1:12] == planned.stdout.splitlines()[1:12]  # the first has the time it takes


def test_plan_as_json_has_the_documented_keys() -> None:
    plan = json.loads(run(*PLAN, "--format", "json").stdout)
    assert plan["baseline"] == "b0"
    assert plan["seconds_estimated"] == 120.0
    assert len(plan["variants"]) == 7
    for variant in plan["variants"]:
        assert {
            *("variant", "role", "alpha", "beta", "gamma", "depth", "width", "resolution"),
            *("flops", "flops_ratio", "params", "activations", "shares"),
            *("alpha_low", "alpha_high", "beta_low", "beta_high"),
        } <= variant.keys()
    assert plan["variants"][0]["shares"] == {"depth": None, "width": None, "resolution": None}
    assert plan["variants"][1]["shares"] == {"depth": 1.0, "width": 0.0, "resolution": 0.0}


def test_plan_as_csv_has_one_line_a_variant() -> None:
    result = run(*PLAN, "--format", "csv")
    assert "resolution alone does not reach 2× within 3 %" in result.stderr
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["role"] for row in rows[:4]] == ["baseline", "depth", "width", "resolution"]
    assert float(rows[0]["flops_ratio"]) == 1.0


def test_plan_as_a_table_compares_with_the_classic_grid() -> None:
    shown = run(*PLAN).stdout
    assert "1-1-2-2-3-3-4-1-1" in shown
    assert "32-16-24-40-80-112-192-320-1280" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert any(line[:2] == ["classic", "109"] for line in lines)
    first, second = shown.splitlines()[:2]
    assert first == "8 trials (two of the baseline), about 2 min (on this machine)."
    assert second.startswith("Not within 3 % of 2^φ times")
    assert "resolution alone does not reach 2× within 3 %" in shown
    assert "paper's coefficients" in shown.splitlines()[1]


def test_plan_says_what_so_many_hours_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.speed.stored_rate", lambda *_: 5e-9)
    command = ("plan", "--baseline", "nano", "--hours", "0.5", "--rungs", "1,3")
    shown = run(*command).stdout
    assert "Note: within 30 min: 12 candidates, 12,800 images a trial" in shown
    assert "at the speed of this machine" in shown
    assert "Note: to be expected: the leader within 0.3 points of the best" in shown
    given = run(*command, "--candidates", "5", "--format", "json")
    document = json.loads(given.stdout)
    assert sum(one["role"] not in ("baseline", "paper") for one in document["variants"]) == 5
    assert document["notes"][0].startswith("within 30 min")


def test_other_hours_replan_what_a_file_was_planned_by() -> None:
    """Its own limit came of its own hours, and is none of the new ones'."""
    Path("own.yaml").write_text("baseline: nano\nhours: 0.5\nmax_hours: 0.48\nrungs: [1, 3]\n")
    for hours in ("0.1", "2"):
        fresh = run("plan", "--baseline", "nano", "--rungs", "1,3", "--hours", hours)
        again = run("plan", "own.yaml", "--hours", hours)
        assert again.exit_code == 0, again.output
        assert again.stdout == fresh.stdout
    kept = refused("plan", "own.yaml", "--hours", "0.1", "--max-hours", "0.2")
    assert "--max-hours 0.2 is more than --hours 0.1" in kept


def test_hours_that_plan_nothing_are_refused() -> None:
    few = refused("plan", "--baseline", "nano", "--hours", "0.0001")
    assert "too few to compare two candidates by one trial each" in few
    for hours in ("0", "-1", "nan", "inf", "1e9", "two"):
        assert "hours" in refused("plan", "--baseline", "nano", "--hours", hours)
    assert "only for racing" in refused("sweep", "--hours", "2", "--allocation", "uniform")


def test_plan_draws_the_triangle() -> None:
    result = run(*PLAN, "--plot", "pictures")
    assert result.exit_code == 0
    assert Path("pictures/plan.png").stat().st_size > 10_000
    assert "pictures/plan.png" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "missing"])
def test_figures_need_no_backend_of_the_shell(backend: str) -> None:
    """A shell inside a notebook has the first, which may not be installed beside scalegrid."""
    report = ("report", "nano-cifar10-32", "--results", "published", "--output", "page.html")
    shutil.copytree(FIXTURES.parents[2] / "results" / "published", "published")
    for arguments in ((*PLAN, "--plot", "pictures"), report):
        code = (
            f"import sys; sys.argv[1:] = {arguments!r}\nfrom scalegrid.__main__ import run\n"
            "try:\n    run()\n"
            "finally:\n    assert 'matplotlib' in sys.modules\n"
            "    assert 'matplotlib.pyplot' not in sys.modules"
        )
        drawn = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"MPLBACKEND": backend},
            capture_output=True,
            text=True,
        )
        assert drawn.returncode == 0, drawn.stderr
    assert Path("pictures/plan.png").exists()
    assert Path("page.html").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors")
def test_closed_streams_are_no_failure_but_where_the_answer_would_go() -> None:
    """A file that got the number of a closed stream would be written to by libraries."""
    for closed, status in ((0, 0), (1, 2), (2, 0)):
        ended = subprocess.run(
            [sys.executable, "-m", "scalegrid", "baselines"],
            preexec_fn=partial(os.close, closed),
            capture_output=True,
            text=True,
        )
        assert ended.returncode == status, ended.stderr
        assert bool(ended.stdout) == (closed != 1)
        assert ended.stderr == ("scalegrid: standard output is closed; open it.\n" * (closed == 1))


@pytest.mark.parametrize(
    "error", [ImportError("libtorch.so: failed to map segment"), MemoryError(), OSError("odd")]
)
def test_what_the_machine_refuses_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("scalegrid.plan.make_plan", refuse)
    assert (str(error) or "MemoryError") in refused(*PLAN)


def test_a_spec_and_the_same_flags_give_the_same_plan() -> None:
    Path("sweep.yaml").write_text("baseline: b0\nresolution: 64\ncandidates: 5\n")
    by_file = run("plan", "sweep.yaml", "--format", "json").stdout
    assert by_file == run(*PLAN, "--format", "json").stdout


def test_baselines_lists_costs_that_agree_with_the_paper() -> None:
    rows = {row["name"]: row for row in json.loads(run("baselines", "--format", "json").stdout)}
    assert set(rows) == set(baselines.names())
    assert round(rows["b0"]["flops"] / 1e9, 2) == 0.39
    assert round(rows["b0"]["params"] / 1e6, 1) == 5.3


def test_models_of_timm_are_listed_with_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    models = ["dla34", "inception_v3", "vit_small_patch16_224", "vit_tiny_patch16_224"]
    monkeypatch.setattr(timm, "list_models", lambda: models)
    rows = json.loads(run("baselines", "--timm", "--format", "json").stdout)
    assert [row["name"] for row in rows] == [f"timm/{model}" for model in models]
    assert [row["scalable"] for row in rows] == [False, False, True, True]
    assert [bool(row["reason"]) for row in rows] == [True, True, False, False]
    head, first, *_ = run("baselines", "--timm", "--format", "csv").stdout.splitlines()
    assert head == "name,constructor,scalable,reason"
    assert first.startswith('timm/dla34,DLA,False,"its depth is')
    table = run("baselines", "--timm").stdout
    assert "2 of timm's 4 models (50 %) can be scaled" in table
    assert re.search(r"VisionTransformer +2 +vit_small_patch16_224, vit_tiny_patch16_224", table)


def test_a_layer_table_reads_as_table_1_of_the_paper() -> None:
    rows = json.loads(run("baselines", "b0", "--format", "json").stdout)
    # Tan & Le 2019, Table 1: resolution, channels and layers of the nine stages.
    assert [r["resolution"] for r in rows] == [224, 112, 112, 56, 28, 14, 14, 7, 7]
    assert [r["channels"] for r in rows] == [32, 16, 24, 40, 80, 112, 192, 320, 1280]
    assert [r["layers"] for r in rows] == [1, 1, 2, 2, 3, 3, 4, 1, 1]
    assert [r["operator"] for r in rows[:4]] == [
        "Conv3x3",
        "MBConv1, k3x3",
        "MBConv6, k3x3",
        "MBConv6, k5x5",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--baseline", "bo"), "unknown baseline 'bo'"),
        (("plan", "--resolution", "16"), "16 px is too small for b0"),
        (("plan", "--alpha-range", "0", "2"), "must be above 0"),
        (("plan", "--beta-range", "1.4", "1.2"), "above the upper bound"),
        (("plan", "--grid", "classic", "--step", "0.4", "--tolerance", "0"), "grid is empty"),
        (("plan", "--epochs", "0"), "epochs should be greater than 0"),
        (("plan", "--seeds", "-1"), "seeds should be greater than 0"),
        (("plan", "--workers", "0"), "workers should be greater than 0"),
        (("plan", "--data", "nowhere"), "nowhere"),
        (("plan", "--data", "~nobody-of-that-name/x"), "nobody-of-that-name"),
        (("plan", "--device", "cuda:77"), "cuda:77"),
        (("plan", "--train-images", "1000000000000000"), "train-images"),
        (("plan", "--grid", "hexagonal"), "hexagonal"),
        (("plan", "--optimizer", "nonsense"), "nonsense"),
        ((*PLAN, *BOUNDED_TO_ONE), "lies within the bounds"),
        (("plan", "missing.yaml"), "missing.yaml"),
        (("plan", "--rungs", ",1,,3"), "',1,,3' must be whole numbers separated by commas"),
        (("recommend", "--results", __file__), "is a file; give the folder of sweeps"),
        (("plan", "--metric", "top2"), "metric top2 must be one of"),
        (("sweep", "--baseline", "b00"), "unknown baseline 'b00'"),
        (("sweep", "--name", "a/b"), "plain folder name"),
        (("sweep", "--train-images", "8", "--batch-size", "16"), "8"),
        (("swep",), "no command 'swep'; did you mean 'sweep'?"),
        (("status",), "there are no results"),
        (("status", "nothing"), "nothing"),
        (("plot", "../up"), "path separators"),
        (("baselines", "resnet"), "unknown baseline"),
        (("baselines", "b0", "--resolution", "8"), "too small"),
        (("baselines", "--resolution", "64"), "NAME"),
        (("baselines", "b0", "--timm"), "leave out NAME"),
        (("--bogus", "plan"), "--bogus"),
        (("plan", "--grid", "classic", "--step", "1e-9"), "larger --step"),
        (("plan", "--threads", "10000000"), "threads"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(*arguments)


def test_a_sweep_without_a_status_that_can_be_read_is_one_sentence(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "v1", tmp_path / "v1")
    (tmp_path / "v1" / "status.json").write_text("{")
    said = refused("status", "v1", "--results", str(tmp_path))
    assert "has no status, or none that can be read" in said


def test_a_status_of_before_names_the_leader_rightly(tmp_path: Path) -> None:
    """It knew top-1 alone, and called the network nearest the paper's the paper's."""
    shutil.copytree(FIXTURES / "v1", tmp_path / "v1")
    best = {"variant": "", "label": "paper α=1.17 β=1.08  18 px", "top1": 0.125, "seeds": 2}
    for row in load_sweep("v1", tmp_path).variants.to_dict("records"):
        best["variant"] = row["variant"] if row["role"] == "paper" else best["variant"]
    counts = {"finished": 10, "failed": 0, "total": 10}
    status = {"name": "v1", "state": "finished", **counts, "best": best}
    (tmp_path / "v1" / "status.json").write_text(json.dumps(status))
    said = run("status", "v1", "--results", str(tmp_path)).stdout
    assert "Best candidate: ≈ paper α=1.17 β=1.08 γ=1.12  18 px, top-1 12.5 % (2 seeds).\n" in said


def test_what_a_plan_matches_is_named_with_its_ratios() -> None:
    matched = (*PLAN, "--match", "params", "--flops-factor", "3")
    shown = " ".join(run(*matched).stdout.split())
    assert "of 3^φ times the baseline's parameters (*): " in shown
    assert "the paper's coefficients to the power 1.58 (" in shown
    assert "paper^1.58" in shown
    assert "parameters ratio" in shown
    assert "min parameters" in shown
    found = json.loads(run(*matched, "--format", "json").stdout)
    first, *others = found["variants"]
    ratios = [one["params"] / first["params"] for one in others if one["role"] != "paper"]
    assert found["spread"][0]["minimum"] == pytest.approx(min(ratios))
    assert found["spread"][0]["maximum"] == pytest.approx(max(ratios))
    assert found["spread"][0]["counted"] == "parameters"


def test_an_unreadable_image_is_one_sentence_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    # It has tests of its own.
    monkeypatch.setattr("scalegrid.sweep.probed", lambda plan, *_, **__: Probed(plan, None))

    for label in "ab":
        for number in range(20):
            path = tmp_path / "photos" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), (number, 0, 0)).save(path)
    (tmp_path / "photos" / "b" / "7.png").write_bytes(b"no image")
    brief = "--baseline nano --resolution 32 --batch-size 8 --candidates 4 --epochs 1 --workers 1"
    sentence = refused("sweep", "--data", "photos", "--results", "x/y/z", *brief.split())
    assert "7.png" in sentence


def test_the_pixels_of_a_factory_must_suffice_for_its_strides() -> None:
    Path("strided.py").write_text(
        "from torch import nn\ndef net(depth, width, num_classes):\n"
        "    layers = [nn.Conv2d(3, 8, 3, 4), nn.Conv2d(8, 8, 3, 4)]\n"
        "    layers += [nn.Conv2d(8, 8, 1) for _ in range(round(2 * depth))]\n"
        "    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "                         nn.Linear(8, num_classes))\nnet.resolution = 8\n"
    )
    said = refused("plan", "--baseline", "strided:net")
    assert "the 8 px that strided:net starts from are too small" in said
    assert "at least 16 px; give --resolution" in said


def test_a_factory_that_exits_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("leaves.py").write_text("def net(depth, width, num_classes):\n    raise SystemExit(0)\n")
    assert "leaves:net" in refused("plan", "--baseline", "leaves:net", "--resolution", "32")


def test_a_network_that_prints_leaves_the_json_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("chatty.py").write_text(
        "from torch import nn\nprint('imported')\ndef net(depth, width, num_classes):\n"
        "    print('built')\n    layers = [nn.Conv2d(3, 8, 3, 2)]\n"
        "    layers += [nn.Conv2d(8, 8, 1) for _ in range(round(2 * depth))]\n"
        "    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "                         nn.Linear(8, num_classes))\n"
    )
    result = run("baselines", "chatty:net", "--resolution", "32", "--format", "json")
    assert json.loads(result.stdout)[0]["channels"] == 8
    assert "imported" in result.stderr
    assert "built" in result.stderr


def test_every_candidate_can_be_asked_for() -> None:
    shown = json.loads(run(*PLAN[:-1], "all", "--format", "json").stdout)
    assert len(shown["variants"]) > 40


def test_lists_of_numbers_are_checked() -> None:
    assert NumberList(float).convert("1, 1.5,2", None, None) == (1.0, 1.5, 2.0)
    result = run("plan", "--curves", "1;2")
    assert result.exit_code == 2
    assert "1,1.5,2" in result.stderr


@pytest.fixture
def raced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    run_light_sweep(light_spec("results", seeds=3))


@pytest.mark.usefixtures("raced")
def test_recommend_says_what_it_recommends_and_how_sure() -> None:
    found = json.loads(run("recommend", "--format", "json").stdout)
    shown = run("recommend").stdout
    assert shown.startswith(("Decided: ", "Not decided: "))
    assert f"Its coefficients: α = {found['alpha']:.3f}" in shown
    assert found["variant"] in shown
    assert "within 0.3 points of the best with probability" in shown
    rows = list(csv.DictReader(io.StringIO(run("recommend", "--format", "csv").stdout)))
    assert rows[0]["variant"] == found["variant"]
    assert [float(r["accuracy"]) for r in rows] == sorted(
        (float(r["accuracy"]) for r in rows), reverse=True
    )


@pytest.mark.usefixtures("raced")
def test_recommend_takes_another_metric_zone_and_confidence() -> None:
    narrow, wide = (
        json.loads(run("recommend", "--indifference", zone, "--format", "json").stdout)
        for zone in ("0.1", "50")
    )
    assert narrow["probability_within_indifference"] < 0.9 < wide["probability_within_indifference"]
    by_loss = run("recommend", "--metric", "val_loss").stdout
    assert "validation loss" in by_loss
    assert "within 0.01 nats" in by_loss
    assert "(77 % asked)" in run("recommend", "--confidence", "0.77").stdout


@pytest.mark.usefixtures("raced")
@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--indifference", "-1"), "-1"),
        (("--indifference", "nan"), "nan"),
        (("--confidence", "1"), "confidence 1"),
        (("--confidence", "0"), "confidence 0"),
        (("--metric", "top2"), "top2"),
        (("other",), "other"),
    ],
)
def test_recommend_refuses_in_a_sentence(flags: tuple[str, ...], named: str) -> None:
    assert named in refused("recommend", *flags)


def test_a_plan_by_stages_says_where_layers_go() -> None:
    stages = ("--scale", "stages", "--compound", "1.5", "1.05", "1.12")
    plan = ("plan", "--baseline", "b0", "--candidates", "5", *stages)
    document = json.loads(run(*plan, "--format", "json").stdout)
    placed = [one for one in document["variants"] if one["role"] == "stages"]
    assert sorted(one["placement"] for one in placed) == [-1, 1]
    assert all(one["matched"] for one in placed)
    table = run(*plan).stdout
    assert "layers early" in table
    assert "layers late" in table
    assert "--compound ALPHA BETA GAMMA" in refused(*plan[:-4])
