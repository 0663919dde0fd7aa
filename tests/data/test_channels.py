"""Images of any number of channels and any type of number, from files to normalised batches."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from data_helpers import make_classes, picture, tiny_glyphs
from PIL import Image

from scalegrid.data import (
    Augment,
    CachedImages,
    Source,
    StreamedImages,
    batches,
    cache_bytes,
    load_split,
    open_source,
    prepare,
)
from scalegrid.util.errors import UserError

CPU = torch.device("cpu")
GREY = np.random.default_rng(5).integers(0, 256, (16, 20), dtype=np.uint8)
SAMPLES: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}

Save = Callable[[Path, Any], object]


def numbers(index: int, channels: int = 13, dtype: str = "uint16") -> Any:
    """Numbers of an image, (16, 20, channels); each channel has a range of its own."""
    values = np.random.default_rng(index).random((16, 20, channels))
    return (values * 17 * (1 + np.arange(channels))).astype(dtype)


def save_npy(path: Path, values: Any) -> None:
    np.save(path.with_suffix(".npy"), values)


def save_tiff(path: Path, values: Any) -> None:
    settings = SAMPLES if values.shape[2] > 1 else {}
    tifffile.imwrite(path.with_suffix(".tif"), values, **settings)


def save_planes(path: Path, values: Any) -> None:
    planes = values.transpose(2, 0, 1)
    tifffile.imwrite(
        path.with_suffix(".tiff"), planes, photometric="minisblack", compression="zlib"
    )


def save_png(path: Path, values: Any) -> None:
    Image.fromarray(values).save(path.with_suffix(".png"))


def make_set(root: Path, save: Save, images: Callable[[int], Any] = numbers) -> str:
    """Eight training and four validation images of two classes."""
    for index in range(12):
        folder = root / ("val" if index >= 8 else "train") / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        save(folder / str(index), images(index))
    return str(root)


def pixels_of(source: Source, cache: Path, side: int = 12) -> torch.Tensor:
    images = load_split(prepare(source, [side], cache_dir=cache), "train", side)
    assert isinstance(images, CachedImages)
    return images.pixels


def in_channels(channels: int) -> Callable[[int], Any]:
    return lambda index: numbers(index, channels)


def first_of(source: Source) -> Any:
    return np.asarray(source.image("train", 0))


@pytest.mark.parametrize("channels", [1, 4, 13])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_arrays_and_tiff_files_of_the_same_numbers_give_the_same_pixels(
    tmp_path: Path, channels: int, dtype: str
) -> None:
    found = []
    for save in (save_npy, save_tiff, save_planes):
        root = make_set(tmp_path / save.__name__, save, lambda i: numbers(i, channels, dtype))
        source = open_source(root, channels=channels)
        assert source.channels == channels
        found.append(pixels_of(source, tmp_path / "cache"))
    assert found[0].shape == (8, 12, 12, channels)
    assert all(torch.equal(found[0], other) for other in found)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_an_array_gives_the_pixels_of_a_picture_with_the_same_content(
    tmp_path: Path, channels: int | None, order: Any
) -> None:
    def content(index: int) -> Any:
        return np.asarray(picture(index), order=order)

    roots = [make_set(tmp_path / s.__name__, s, content) for s in (save_npy, save_png)]
    found = [pixels_of(open_source(r, channels=channels), tmp_path / "cache") for r in roots]
    assert torch.equal(*found)


def test_a_channel_is_resized_as_the_channels_of_a_picture_are(tmp_path: Path) -> None:
    """Four times the same three channels: each is that of the RGB image."""
    many = make_set(tmp_path / "a", save_npy, lambda i: np.tile(np.asarray(picture(i)), 4))
    three = make_set(tmp_path / "b", save_png, lambda i: np.asarray(picture(i)))
    found = [pixels_of(open_source(root), tmp_path / "cache", side=9) for root in (many, three)]
    assert torch.equal(found[0], found[1].repeat(1, 1, 1, 4))


def test_grey_images_are_expanded_to_three_channels_unless_one_is_asked_for(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set", save_png, lambda _: GREY)
    three, one = open_source(root), open_source(root, channels=1)
    assert np.array_equal(first_of(three), GREY[..., None].repeat(3, axis=2))
    assert np.array_equal(first_of(one), GREY)
    assert one.fingerprint != three.fingerprint == open_source(root, channels=3).fingerprint
    assert pixels_of(one, tmp_path / "cache").shape == (8, 12, 12, 1)
    assert cache_bytes(one, [12]) == 12 * 12 * 12


@pytest.mark.parametrize("save", [save_png, save_npy])
def test_one_channel_of_colour_is_luminance(tmp_path: Path, save: Save) -> None:
    root = make_set(tmp_path, save, lambda _: np.asarray(picture(3)))
    expected = np.asarray(picture(3)) @ [0.299, 0.587, 0.114]
    assert np.abs(first_of(open_source(root, channels=1)) - expected).max() <= 1


def test_one_array_of_grey_is_repeated_for_three_channels(tmp_path: Path) -> None:
    root = make_set(tmp_path, save_npy, lambda _: GREY)
    assert np.array_equal(first_of(open_source(root)), GREY[..., None].repeat(3, axis=2))


def test_glyphs_and_their_luminance(tmp_path: Path) -> None:
    colour, grey = (open_source("glyphs", train_images=20, channels=c) for c in (3, 1))
    drawn = colour.image("train", 4)
    assert isinstance(drawn, Image.Image)
    assert np.array_equal(np.asarray(drawn.convert("L")), np.asarray(grey.image("train", 4)))
    assert grey.fingerprint != colour.fingerprint
    with pytest.raises(UserError, match="--channels is 13, but the images of glyphs have 3"):
        open_source("glyphs", channels=13)


@pytest.mark.parametrize("channels", [None, 13])
def test_the_default_is_the_number_of_channels_of_the_files(
    tmp_path: Path, channels: int | None
) -> None:
    root = make_set(tmp_path, save_tiff)
    source = open_source(root, channels=channels)
    assert source.channels == 13
    assert source.fingerprint == open_source(root).fingerprint


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
def test_numbers_are_mapped_to_8_bits_by_quantiles_of_the_training_images(
    tmp_path: Path, dtype: str
) -> None:
    source = open_source(make_set(tmp_path, save_npy, lambda i: numbers(i, 2, dtype)))
    train = np.concatenate([numbers(i, 2, dtype).reshape(-1, 2) for i in range(8)]).astype(float)
    ordered = np.sort(train, axis=0)
    low, high = (ordered[round(share * (len(train) - 1))] for share in (0.005, 0.995))
    shown = {source.image("train", i).tobytes() for i in range(8)}
    for index in range(8):
        shares = (numbers(index, 2, dtype) - low) / (high - low)
        expected = np.clip(np.round(255 * shares), 0, 255).astype(np.uint8)
        assert expected.tobytes() in shown
    (note,) = source.notes
    assert f"the images are {dtype} and are mapped to 8 bits" in note
    assert f"channel 2: {low[1]:g} to {high[1]:g}" in note


def test_pictures_of_16_bits_are_mapped_likewise_for_one_channel(tmp_path: Path) -> None:
    """A depth map whose numbers fill a fraction of 8 bits is stretched, for one channel alone."""
    root = make_set(tmp_path, save_png, lambda i: numbers(i, 1)[..., 0])
    assert first_of(open_source(root)).max() == 16
    assert np.ptp(first_of(open_source(root, channels=1))) == 255


def test_numbers_of_8_bits_are_kept(tmp_path: Path) -> None:
    source = open_source(make_set(tmp_path, save_npy, lambda i: numbers(i, 5, "uint8")))
    shown = {source.image("train", i).tobytes() for i in range(8)}
    assert shown == {numbers(i, 5, "uint8").tobytes() for i in range(8)}
    assert source.notes == ()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_channels_are_normalised_by_their_own_statistics(tmp_path: Path, dtype: str) -> None:
    source = open_source(make_set(tmp_path / "set", save_npy, lambda i: numbers(i, 7, dtype)))
    data = pickle.loads(pickle.dumps(prepare(source, [16], cache_dir=tmp_path / "cache")))
    assert data.channels == 7
    images = load_split(data, "train", 16)
    still = Augment(shift=0.0)
    (batch, _), *_ = batches(images, 8, seed=0, epoch=0, device=CPU, augment=still)
    assert batch.shape == (8, 7, 16, 16)
    assert torch.allclose(batch.mean(dim=(0, 2, 3)), torch.zeros(7), atol=0.15)
    assert torch.allclose(batch.std(dim=(0, 2, 3)), torch.ones(7), atol=0.15)


def test_a_constant_channel_becomes_zero(tmp_path: Path) -> None:
    source = open_source(make_set(tmp_path / "set", save_npy, lambda _: np.full((9, 9, 2), 7.5)))
    images = load_split(prepare(source, [9], cache_dir=tmp_path / "cache"), "train", 9)
    (batch, _), *_ = batches(images, 8, seed=0, epoch=0, device=CPU, augment=Augment())
    assert not batch.any()


def test_one_channel_is_normalised_by_the_constants_of_grey() -> None:
    from scalegrid.data.batching import MEAN, STD, normalise

    grey = normalise(torch.full((1, 2, 2, 1), 128, dtype=torch.uint8))
    weights = np.array([0.299, 0.587, 0.114])
    expected = (128 / 255 - weights @ MEAN) / (weights @ STD)
    assert grey.shape == (1, 1, 2, 2)
    assert grey.flatten().tolist() == pytest.approx([expected] * 4, abs=0.01)


def test_a_stream_of_many_channels_gives_the_batches_of_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(make_set(tmp_path / "set", save_tiff))
    cached = prepare(source, [12], cache_dir=tmp_path / "a")
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "1e-9")
    streamed = prepare(source, [12], cache_dir=tmp_path / "b")
    both = [load_split(data, "train", 12) for data in (cached, streamed)]
    assert isinstance(both[1], StreamedImages)
    first, second = (
        list(batches(images, 4, seed=1, epoch=0, device=CPU, augment=Augment())) for images in both
    )
    assert all(torch.equal(x, u) for (x, _), (u, _) in zip(first, second, strict=True))


@pytest.mark.parametrize("part", ["train", "val"])
def test_the_fingerprint_notices_other_numbers(tmp_path: Path, part: str) -> None:
    root = make_set(tmp_path, save_npy)
    before = open_source(root).fingerprint
    victim = next((tmp_path / part / "a").iterdir())
    np.save(victim, np.load(victim)[::-1])
    assert open_source(root).fingerprint != before


def test_fingerprints_of_three_channels_are_those_of_earlier_versions(tmp_path: Path) -> None:
    """As version 0.1.0 computed it for the same files."""
    for index in range(12):
        folder = tmp_path / ("val" if index >= 8 else "train") / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.ppm").write_bytes(b"P6 2 2 255\n" + bytes(range(index, index + 12)))
    expected = "d431bfb850c96192dd0ceb91065683b5876519b315f62b716aa2816d2a33b39d"
    assert {open_source(str(tmp_path), channels=c).fingerprint for c in (None, 3)} == {expected}


def test_arrays_beside_pictures_are_no_images(tmp_path: Path) -> None:
    make_classes(tmp_path, {"a": 10, "b": 10})
    before = open_source(str(tmp_path))
    np.save(tmp_path / "a" / "features.npy", np.zeros(7))
    assert open_source(str(tmp_path)).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    ("save", "values", "channels", "says"),
    [
        (save_tiff, numbers(0), 3, "--channels is 3, but image .* has 13 channels of uint16"),
        (save_tiff, numbers(0), 1, "--channels is 1, but .* 13 channels of uint16; give .* 13$"),
        (save_npy, numbers(0), 12, "--channels is 12, but image .* has 13 channels of uint16"),
        (save_png, GREY, 13, "--channels is 13, but .* 1 channel of uint8; give --channels 1 or 3"),
        (save_npy, numbers(0).transpose(2, 0, 1), None, r"shape \(13, 16, 20\) would have 20 cha"),
        (save_npy, numbers(0).transpose(2, 0, 1), 13, r"save it in that order, or give .* 20 if"),
        (save_npy, GREY[None, ..., None], None, r"its shape is \(1, 16, 20, 1\), not \(height"),
        (save_npy, np.zeros((0, 4, 3)), None, "it has no pixels"),
        (save_npy, GREY * 1j, None, "type complex128, which are no real numbers"),
        (save_npy, np.where(GREY > 9, GREY, np.nan), None, "values that are NaN, infinite or"),
        (save_npy, np.where(GREY > 9, GREY, -np.inf), 1, "values that are NaN, infinite or"),
        (save_npy, np.where(GREY > 9, 1, np.finfo("f4").min), 1, "infinite or beyond 1e"),
        (save_npy, np.array([[{}, "x"]] * 2, dtype=object), None, "Python objects in dtype"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_sentence(
    tmp_path: Path, save: Save, values: Any, channels: int | None, says: str
) -> None:
    root = make_set(tmp_path, save, lambda _: values)
    with pytest.raises(UserError, match=says) as caught:
        open_source(root, channels=channels)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_an_array_with_many_channels_is_read_if_their_number_is_given(tmp_path: Path) -> None:
    root = make_set(tmp_path, save_npy, lambda i: numbers(i, 60))
    with pytest.raises(UserError, match="give --channels 60 if it is"):
        open_source(root)
    assert open_source(root, channels=60).channels == 60


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (numbers(0, 4), "has 4 channels of uint16, but .* has 13 channels of uint16; all images"),
        (numbers(0, dtype="uint8"), "has 13 channels of uint8, but .* 13 channels of uint16"),
    ],
)
def test_an_image_unlike_the_first_is_named(tmp_path: Path, other: Any, says: str) -> None:
    root = make_set(tmp_path / "set", save_tiff)
    save_tiff(tmp_path / "set" / "val" / "a" / "8", other)
    with pytest.raises(UserError, match=rf"val/a/8\.tif' {says}"):
        prepare(open_source(root), [12], cache_dir=tmp_path / "cache")


def npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def tiff_content(**settings: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, numbers(0), **SAMPLES, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.npy", b"", "cannot be read"),
        ("x.npy", npy_header((10**6, 10**6, 13)) + b"abc", "cannot be read"),
        ("x.npy", pickle.dumps(["no", "array"]), "the magic string is not correct"),
        ("x.tif", b"", "not a TIFF file"),
        ("x.tif", tiff_content()[:4000], "failed to read 8320 bytes"),
        ("x.tif", tiff_content(extratags=[(274, 3, 1, 6, True)]), "stored turned or mirrored"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, content: bytes, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    root = make_set(tmp_path, lambda path, _: (path.parent / name).write_bytes(content))
    with pytest.raises(UserError, match=r"image '.*x\.(npy|tif)' cannot be read \(") as caught:
        open_source(root)
    assert says in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_tiff_file_that_promises_too_many_pixels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_set(tmp_path, save_tiff)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match=r"\(16, 20, 13\) are those of a decompression bomb"):
        open_source(root)


@pytest.mark.parametrize("pages", [0, 3, 4])
def test_channels_that_are_left_out_are_named(tmp_path: Path, pages: int) -> None:
    """Pillow drops a fourth sample and further pages."""

    def save(path: Path, values: Any) -> None:
        if pages:
            tifffile.imwrite(f"{path}.tif", values.transpose(2, 0, 1), photometric="minisblack")
        else:
            tifffile.imwrite(f"{path}.tif", values, photometric="rgb", extrasamples=[0])

    root = make_set(tmp_path, save, lambda index: numbers(index, pages or 4, "uint8"))
    source = open_source(root)
    assert source.channels == 3
    (note,) = source.notes
    assert f"{1 if pages else 3} of the {pages or 4} channels of image" in note
    if pages == 3:  # three channels are asked for by default, and mean colour
        assert "save all in one page to train on them" in note
    else:
        assert "give --channels 4 to train on them" in note
        many = open_source(root, channels=4)
        first = first_of(many)
        assert any(np.array_equal(first, numbers(index, 4, "uint8")) for index in range(8))
        assert many.notes == ()


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 4), ("LA", 2)])
def test_stored_channels_of_pictures_are_read_as_they_are(
    tmp_path: Path, mode: str, channels: int
) -> None:
    image = picture(1).convert(mode)
    image.putalpha(7)
    root = make_set(tmp_path, lambda path, _: image.save(f"{path}.png"))
    assert np.array_equal(first_of(open_source(root, channels=channels)), np.asarray(image))


def test_what_takes_three_channels_is_what_it_was() -> None:
    source = tiny_glyphs()
    assert (source.channels, source.statistics, source.notes) == (3, None, ())
