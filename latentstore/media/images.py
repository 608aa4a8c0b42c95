"""Pictures: any picture → RGB of at most 512 pixels a side; what is known of it; a small copy of it.

One rule for what goes into a store and what asks it: `load` gives the same pixels for the same file, and `load` of what
it gave is that again. EXIF orientation is applied; what is transparent shows white; of an animation the first frame is
taken; colour profiles are not. 16 bits become 8 by their white, 65,535, or 4,095 where no pixel is beyond that; integers
of 32 bits and floats in a file are stretched from the smallest to the largest. A larger picture is resized, bicubic.
A JPEG of more than 1,024 pixels a side is decoded at a half, a quarter or an eighth of its size, never below 1,024; its
pixels then differ by a level or two from those of the same picture given decoded.

Refused with InvalidInput, in one line: what is no JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF; what breaks off early; what
has more than `max_pixels`, before any is decoded.
"""

from __future__ import annotations

import io
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ExifTags import GPS, IFD, Base
from PIL.JpegImagePlugin import JpegImageFile

from latentstore.errors import InvalidInput
from latentstore.types import UInt8

MAX_PIXELS = 178_956_970  # width by height: at most 1.1 GB while it is decoded
MAX_SIDE = 512
THUMBNAIL_SIDE = 160

_FORMATS: dict[str, Any] = {
    "JPEG": JpegImageFile,  # not what is registered, which looks for further pictures in the file
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_ROOM = 2 * MAX_SIDE  # pixels a side that a JPEG is decoded to at least
_BAND = 64  # rows that are made at a time of a picture far too large
_TWELVE_BITS, _SIXTEEN_BITS = 4095, 65_535
SMOOTH = Image.Resampling.BICUBIC
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load(source: Any, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture, mode RGB, upright, its longest side at most 512. source: a path, the bytes of a picture file, a binary
    file, a PIL image, or an array: (h, w), (h, w, 3) or (h, w, 4), uint8, uint16, bool, or floats in 0..1.
    Raises InvalidInput."""
    if _is_loaded(source):
        _check_size(source.size, max_pixels)
        return source
    with _opened(source, max_pixels) as image:
        return _decoded(image, source)


def load_with_facts(source: Any, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, dict[str, Any]]:
    """What `load` and `facts` give, the file read once."""
    with _opened(source, max_pixels) as image:
        known = _facts(image)
        return _decoded(image, source), known


def _decoded(image: Image.Image, source: Any) -> Image.Image:
    if isinstance(image, JpegImageFile) and image is not source:
        image.draft(None, _fitted(image.size, _ROOM))
    image.load()
    upright = _turned(_on_white(_resized(_eight_bits(_whole(image)))), _orientation(image))
    upright.info = {}
    return upright


def facts(source: Any, *, max_pixels: int = MAX_PIXELS) -> dict[str, Any]:
    """What is known without decoding: width and height of the upright picture; of a file its format too, and what its
    EXIF says: taken (a datetime by the camera's own clock), camera, latitude and longitude (degrees, north and east
    positive). What cannot be read is left out. Raises InvalidInput for what is no picture."""
    with _opened(source, max_pixels) as image:
        return _facts(image)


def _facts(image: Image.Image) -> dict[str, Any]:
    exif = _exif(image)
    # Pillow swaps the sides of a TIFF itself.
    lying = image.format != "TIFF" and exif.get(Base.Orientation) in (5, 6, 7, 8)
    width, height = reversed(image.size) if lying else image.size
    known = {
        "width": width,
        "height": height,
        "format": image.format,
        "taken": _taken(exif),
        "camera": _camera(exif),
    }
    return {name: value for name, value in known.items() if value is not None} | _place(exif)


def thumbnail(source: Any) -> bytes:
    """A JPEG of at most 160 pixels a side, some 4 KB. The same bytes for the same pixels. Raises InvalidInput."""
    picture = load(source)
    # Half the cost of bicubic, and nobody can tell them apart at this size.
    small = picture.resize(_fitted(picture.size, THUMBNAIL_SIDE), Image.Resampling.HAMMING, reducing_gap=3.0)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=72)
    return file.getvalue()


def _is_loaded(source: Any) -> bool:
    return (
        type(source) is Image.Image
        and source.mode == "RGB"
        and min(source.size) > 0
        and max(source.size) <= MAX_SIDE
        and not source.info
        and not source.getexif()
    )


@contextmanager
def _opened(source: Any, max_pixels: int) -> Iterator[Image.Image]:
    """The picture, not decoded yet. What Pillow raises of it inside the block becomes InvalidInput."""
    with _quiet, _file(source) as file:
        try:
            image = _parsed(file) if file is not None else _given(source, max_pixels)
            _check_size(image.size, max_pixels)
            yield image
        except InvalidInput:
            raise
        except Exception as cause:  # a file made to do harm makes decoders raise almost anything
            raise InvalidInput(f"the picture breaks off or is damaged: {cause or type(cause).__name__}") from cause


@contextmanager
def _file(source: Any) -> Iterator[IO[bytes] | None]:
    """The source as a binary file at its start; None for one that is no file."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        with _from_disk(Path(source)) as file:
            yield file
    elif callable(getattr(source, "read", None)):
        yield source if source.seekable() else io.BytesIO(source.read())
    else:
        yield None


def _from_disk(path: Path) -> IO[bytes]:
    if not os.path.isfile(path):  # noqa: PTH113 - it never raises; a pipe would wait for ever
        raise InvalidInput(f"expected a picture file, there is none at {str(path)!r}")
    try:
        return path.open("rb")
    except OSError as cause:
        raise InvalidInput(f"{str(path)!r} does not open: {cause.strerror}") from cause


def _parsed(file: IO[bytes]) -> Image.Image:
    """Not by Image.open, whose own limit cannot be raised for one call, and which runs programs for some formats."""
    file.seek(0)
    start = file.read(16)
    if not isinstance(start, bytes):
        raise InvalidInput("expected a file opened in binary mode, got one of text; open it with 'rb'")
    file.seek(0)
    for name, reader in _FORMATS.items():
        accepts: Any = Image.OPEN[name][1]
        if accepts(start) is True:
            return reader(file)
    known = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"
    raise InvalidInput(f"expected a picture file ({known}), got one that begins with {start!r}; convert it first")


def _given(source: Any, max_pixels: int) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    if not isinstance(source, np.ndarray):
        raise InvalidInput(
            f"expected a picture as a path, the bytes of a file, a PIL image or an array, got {type(source).__name__}"
        )
    if source.ndim not in (2, 3) or source.shape[2:] not in ((), (1,), (3,), (4,)):
        raise InvalidInput(
            f"expected a picture as (h, w), (h, w, 3) or (h, w, 4), got an array of shape {source.shape}"
        )
    _check_size(source.shape[1::-1], max_pixels)
    values = source[:, :, 0] if source.shape[2:] == (1,) else source
    return Image.fromarray(np.ascontiguousarray(_bytes(values)))


def _bytes(values: Any) -> UInt8:
    if values.dtype == np.uint8:
        return values  # type: ignore[no-any-return]
    if values.dtype == np.bool_:
        return values * np.uint8(255)  # type: ignore[no-any-return]
    if values.dtype == np.uint16:
        return _from_sixteen(values)
    if values.dtype.kind != "f":
        raise InvalidInput(
            f"expected a picture as uint8, uint16, bool or floats in 0..1, got an array of {values.dtype}"
        )
    if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
        raise InvalidInput(
            f"a picture of floats has them in 0..1, got {values.min():g} to {values.max():g}; scale them, or give uint8"
        )
    scaled: UInt8 = np.rint(values * 255).astype(np.uint8)
    return scaled


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise InvalidInput(f"expected a picture, got one of {width} by {height} pixels")
    if width * height > max_pixels:
        raise InvalidInput(
            f"expected a picture of at most {max_pixels:,} pixels, got {width:,} by {height:,}; raise max_pixels, or shrink it"
        )


def _whole(image: Image.Image) -> Image.Image:
    """The picture, or where it is far larger than will be kept a smaller one, made with hardly any memory beside it."""
    factor = max(image.size) // (4 * MAX_SIDE)
    if factor < 2 or image.mode.startswith("I;16"):
        return image
    if image.mode in ("I", "F"):
        return image.reduce(factor)
    width, height = image.size
    bands = [
        _eight_bits(image.crop((0, top, width, min(height, top + _BAND * factor)))).reduce(factor)
        for top in range(0, height, _BAND * factor)
    ]
    small = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    for at, band in enumerate(bands):
        small.paste(band, (0, at * _BAND))
    return small


def _eight_bits(image: Image.Image) -> Image.Image:
    """Mode L, RGB or, where something may be transparent, RGBA."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(_from_sixteen(np.asarray(image)))
    if image.mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(image)))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _from_sixteen(values: Any) -> UInt8:
    white = _TWELVE_BITS if values.max() <= _TWELVE_BITS else _SIXTEEN_BITS
    table = np.minimum(np.arange(_SIXTEEN_BITS + 1) * 255.0 / white + 0.5, 255).astype(np.uint8)
    return table[values]  # type: ignore[no-any-return]


def _stretched(values: Any) -> UInt8:
    """Black the smallest, white the largest; what is not finite is black."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = float(values[finite].min()), float(values[finite].max())
    shares = np.subtract(values, low, dtype=np.float64)
    shares *= 255 / ((high - low) or 1.0)
    shares[~finite] = 0
    levels: UInt8 = np.rint(shares, out=shares).astype(np.uint8)
    return levels


def _resized(image: Image.Image) -> Image.Image:
    size = _fitted(image.size, MAX_SIDE)
    return image if size == image.size else image.resize(size, SMOOTH, reducing_gap=3.0)


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size whose longest side is `side`, of the same shape; as it is where it fits."""
    share = side / max(size)
    return size if share >= 1 else (max(1, round(size[0] * share)), max(1, round(size[1] * share)))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB") if image.mode != "RGB" else image.copy()
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _turned(image: Image.Image, orientation: Any) -> Image.Image:
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> Any:
    return _exif(image).get(Base.Orientation)


def _exif(image: Image.Image) -> Image.Exif:
    """Empty where it cannot be read."""
    with suppress(Exception):
        # The base class's: that of PNG decodes the whole picture to look for EXIF behind it.
        return Image.Image.getexif(image)
    return Image.Exif()


def _part(exif: Image.Exif, part: IFD) -> dict[int, Any]:
    with suppress(Exception):
        return dict(exif.get_ifd(part))
    return {}


def _taken(exif: Image.Exif) -> datetime | None:
    inner = _part(exif, IFD.Exif)
    for value in (inner.get(Base.DateTimeOriginal), inner.get(Base.DateTimeDigitized), exif.get(Base.DateTime)):
        with suppress(ValueError):
            return datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S")
    return None


def _camera(exif: Image.Exif) -> str | None:
    make, model = (_text(exif.get(tag)) for tag in (Base.Make, Base.Model))
    # Some models begin with the maker's name.
    name = model if model.casefold().startswith(make.casefold()) else f"{make} {model}"
    return name.strip() or None


def _text(value: Any) -> str:
    return value.partition("\0")[0].strip() if isinstance(value, str) else ""


def _place(exif: Image.Exif) -> dict[str, float]:
    """latitude and longitude, or neither."""
    given = _part(exif, IFD.GPSInfo)
    with suppress(Exception):
        latitude = _degrees(given[GPS.GPSLatitude], given.get(GPS.GPSLatitudeRef), "S")
        longitude = _degrees(given[GPS.GPSLongitude], given.get(GPS.GPSLongitudeRef), "W")
        if isfinite(latitude + longitude) and abs(latitude) <= 90 and abs(longitude) <= 180:
            return {"latitude": latitude, "longitude": longitude}
    return {}


def _degrees(parts: Any, side: Any, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if _text(side).upper() == negative else value


class _Quiet:
    """While any thread is inside, what Pillow warns of is not heard: odd tags and large sizes are dealt with here.

    `warnings.catch_warnings` would let threads undo each other's filters.
    """

    _filter = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._filter not in warnings.filters:
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(self, *_: object) -> None:
        filters: Any = warnings.filters
        with self._lock, suppress(ValueError):
            self._inside -= 1
            if not self._inside:
                filters.remove(self._filter)


_quiet = _Quiet()
