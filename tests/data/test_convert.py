from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from data_helpers import picture
from PIL import Image

from scalegrid.data import open_source
from scalegrid.data.convert import Depth, fit, read_image, to_rgb
from scalegrid.data.sources import Fit
from scalegrid.util.errors import UserError

ALL_MODES = [
    *("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"),
    *("LA", "PA", "RGBX", "RGBa", "La", "I;16", "I;16L", "I;16B", "I;16N"),
]
RED = (200, 30, 40)


def pixel(image: Image.Image) -> tuple[int, ...]:
    value = to_rgb(image).getpixel((0, 0))
    assert isinstance(value, tuple)
    return value


def from_array(values: npt.NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(values)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_every_pillow_mode_becomes_rgb(mode: str) -> None:
    converted = to_rgb(Image.new(mode, (5, 3)), Depth(real=(0, 1)))
    assert (converted.mode, converted.size) == ("RGB", (5, 3))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_colours_survive(mode: str) -> None:
    assert pixel(Image.new("RGB", (2, 2), RED).convert(mode)) == pytest.approx(RED, abs=3)


def test_lab_is_converted_by_its_profile() -> None:
    assert pixel(Image.new("LAB", (2, 2), (255, 128, 128))) == pytest.approx((255,) * 3, abs=2)
    assert pixel(Image.new("LAB", (2, 2), (0, 128, 128))) == pytest.approx((0,) * 3, abs=2)


@pytest.mark.parametrize("alpha", [0, 128, 255])
@pytest.mark.parametrize("mode", ["RGBA", "RGBa"])
def test_transparency_shows_white(mode: str, alpha: int) -> None:
    share = alpha / 255
    expected = [share * c + (1 - share) * 255 for c in RED]
    assert pixel(Image.new("RGBA", (2, 2), (*RED, alpha)).convert(mode)) == pytest.approx(
        expected, abs=2
    )


@pytest.mark.parametrize("mode", ["LA", "La"])
def test_transparent_grey_shows_white(mode: str) -> None:
    image = Image.new("LA", (2, 2), (60, 0))
    assert pixel(image.convert(mode)) == (255, 255, 255)


def test_a_palette_with_alpha_shows_white() -> None:
    image = Image.new("PA", (2, 2), (1, 0))
    image.putpalette([0, 0, 0, *RED])
    assert pixel(image) == (255, 255, 255)
    image.putalpha(255)
    assert pixel(image) == RED


def test_a_transparent_palette_entry_and_colour_show_white() -> None:
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, *RED])
    assert pixel(palette) == RED
    palette.info["transparency"] = 1
    assert pixel(palette) == (255, 255, 255)
    colour = Image.new("RGB", (2, 2), RED)
    colour.info["transparency"] = RED
    assert pixel(colour) == (255, 255, 255)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_sixteen_bits_keep_their_scale(dtype: str) -> None:
    image = from_array(np.array([[0, 257, 32768, 60000, 65535]], dtype=dtype))
    assert [p[0] for p in np.asarray(to_rgb(image))[0].tolist()] == [0, 1, 128, 233, 255]


@pytest.mark.parametrize(
    ("span", "expected"), [((0, 1), [0, 128, 255, 255]), ((-1, 3), [64, 96, 128, 255])]
)
def test_floats_are_scaled_by_the_span_of_the_data_set(
    span: tuple[float, float], expected: list[int]
) -> None:
    image = from_array(np.array([[0.0, 0.5, 1.0, 9.0]], dtype="f4"))
    converted = to_rgb(image, Depth(real=span))
    assert np.asarray(converted)[0, :, 0].tolist() == expected
    with pytest.raises(ValueError, match="floats of unknown range"):
        to_rgb(image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.asarray(picture(1, 5, 3))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(read_image(tmp_path / "a.png")), upright)


def test_broken_exif_data_do_not_reject_sound_pixels(tmp_path: Path) -> None:
    """As some cameras write it: Orientation, and XResolution as a text."""
    entry = struct.Struct("<HHI4s")
    text = entry.pack(0x011A, 2, 4, b"abc\0")
    turned = entry.pack(0x0112, 3, 1, struct.pack("<I", 6))
    exif = b"II*\0" + struct.pack("<IH", 8, 2) + turned + text + bytes(4)
    upright = picture(1, 5, 3).rotate(90, expand=True)
    upright.save(tmp_path / "a.png", exif=b"Exif\0\0" + exif)
    assert read_image(tmp_path / "a.png").size == (5, 3)


def test_an_image_with_too_many_pixels_says_what_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("L", (90, 40)).save(tmp_path / "large.png")
    says = r"large\.png' cannot be read \(it has more pixels .*SCALEGRID_LARGEST_IMAGE"
    with pytest.raises(UserError, match=says):
        read_image(tmp_path / "large.png")
    monkeypatch.setenv("SCALEGRID_LARGEST_IMAGE", "0.004")
    assert read_image(tmp_path / "large.png").size == (90, 40)


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_a_largest_image_that_is_no_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SCALEGRID_LARGEST_IMAGE", text)
    with pytest.raises(UserError, match=f"^SCALEGRID_LARGEST_IMAGE is '{text}'"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "webp", "tiff", "ppm", "tga", "jpg"])
def test_files_of_many_formats_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (4, 4), RED).save(path)
    assert read_image(path).getpixel((1, 1)) == pytest.approx(RED, abs=4)


def test_the_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, (0, 0, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif").getpixel((0, 0)) == RED


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.png"
    if content is None:
        picture(0, 60, 60).save(path)
        content = path.read_bytes()[:2000]  # whole header, half the pixels
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"image '.*broken\.png' cannot be read \(.+\)"):
        read_image(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image '.*gone\.png' cannot be read"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize(("width", "height"), [(40, 40), (60, 40), (40, 61), (5, 9)])
def test_fit_scales_the_short_side_and_crops_the_middle(width: int, height: int) -> None:
    """The two steps that a user would write give the same pixels up to rounding."""
    ramp = np.linspace(0, 255, width)[None, :, None] + np.zeros((height, 1, 3))
    image = Image.fromarray(ramp.astype(np.uint8))
    scale = 20 / min(width, height)
    scaled = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    left, top = (scaled.width - 20) // 2, (scaled.height - 20) // 2
    expected = np.asarray(scaled.crop((left, top, left + 20, top + 20))).astype(int)
    assert np.abs(fit(image, 20).astype(int) - expected).max() <= 255 / width / scale


def test_fit_averages_what_it_shrinks() -> None:
    """Antialiased: a fine chequerboard becomes even grey, not a coarser chequerboard."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = fit(Image.fromarray(board).convert("RGB"), 8)
    assert np.abs(small.astype(int) - 127).max() <= 3


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    image = picture(2, 9, 9)
    assert fit(image, 9).tobytes() == image.tobytes()


def wide(width: int = 160, height: int = 32) -> Image.Image:
    """Red at the left end, blue at the right, green between."""
    image = Image.new("RGB", (width, height), "lime")
    image.paste("red", (0, 0, height // 2, height))
    image.paste("blue", (width - height // 2, 0, width, height))
    return image


def test_a_crop_loses_the_ends_which_padding_and_stretching_keep() -> None:
    crop, pad, stretch = (fit(wide(), 40, how) for how in ("crop", "pad", "stretch"))
    assert (crop == [0, 255, 0]).all()
    for kept in (pad, stretch):
        assert kept[20, 0].tolist() == [255, 0, 0]
        assert kept[20, -1].tolist() == [0, 0, 255]
    assert not pad[:16].any()
    assert not pad[24:].any()
    assert pad[16:24].any(axis=2).all()
    assert (stretch[0] == stretch[20]).all()


@pytest.mark.parametrize("how", ["pad", "stretch"])
def test_arrays_are_fitted_as_images_are(how: Fit) -> None:
    image = picture(3, 30, 50)
    assert np.array_equal(fit(np.asarray(image), 16, how), fit(image, 16, how))


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_squares_are_the_same_however_they_are_fitted(how: Fit) -> None:
    image = picture(3, 30, 30)
    assert np.array_equal(fit(image, 16, how), fit(image, 16))


@pytest.mark.parametrize("how", ["pad", "stretch"])
def test_a_thin_image_can_be_fitted(how: Fit) -> None:
    assert fit(picture(3, 2, 900), 16, how).shape == (16, 16, 3)
