"""OnnxEncoder: any ONNX model of texts, pictures or sounds, by the path of its file. Beside `model.onnx` lies `model.json`,
which says what the model takes and gives; see onnx_sheet. Needs onnxruntime, whose telemetry is off.

A picture is resized bicubically, to the size or to cover it and cut to the middle, and scaled by mean and std. A sound
longer than the model hears at once is heard in parts of equal length, and its vector is their mean. Of a text, what lies
past the window is not seen. A model's weights outside its file are taken to be in files whose names begin with its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.encoders import kinds, onnx_sheet, saved
from latentstore.encoders.base import Description, Role, check_texts
from latentstore.encoders.onnx_sheet import Sheet
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Float32, Metric, Modality

if TYPE_CHECKING:
    from PIL import Image
    from tokenizers import Encoding, Tokenizer

INSTALL = "pip install 'latentstore[onnx]'"
_BATCH = {Modality.TEXT: 16, Modality.IMAGE: 16, Modality.AUDIO: 4}
_SHORTEST = 0.1  # seconds of a sound; shorter ones get silence, since filters need some samples
_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}
_PROVIDERS = ("CUDAExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")  # none that asks a service


class OnnxEncoder:
    """The sheet is read at once, the model by the first call that needs it. One that takes texts is Windowed."""

    _sheet: Sheet

    def __new__(cls, place: str) -> OnnxEncoder:
        """place: the path of a file that ends with .onnx. Raises EncoderMissing where it or its sheet is missing,
        InvalidInput for a sheet that is wrong."""
        path = Path(place).expanduser()
        if path.suffix != ".onnx":
            raise InvalidInput(f"expected the path of a model: onnx:PATH/model.onnx, got {place!r}")
        if not path.is_file():
            raise EncoderMissing(f"there is no model at {path}; expected onnx:PATH/model.onnx")
        sheet = onnx_sheet.read(path.with_suffix(".json"))
        self = super().__new__(_OfTexts if sheet.kind is Modality.TEXT else cls)
        self._sheet = sheet
        return self

    def __init__(self, place: str) -> None:
        self._path = Path(place).expanduser()
        self._loading = threading.RLock()
        self.name = f"onnx:{place}"

    @property
    def modalities(self) -> frozenset[Modality]:
        return frozenset({self._sheet.kind})

    @property
    def metric(self) -> Metric:
        return self._sheet.metric

    @cached_property
    def fingerprint(self) -> str:
        """Of the model, its sheet, its tokenizer and its weights outside. Raises EncoderMissing."""
        path = self._path
        outside = sorted(file for file in path.parent.glob(f"{path.name}*") if file != path and file.is_file())
        files = [("model", path), ("sheet", path.with_suffix(".json")), *((file.name, file) for file in outside)]
        if "tokenizer" in self._sheet.own:
            files.append(("tokenizer", _beside(path, self._sheet.own["tokenizer"])))
        return f"onnx-1:{saved.checksum_of(files)}"

    @cached_property
    def dim(self) -> int:
        """Raises EncoderMissing when the model cannot be loaded, InvalidInput where it is not what the sheet says."""
        declared = {one.name: one.shape for one in self._session.get_outputs()}[self._sheet.output]
        return declared[-1] if declared and isinstance(declared[-1], int) else int(self._tried().shape[1])

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n of the kind that the sheet says. Returns (n, dim) float32. Raises InvalidInput naming the position and
        type of what is no such item, EncoderMissing when the model cannot be loaded."""
        groups = kinds.grouped(items, self.modalities, role)
        vectors = self._encoded(items) if groups else np.empty((0, self.dim), np.float32)
        return kinds.unit(vectors) if self._sheet.normalise else vectors

    @classmethod
    def describe(cls) -> Description:
        installed = find_spec("onnxruntime") is not None
        takes = ("audio", "image", "text")
        source = "any model.onnx with a model.json beside it"
        return Description("onnx", takes, None, source, installed, "" if installed else INSTALL)

    def _encoded(self, items: Sequence[Any]) -> Float32:
        if self._sheet.kind is Modality.AUDIO:
            return self._of_sounds(items)
        positions = list(range(len(items)))
        return np.concatenate([self._of_pictures(items, part) for part in self._batches(positions)])

    def _of_pictures(self, items: Sequence[Any], at: list[int]) -> Float32:
        own = self._sheet.own
        fitted = [_fitted(kinds.picture(items, position), own["size"], own["fit"]) for position in at]
        values = (np.stack(fitted) / np.float32(255) - np.array(own["mean"])) / np.array(own["std"])
        return self._run({"pixels": values if own["layout"] == "NHWC" else values.transpose(0, 3, 1, 2)})

    def _of_sounds(self, items: Sequence[Any]) -> Float32:
        rate, rows = self._sheet.own["rate"], []
        fixed = self._fixed("samples")
        largest = fixed or int(self._sheet.own["seconds"] * rate)
        for position in range(len(items)):
            samples = kinds.sound(items, position, rate).samples
            # Lengths differ by a sample at most, and a last batch is cut to the shortest.
            found = kinds.parts(samples, largest, fixed or int(_SHORTEST * rate))
            shortest = min(map(len, found))
            made = [self._run({"samples": np.stack([one[:shortest] for one in part])}) for part in self._batches(found)]
            rows.append(np.concatenate(made).mean(axis=0))
        return np.stack(rows)

    def _tried(self) -> Float32:
        tries: dict[Modality, Any] = {
            Modality.TEXT: "a",
            Modality.IMAGE: np.zeros((8, 8, 3), np.uint8),
            Modality.AUDIO: (np.zeros(self._sheet.own.get("rate", 0), np.float32), self._sheet.own.get("rate")),
        }
        return self._encoded([tries[self._sheet.kind]])

    def _run(self, given: dict[str, Any], mask: Any = None) -> Float32:
        """given: arrays by part. Returns (n, dim) float32."""
        named = {self._sheet.inputs[part]: values for part, values in given.items() if part in self._sheet.inputs}
        types = {one.name: _TYPES.get(one.type) for one in self._session.get_inputs()}
        ready = {name: np.ascontiguousarray(values, types[name]) for name, values in named.items()}
        try:
            (made,) = self._session.run([self._sheet.output], ready)
        # The runtime raises what its nodes raise.
        except Exception as cause:
            raise InvalidInput(
                f"{self._path} refuses what {self._path.with_suffix('.json').name} describes: {cause}"
            ) from cause
        return self._pooled(np.asarray(made, np.float32), mask)

    def _pooled(self, made: Float32, mask: Any) -> Float32:
        pooling, wanted = self._sheet.pooling, 2 if self._sheet.pooling == "none" else 3
        if made.ndim != wanted:
            shape = "(n, dim)" if wanted == 2 else "(n, tokens, dim)"
            raise InvalidInput(
                f"output {self._sheet.output!r} of {self._path} has shape {made.shape}; pooling {pooling!r} takes {shape}"
            )
        if pooling == "mean":
            weights = np.ones(made.shape[:2], np.float32) if mask is None else mask.astype(np.float32)
            sums = np.einsum("ntd,nt->nd", made, weights)
            return np.asarray(sums / np.maximum(weights.sum(axis=1, keepdims=True), 1), np.float32)
        return np.ascontiguousarray(made[:, 0] if pooling == "cls" else made)

    def _batches(self, given: list[Any]) -> Iterator[list[Any]]:
        first = next(iter(self._sheet.inputs.values()))
        fixed = {one.name: one.shape[:1] for one in self._session.get_inputs()}[first]
        size = 1 if fixed == [1] else _BATCH[self._sheet.kind]
        return (given[start : start + size] for start in range(0, len(given), size))

    def _fixed(self, part: str) -> int | None:
        """The length that the model was exported for, where it takes no other."""
        shapes = {one.name: one.shape for one in self._session.get_inputs()}
        last = shapes[self._sheet.inputs[part]][-1]
        return last if isinstance(last, int) else None

    @cached_property
    def _session(self) -> Any:
        with self._loading:
            return self.__dict__.get("_session") or _open(self._path, self._sheet)


class _OfTexts(OnnxEncoder):
    """An OnnxEncoder of texts."""

    @cached_property
    def window(self) -> int:
        """Tokens of a text that fit beside the special tokens."""
        return int(self._sheet.own["window"]) - int(self._whole.num_special_tokens_to_add(False))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, nothing cut, no special token."""
        return [len(found.ids) for found in self._whole.encode_batch(check_texts(texts), add_special_tokens=False)]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each token, ascending."""
        (checked,) = check_texts([text])
        return list(self._whole.encode(checked, add_special_tokens=False).offsets)

    def _encoded(self, items: Sequence[Any]) -> Float32:
        found = self._cutting.encode_batch(kinds.texts(items, range(len(items))))
        order = sorted(range(len(found)), key=lambda row: len(found[row].ids))
        made = [self._of_tokens([found[row] for row in rows]) for rows in self._batches(order)]
        vectors = np.concatenate(made)
        return vectors[np.argsort(order)]

    def _of_tokens(self, found: list[Encoding]) -> Float32:
        length = self._fixed("ids") or max(len(one.ids) for one in found) or 1
        ids, mask, types = np.full((len(found), length), self._padding), *np.zeros((2, len(found), length), np.int64)
        for row, one in enumerate(found):
            n = len(one.ids)
            ids[row, :n], mask[row, :n], types[row, :n] = one.ids, 1, one.type_ids
        return self._run({"ids": ids, "mask": mask, "types": types}, mask)

    @cached_property
    def _padding(self) -> int:
        told = self._read().padding
        return int(told["pad_id"]) if told else 0

    @cached_property
    def _whole(self) -> Tokenizer:
        tokenizer = self._read()
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _cutting(self) -> Tokenizer:
        """Another one, never changed again: threads share it."""
        tokenizer = self._read()
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(int(self._sheet.own["window"]), self._fixed("ids") or 1 << 20))
        return tokenizer

    def _read(self) -> Tokenizer:
        from tokenizers import Tokenizer

        path = _beside(self._path, self._sheet.own["tokenizer"])
        try:
            return Tokenizer.from_file(str(path))
        # It raises Exception itself.
        except Exception as cause:
            raise EncoderMissing(f"{path} is no tokenizer: {cause}") from cause


def _open(path: Path, sheet: Sheet) -> Any:
    # Before the import, which else writes a device id and counts its events.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as cause:
        raise EncoderMissing(f"onnxruntime does not import: {cause}; try: {INSTALL}") from cause
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # idle threads leave the processor to others
    present = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(str(path), options, [name for name in _PROVIDERS if name in present])
    # The runtime raises kinds of its own for each fault.
    except Exception as cause:
        raise EncoderMissing(f"{path} cannot be loaded: {cause}") from cause
    _check_names(path, sheet, session)
    return session


def _check_names(path: Path, sheet: Sheet, session: Any) -> None:
    has, gives = [one.name for one in session.get_inputs()], [one.name for one in session.get_outputs()]
    if sorted(sheet.inputs.values()) != sorted(has) or sheet.output not in gives:
        raise InvalidInput(
            f"{path} has the inputs {', '.join(has)} and the outputs {', '.join(gives)}; {path.with_suffix('.json')} names "
            f"{', '.join(sheet.inputs.values())} and {sheet.output}"
        )
    for one in session.get_inputs():
        if one.type not in _TYPES:
            raise InvalidInput(f"input {one.name!r} of {path} takes {one.type}; known are {', '.join(_TYPES)}")


def _beside(path: Path, name: str) -> Path:
    found = path.parent / name
    if not found.is_file():
        raise EncoderMissing(f"{found} is missing, which {path.with_suffix('.json').name} names as the tokenizer")
    return found


def _fitted(picture: Image.Image, size: list[int], fit: str) -> Any:
    """(height, width, 3) uint8."""
    from PIL import Image

    height, width = size
    if fit == "stretch":
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
    share = max(width / picture.width, height / picture.height)
    cover = (max(width, round(picture.width * share)), max(height, round(picture.height * share)))
    left, top = (cover[0] - width) // 2, (cover[1] - height) // 2
    resized = picture.resize(cover, Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + width, top + height)))
