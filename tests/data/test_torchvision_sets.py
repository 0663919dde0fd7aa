"""Named data sets, from small files in the published formats; never from the network."""

from __future__ import annotations

import pickle
import struct
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from data_helpers import source_digest

from scalegrid.data import Source, open_source
from scalegrid.data.torchvision import NAMES
from scalegrid.util.errors import UserError


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        print("Downloading ...")  # as some versions of torchvision do
        raise URLError("network is unreachable")

    for module in ("cifar", "mnist", "places365", "inaturalist"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.download_and_extract_archive", refuse)


def opened(name: str, root: Path, **settings: Any) -> Source:
    return open_source(name, data_dir=root, **settings)


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Five batches of ten images as in the published archive, but with no test batch."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 3 * 32 * 32), dtype=np.uint8)
    for batch in range(5):
        content = {
            "data": pixels[batch * 10 : batch * 10 + 10],
            "labels": [index % 10 for index in range(10)],
        }
        (folder / f"data_batch_{batch + 1}").write_bytes(pickle.dumps(content))
    names = {"label_names": [f"kind {index}" for index in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))
    return pixels.reshape(50, 3, 32, 32).transpose(0, 2, 3, 1)


def write_mnist(root: Path, folder: str) -> Any:
    """Training images and labels in the IDX format; the test files are there but empty."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    labels = np.arange(40, dtype=np.uint8) % 10
    header = struct.pack(">IIII", 0x803, 40, 28, 28)
    (raw / "train-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    (raw / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 40) + labels.tobytes())
    (raw / "t10k-images-idx3-ubyte").touch()
    (raw / "t10k-labels-idx1-ubyte").touch()
    return pixels


def test_cifar10_is_split_from_its_training_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = write_cifar10(tmp_path, monkeypatch)
    source = opened("cifar10", tmp_path)
    assert (source.name, source.num_train, source.num_val) == ("cifar10", 40, 10)
    assert source.class_names == tuple(f"kind {index}" for index in range(10))
    assert set(Counter(source.val_labels.tolist()).values()) == {1}
    assert source.native_resolution == 32
    assert source.mirror
    drawn = [source.image("train", i) for i in range(40)] + [
        source.image("val", i) for i in range(10)
    ]
    assert Counter(image.tobytes() for image in drawn) == Counter(p.tobytes() for p in pixels)
    by_pixels = {p.tobytes(): index % 10 for index, p in enumerate(pixels)}
    assert [by_pixels[image.tobytes()] for image in drawn] == [
        *source.train_labels,
        *source.val_labels,
    ]


@pytest.mark.parametrize("name", ["mnist", "torch/kmnist", "fashion_mnist"])
def test_grey_sets_become_rgb(tmp_path: Path, name: str) -> None:
    folder = {"mnist": "MNIST", "torch/kmnist": "KMNIST", "fashion_mnist": "FashionMNIST"}[name]
    pixels = write_mnist(tmp_path, folder)
    source = opened(name, tmp_path, train_images=20)
    assert (source.num_train, source.num_val, source.native_resolution) == (20, 10, 28)
    image = np.asarray(source.image("train", 3))
    assert image.shape == (28, 28, 3)
    assert any(np.array_equal(image[..., 0], grey) for grey in pixels)
    assert source.mirror == (name == "fashion_mnist")


def test_grey_sets_stay_grey_if_one_channel_is_asked_for(tmp_path: Path) -> None:
    pixels = write_mnist(tmp_path, "MNIST")
    one, three = (opened("mnist", tmp_path, channels=channels) for channels in (1, 3))
    drawn = np.asarray(one.image("train", 3))
    assert one.channels == 1
    assert np.array_equal(drawn, np.asarray(three.image("train", 3))[..., 0])
    assert any(np.array_equal(drawn, grey) for grey in pixels)
    assert one.fingerprint != three.fingerprint == opened("mnist", tmp_path).fingerprint
    with pytest.raises(UserError, match="--channels is 2, but the images of mnist have 3"):
        opened("mnist", tmp_path, channels=2)


def test_the_same_choice_has_the_same_fingerprint(tmp_path: Path) -> None:
    write_mnist(tmp_path / "here", "MNIST")
    write_mnist(tmp_path / "there", "MNIST")
    first, second = (opened("mnist", tmp_path / at, train_images=20) for at in ("here", "there"))
    assert first.fingerprint == second.fingerprint
    assert source_digest(first) == source_digest(second)
    others = [
        opened("mnist", tmp_path / "here", **settings).fingerprint
        for settings in ({}, {"train_images": 21}, {"train_images": 20, "val_images": 11})
    ]
    assert len({first.fingerprint, *others}) == 4


def test_smaller_training_sets_are_part_of_larger_ones(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    few, many = (opened("mnist", tmp_path, train_images=n) for n in (10, 25))
    for index in range(10):
        assert few.image("train", index).tobytes() == many.image("train", index).tobytes()


def test_too_many_images_are_refused_with_their_number(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    with pytest.raises(UserError, match="train_images is 31, but there are only 30 images"):
        opened("mnist", tmp_path, train_images=31)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion_mnist", "inat"])
def test_without_network_one_sentence_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="could not be downloaded") as caught:
        opened(name, tmp_path)
    assert "connect to the network" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_timm_has_every_name(tmp_path: Path, name: str) -> None:
    """A name that timm's factory did not take would fail an assertion there."""
    with pytest.raises(UserError, match=f"data set '{name}' is not in"):
        opened(name, tmp_path / "empty", download=False)


def test_nothing_is_printed_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError):
        opened("mnist", tmp_path)
    assert capsys.readouterr().out == ""
