"""A user's own network: found by name anywhere, inspected without training, faults reported."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest
import torch
from soundness_helper import check

from scalegrid import baselines, cost
from scalegrid.util import yaml
from scalegrid.util.errors import UserError

SWEEPS = Path(__file__).parents[2] / "sweeps"
GOOD = """
from torch import nn

class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
    def forward(self, x):
        return x + self.conv(x)

def factory(depth, width, num_classes):
    c = round(8 * width)
    blocks = [Block(c) for _ in range(round(2 * depth))]
    stem = nn.Conv2d(3, c, 3, stride=2, padding=1)
    down = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * c, num_classes)]
    return nn.Sequential(stem, nn.Sequential(*blocks), down, *head)

factory.resolution = 32
"""

Writer = Callable[..., str]
_numbers = count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Writes a module of a new name into the working directory, and gives its name."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)

    def writer(text: str, folder: str = ".") -> str:
        name = f"own_network_{next(_numbers)}"
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.py").write_text(text)
        return name

    yield writer
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("own_network"):
            del sys.modules[name]


def good(write: Writer, old: str = "", new: str = "") -> baselines.Baseline:
    assert old in GOOD
    return baselines.get(write(GOOD.replace(old, new) if old else GOOD) + ":factory")


def problem(baseline: baselines.Baseline, num_classes: int = 7, resolution: int = 32) -> str:
    with pytest.raises(UserError) as error:
        check(baseline, num_classes, resolution)
    assert "\n" not in str(error.value)
    assert baseline.name in str(error.value)
    return str(error.value)


def test_a_sound_factory_is_a_baseline(write: Writer) -> None:
    baseline = good(write)
    assert check(baseline, 7, 32) == []
    assert (baseline.resolution, baseline.brief_resolution) == (32, 32)
    assert baseline.total_stride == 4
    rows = [tuple(row)[:5] for row in map(vars_of, baseline.layout(2, 1.5))]
    assert rows == [
        ("Conv", 3, 2, 12, 1),
        ("Block", 3, 1, 12, 4),
        ("Conv", 3, 2, 24, 1),
        ("Pooling & FC", 1, 1, 24, 1),
    ]


def vars_of(row: baselines.LayerRow) -> list[object]:
    return list(vars(row).values())


def test_steps_of_depth_and_width_are_those_of_the_factory(write: Writer) -> None:
    baseline = good(write)
    grid = [1 + i / 64 for i in range(65)]
    for realised, steps in (
        (baseline.depths, [round(2 * m) for m in grid]),
        (baseline.channels, [round(8 * m) for m in grid]),
    ):
        values = [realised(m) for m in grid]
        same = [a == b for a, b in pairwise(values)]
        assert same == [a == b for a, b in pairwise(steps)]


def test_networks_that_differ_inside_their_blocks_have_different_ids(write: Writer) -> None:
    hidden = GOOD.replace("def __init__(self, channels):", "def __init__(self, inner):")
    hidden = hidden.replace(
        "self.conv = nn.Conv2d(channels, channels, 3, padding=1)",
        "self.conv = nn.Sequential(nn.Conv2d(8, inner, 1), nn.Conv2d(inner, 8, 1))",
    ).replace("stem = nn.Conv2d(3, c,", "stem = nn.Conv2d(3, 8,")
    hidden = hidden.replace("down = nn.Conv2d(c, 2 * c,", "down = nn.Conv2d(8, 16,")
    hidden = hidden.replace("nn.Linear(2 * c,", "nn.Linear(16,")
    network = baselines.get(write(hidden) + ":factory")
    assert check(network, 7, 32) == []
    layouts = [network.layout(1, width) for width in (1, 2)]
    assert [row.channels for row in layouts[0]] == [row.channels for row in layouts[1]]
    ids = {baselines.network_id(network, layout, 32) for layout in layouts}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def factory(depth, width, num_classes)", "def factory(depth, width)", "signature"),
        ("    return nn.Seq", "    return 3\n    return nn.Seq", "object of type int"),
        ("    c = round", "    raise KeyError('stem')\n    c = round", "KeyError"),
        ("nn.Linear(2 * c, num_classes)", "nn.Linear(2 * c, 1000)", "shape (2, 1000)"),
        ("nn.Linear(2 * c, num_classes)", "nn.Linear(c, num_classes)", "does not run"),
        (
            "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * c,",
            "nn.Flatten(), nn.Linear(128 * c,",
            "does not run on images of 48 px",
        ),
        ("    c = round", "    c = round(8 * width) if width < 1.5 else 7.5 #", "depth 1, width 2"),
        ("nn.Linear(2 * c, num_classes)]", "nn.Linear(2 * c, num_classes), Pair()]", "a tuple"),
    ],
)
def test_a_fault_is_an_error_of_one_sentence(
    write: Writer, old: str, new: str, message: str
) -> None:
    pair = "class Pair(nn.Module):\n    def forward(self, x):\n        return x, x\n\n"
    name = write((GOOD.replace(old, new)).replace("def factory", pair + "def factory"))
    assert message in problem(baselines.get(f"{name}:factory"))


def test_nothing_to_count_is_a_fault(write: Writer) -> None:
    own = (
        "import torch\nclass Own(nn.Module):\n    def __init__(self, classes):\n"
        "        super().__init__()\n        self.scale = nn.Parameter(torch.ones(classes))\n"
        "    def forward(self, x):\n        return x.mean((1, 2, 3))[:, None] * self.scale\n\n"
    )
    text = "from torch import nn\n" + own
    text += "def factory(depth, width, num_classes):\n    return Own(num_classes)\n"
    assert "no matrix product" in problem(baselines.get(write(text) + ":factory"))


@pytest.mark.parametrize(
    ("old", "new", "axis"),
    [("round(2 * depth)", "2", "depth"), ("round(8 * width)", "8", "width")],
)
def test_an_axis_without_effect_is_noted(write: Writer, old: str, new: str, axis: str) -> None:
    baseline = good(write, old, new)
    (note,) = check(baseline, 7, 32)
    assert baseline.name in note
    assert f"its {axis} is not scaled" in note


def test_images_smaller_than_the_stride_are_refused(write: Writer) -> None:
    assert "images of 3 px" in problem(good(write), resolution=3)


def test_patches_make_up_the_step_and_must_not_leave_pixels_unused(write: Writer) -> None:
    text = "from torch import nn\ndef factory(depth, width, num_classes):\n"
    text += "    patches = nn.Conv2d(3, round(8 * width), 12, 12)\n"
    text += "    head = nn.Flatten(), nn.Linear(round(8 * width), num_classes)\n"
    text += "    return nn.Sequential(patches, nn.AdaptiveAvgPool2d(1), *head)\n"
    baseline = baselines.get(write(text + "factory.resolution = 36\n") + ":factory")
    assert baseline.resolution_step == 12
    assert "patches of 12 px every 12 px leave px of 40 unused" in problem(baseline, resolution=40)


def test_the_resolution_must_be_given_somewhere(write: Writer) -> None:
    baseline = good(write, "factory.resolution = 32", "")
    with pytest.raises(UserError, match="--resolution"):
        _ = baseline.brief_resolution
    assert check(baseline, 7, 40) == []
    odd = good(write, "factory.resolution = 32", "factory.resolution = '32'")
    with pytest.raises(UserError, match="'32'"):
        _ = odd.resolution
    huge = good(write, "factory.resolution = 32", "factory.resolution = 10**6")
    with pytest.raises(UserError, match="at most 4096, not 1000000"):
        _ = huge.resolution


def test_a_network_that_needs_numbers_is_counted_on_the_cpu(write: Writer) -> None:
    usual = good(write)
    numeric = good(
        write,
        "    c = round",
        "    import torch\n    torch.linspace(0, 1, 3)[1].item()\n    c = round",
    )
    before = torch.random.get_rng_state()
    assert check(numeric, 7, 32) == []
    costs = [cost.measure(baselines.skeleton(b, 2, 1.5, 7), 32) for b in (usual, numeric)]
    assert costs[0] == costs[1]
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_id_follows_the_source_but_not_its_comments(write: Writer) -> None:
    texts = [GOOD, GOOD + "\n# a comment\n", GOOD.replace("x + self.conv(x)", "self.conv(x)")]
    sources = [baselines.get(write(text) + ":factory").definition["source"] for text in texts]
    assert sources[0] == sources[1] != sources[2]


def test_a_class_is_a_factory_too(write: Writer) -> None:
    text = GOOD + "\nclass Net(nn.Sequential):\n    resolution = 32\n"
    text += "    def __init__(self, depth, width, num_classes):\n"
    text += "        super().__init__(*factory(depth, width, num_classes))\n"
    baseline = baselines.get(write(text) + ":Net")
    assert check(baseline, 7, 32) == []


@pytest.mark.parametrize(
    ("text", "attribute", "message"),
    [
        (GOOD, "nothing", "has no 'nothing'; it defines Block, factory"),
        (GOOD, "Factory", "has no 'Factory'; did you mean 'factory'?"),
        ("factory = 3", "factory", "is not callable, but an object of type int"),
        ("import no_such_thing_anywhere", "factory", "needs no_such_thing_anywhere"),
        ("1 / 0", "factory", "ZeroDivisionError"),
        ("def f(:\n", "factory", "SyntaxError"),
        ("raise SystemExit", "factory", "SystemExit"),
        ("raise GeneratorExit", "factory", "GeneratorExit"),
        ("import os; os._exit(3)", "factory", "os._exit(3)"),
    ],
)
def test_what_cannot_be_imported_is_named(
    write: Writer, text: str, attribute: str, message: str
) -> None:
    name = f"{write(text)}:{attribute}"
    with pytest.raises(UserError) as error:
        baselines.get(name)
    assert message in str(error.value)
    assert name in str(error.value)


def test_a_network_that_returns_nothing_is_told_what_is_missing(write: Writer) -> None:
    text = GOOD.replace("return x + self.conv(x)", "self.conv(x)")
    text = text.replace("nn.Sequential(stem, nn.Sequential(*blocks), down, *head)", "Net(c, depth)")
    text += """
class Net(nn.Module):
    def __init__(self, c, depth):
        super().__init__()
        self.stem = nn.Conv2d(3, c, 3)
        self.blocks = nn.ModuleList([nn.Conv2d(c, c, 3) for _ in range(round(2 * depth))])
    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
"""
    baseline = baselines.get(f"{write(text)}:factory")
    assert "returns nothing; its forward must end in return" in problem(baseline)


def test_a_factory_that_ends_the_process_ends_its_call_alone(write: Writer) -> None:
    leave = "    import os; os._exit(3)\n"
    text = GOOD.replace("num_classes):\n", f"num_classes):\n{leave}", 1)
    with pytest.raises(UserError, match=r"failed at depth 1.*os\._exit\(3\)"):
        baselines.get(f"{write(text)}:factory").layout(1.0, 1.0)


def test_a_deeper_network_that_fails_is_the_one_that_is_named(write: Writer) -> None:
    text = GOOD.replace("num_classes):\n", "num_classes):\n    assert depth < 2, 'too deep'\n", 1)
    name = write(text)
    with pytest.raises(UserError) as error:
        baselines.get(f"{name}:factory").layout(1.0, 1.0)
    assert str(error.value).startswith(f"{name}:factory failed at depth 2")
    assert "UserError" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:factory", "no module no_such_module"),
        ("nowhere/own:factory", "no folder nowhere"),
        (":factory", "write package.module:factory"),
        ("module:", "write package.module:factory"),
    ],
)
@pytest.mark.usefixtures("write")
def test_a_name_without_a_module_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        baselines.get(name)


def test_a_factory_beside_the_specification_is_located(write: Writer) -> None:
    name = write(GOOD, "specs") + ":factory"
    with pytest.raises(UserError, match="there is no module"):
        baselines.get(name)
    located = baselines.locate(name, Path("specs"))
    assert located == f"specs/{name}"
    assert baselines.get(located).layout(1, 1)
    assert baselines.locate("torch:nn", Path("specs")) == "torch:nn"


def test_another_process_finds_it_by_name_and_directory(write: Writer, tmp_path: Path) -> None:
    name = write(GOOD, "specs")
    code = (
        "from scalegrid import baselines\n"
        f"model = baselines.get('specs/{name}:factory').build(1, 2, 7)\n"
        "print(sum(p.numel() for p in model.parameters()))"
    )
    root = str(Path(baselines.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({root!r})\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    own = baselines.get(f"specs/{name}:factory").build(1, 2, 7)
    assert int(done.stdout) == sum(p.numel() for p in own.parameters())


@pytest.mark.parametrize("name", ["sys:exit", "sys:nothing", "builtins:print"])
def test_what_is_built_into_python_is_no_factory(name: str) -> None:
    with pytest.raises(UserError, match=name):
        baselines.get(name).layout(1.0, 1.0)


def test_a_factory_takes_images_of_other_channels_if_it_has_the_parameter(write: Writer) -> None:
    fixed = good(write)
    with pytest.raises(UserError, match="images of 3 channels, not of 13; give the factory that"):
        check(fixed, 7, 32, in_chans=13)
    text = GOOD.replace("num_classes):", "num_classes, in_chans=3):")
    assert check(baselines.get(f"{write(text)}:factory"), 7, 32) == []
    deaf = baselines.get(f"{write(text)}:factory")
    with pytest.raises(UserError, match="does not run on images of 32 px and channels: 13"):
        check(deaf, 7, 32, in_chans=13)
    text = text.replace("nn.Conv2d(3, c,", "nn.Conv2d(in_chans, c,")
    assert check(baselines.get(f"{write(text)}:factory"), 7, 32, in_chans=13) == []


def test_lazy_layers_are_refused(write: Writer) -> None:
    name = write(GOOD.replace("nn.Flatten()", "nn.Flatten(), nn.LazyLinear(8)"))
    with pytest.raises(UserError, match="lazy layers"):
        baselines.get(f"{name}:factory").layout(1.0, 1.0)


def test_a_factory_that_builds_by_chance_is_refused(write: Writer) -> None:
    text = GOOD.replace(
        "def factory(", "from itertools import count\nTIMES = count()\ndef factory("
    )
    name = write(text.replace("nn.Flatten()", "*[nn.ReLU()] * next(TIMES), nn.Flatten()"))
    with pytest.raises(UserError, match="different networks each time"):
        check(baselines.get(f"{name}:factory"), 7, 32)


def test_two_modules_of_one_name_are_not_confused(write: Writer, tmp_path: Path) -> None:
    name = write(GOOD, "here")
    baselines.get(f"here/{name}:factory")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / f"{name}.py").write_text(GOOD)
    with pytest.raises(UserError, match="is loaded already"):
        baselines.get(f"there/{name}:factory")


@pytest.mark.parametrize(
    ("name", "layers"),
    [("plainnet:plainnet", [1, 4, 6, 6, 1]), ("resnet14:resnet14", [1, 2, 4, 6, 1])],
)
def test_the_examples_are_sound_and_scale_on_both_axes(
    name: str, layers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SWEEPS))
    example = baselines.get(name)
    assert check(example, 10, example.resolution) == []
    assert [row.layers for row in example.layout(2, 1)] == layers


def test_all_axes_of_the_studys_resnet_reach_twice_the_flops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(SWEEPS))
    given = yaml.values(SWEEPS / "study_resnet.yaml", "specification")
    example = baselines.get(given["baseline"])
    one, *axes = (
        cost.measure(baselines.skeleton(example, depth, width, 10), px).flops
        for depth, width, px in ((1, 1, 32), (2, 1, 32), (1, 1.422, 32), (1, 1, 42))
    )
    assert [flops / one for flops in axes] == pytest.approx([2, 2, 2], rel=given["cost_tolerance"])


def test_a_product_of_ones_own_costs_what_the_layer_costs(write: Writer) -> None:
    own = (
        "import torch\nclass Own(nn.Module):\n    def __init__(self, i, o):\n"
        "        super().__init__()\n        self.table = nn.Parameter(torch.zeros(o, i))\n"
        "    def forward(self, x):\n        return x @ self.table.T\n\n"
    )
    text = GOOD.replace("nn.Flatten(), nn.Linear(", "nn.Flatten(), Own(")
    hidden = baselines.get(write(text.replace("def factory", own + "def factory")) + ":factory")
    assert check(hidden, 70, 32) == []
    flops = [cost.measure(baselines.skeleton(b, 1, 1, 70), 32).flops for b in (hidden, good(write))]
    assert flops[0] == flops[1]


def test_arithmetic_that_is_not_counted_is_noted_with_its_size(write: Writer) -> None:
    own = (
        "import torch\nclass Spectrum(nn.Module):\n"
        "    def forward(self, x):\n        return torch.fft.fft2(x).abs()\n\n"
    )
    text = GOOD.replace("nn.Flatten(), nn.Linear(", "nn.Flatten(), Spectrum(), nn.Linear(")
    text = text.replace(
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), Spectrum(),",
        "Spectrum(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),",
    )
    (note,) = check(
        baselines.get(write(text.replace("def factory", own + "def factory")) + ":factory"), 7, 32
    )
    assert "_fft_c2c" in note
    assert re.search(r"are \d+ % of its outputs and those of what is counted", note)
