"""Image files: their size, and their pixels as 8-bit RGB.

Grey becomes RGB, alpha is dropped, 16-bit grey is scaled by 1/257 (the full range of 65535 becomes
255), and the rotation a camera notes in a file (EXIF) is applied, as label tools do.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from lightning_pose.contracts.errors import DataError

# What Pillow raises on broken files, beside its own UnidentifiedImageError (an OSError).
_BROKEN = (
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
_FORMATS_OF_SEVERAL = ("TIFF", "PNG", "WEBP", "GIF")  # a JPEG's further pictures are previews
_SUBFILE_TYPE, _REDUCED = 254, 1  # of TIFF: bit 0 says that a picture is a smaller copy
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TURNED_BY_QUARTER = (5, 6, 7, 8)
_WORD_TO_BYTE = 257


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image in pixels, from its header alone.

    Raises:
        DataError: the file is missing or is no image.
    """
    try:
        with Image.open(path) as image:
            width, height = _stored_size(image)
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED_BY_QUARTER
    except _BROKEN as error:
        raise _unreadable(path, error) from error
    return (width, height) if turned else (height, width)


def decode_image(path: Path, *, content: bytes | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Return the pixels of an image file as 8-bit RGB.

    Args:
        path: the file.
        content: its bytes, if they were read already.

    Raises:
        DataError: the file is missing, truncated or no image, or holds several pictures or
            floating-point pixels.
    """
    try:
        # Not by its path: Pillow then maps a TIFF into memory, and mixes up one that is turned.
        source = io.BytesIO(content) if content is not None else path.open("rb")
        with source, Image.open(source) as image:
            if (number := _num_pictures(image)) > 1:
                raise ValueError(
                    f"it holds {number} pictures; save each in a file of its own, or "
                    "make a video of them"
                )
            pixels = _rgb(ImageOps.exif_transpose(image))
    except _BROKEN as error:
        raise _unreadable(path, error) from error
    return pixels


def _num_pictures(image: Image.Image) -> int:
    """Return how many pictures a file holds, smaller copies not counted."""
    number = getattr(image, "n_frames", 1) if image.format in _FORMATS_OF_SEVERAL else 1
    if number == 1 or not isinstance(image, TiffImagePlugin.TiffImageFile):
        return number
    copies = 0
    for page in range(number):
        image.seek(page)
        copies += image.tag_v2.get(_SUBFILE_TYPE, 0) & _REDUCED
    image.seek(0)
    return number - copies


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height before the turn; of a TIFF, newer Pillows tell those after it."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
    return image.size


def _rgb(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; save it as 8-bit PNG")
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > np.iinfo(np.uint16).max:
            raise ValueError("its pixels do not fit in 16 bits; save it as 8-bit PNG")
        grey = np.round(grey / _WORD_TO_BYTE).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    return np.array(image.convert("RGB"))


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: there is no such image.")
    if isinstance(error, UnidentifiedImageError):
        return DataError(
            f"{path} is no image, or empty, or of a kind that is not read (colours in 32 bits, "
            "say). Put the right file there, or save it as 8-bit PNG."
        )
    return DataError(f"{path} cannot be read as an image: {error}.")
