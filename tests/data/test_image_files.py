"""Every kind of image file becomes 8-bit RGB, or a sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.image_files import decode_image, image_size

GREY = np.array([[0, 100, 255], [1, 2, 3]], dtype=np.uint8)
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def saved(folder: Path, image: Image.Image, name: str = "img.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def test_rgb_is_kept(tmp_path: Path) -> None:
    np.testing.assert_array_equal(decode_image(saved(tmp_path, Image.fromarray(RGB))), RGB)


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    pixels = decode_image(saved(tmp_path, Image.fromarray(GREY)))
    np.testing.assert_array_equal(pixels, np.repeat(GREY[..., None], 3, axis=-1))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    with_alpha = np.concatenate([RGB, np.full((2, 3, 1), 7, dtype=np.uint8)], axis=-1)
    np.testing.assert_array_equal(decode_image(saved(tmp_path, Image.fromarray(with_alpha))), RGB)


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(GREY).convert("P")
    pixels = decode_image(saved(tmp_path, image))
    np.testing.assert_array_equal(pixels[..., 0], GREY)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path: Path, suffix: str) -> None:
    words = np.array([[0, 257, 65535], [128, 129, 40000]], dtype=np.uint16)
    pixels = decode_image(saved(tmp_path, Image.fromarray(words), f"img.{suffix}"))
    np.testing.assert_array_equal(pixels[..., 1], [[0, 1, 255], [0, 1, 156]])


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(GREY.astype(np.float32)), "img.tiff")
    with pytest.raises(DataError, match=r"img\.tiff cannot be read.*floating-point"):
        decode_image(path)


@pytest.mark.parametrize("suffix", ["tif", "png", "webp", "gif"])
def test_a_file_of_several_pictures_is_refused(tmp_path: Path, suffix: str) -> None:
    first, *others = (Image.fromarray(RGB + shift) for shift in (0, 40, 80))
    path = saved(tmp_path, first, f"img.{suffix}", save_all=True, append_images=others)
    said = r"it holds 3 pictures; save each in a file of its own, or make a video of them\."
    with pytest.raises(DataError, match=said):
        decode_image(path)


def test_a_smaller_copy_in_a_tiff_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "img.tif"
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as file:
        Image.fromarray(RGB).save(file, format="TIFF")
        file.newFrame()
        Image.fromarray(RGB[:1, :1]).save(file, format="TIFF", tiffinfo={254: 1})
        file.newFrame()
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 2
    np.testing.assert_array_equal(decode_image(path), RGB)


def test_a_further_picture_of_a_tiff_that_is_spoilt_is_told(tmp_path: Path) -> None:
    first, second = (Image.fromarray(RGB) for _ in range(2))
    path = saved(tmp_path, first, "img.tif", save_all=True, append_images=[second])
    content = path.read_bytes()
    at = content.rindex(struct.pack("<HHI", 256, 4, 1))  # the second picture's width
    path.write_bytes(content[:at] + struct.pack("<H", 253) + content[at + 2 :])
    with pytest.raises(DataError, match=r"img\.tif cannot be read as an image"):
        decode_image(path)


def test_the_cameras_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, Image.fromarray(RGB), exif=exif)
    assert image_size(path) == (3, 2)
    np.testing.assert_array_equal(decode_image(path), np.rot90(RGB, -1))


TURNS = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_tiff_is_turned_whatever_it_holds(
    tmp_path: Path, orientation: int, pixels: np.ndarray, compression: str | None
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(pixels), "a.tiff", exif=exif, compression=compression)
    expected = TURNS[orientation](RGB if pixels is RGB else np.dstack([GREY] * 3))
    assert image_size(path) == expected.shape[:2]
    np.testing.assert_array_equal(decode_image(path), expected)
    np.testing.assert_array_equal(decode_image(path, content=path.read_bytes()), expected)


def test_size_is_height_then_width(tmp_path: Path) -> None:
    assert image_size(saved(tmp_path, Image.fromarray(RGB))) == (2, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_a_truncated_image_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), f"img.{suffix}")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(DataError, match=rf"img\.{suffix} cannot be read as an image"):
        decode_image(path)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "img.png"
    path.write_bytes(content)
    for read in (decode_image, image_size):
        with pytest.raises(DataError, match=r"img\.png is no image, or empty"):
            read(path)


def test_a_kind_that_pillow_does_not_know_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "img.tiff"
    assert cv2.imwrite(str(path), RGB.astype(np.float32))
    with pytest.raises(DataError, match=r"or of a kind that is not read .* save it as 8-bit PNG"):
        decode_image(path)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    for read in (decode_image, image_size):
        with pytest.raises(DataError, match=r"none\.png: there is no such image"):
            read(tmp_path / "none.png")
