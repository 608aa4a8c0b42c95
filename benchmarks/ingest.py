"""Bulk jobs: their throughput beside the bare encoder on the same items, a job of 100,000 short texts from start to end,
the memory that a table of gigabytes takes, and what resuming costs. Run: python -m benchmarks.ingest"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import ingest
import latentstore
from benchmarks.data import SEED, SHARED, gathered
from benchmarks.report import Bound, save, table
from latentstore.encoders import registry

GIGABYTE = 1 << 30
_DIM = 768  # of the vectors in the large table

# A job in a process of its own, with its peak memory above what the imports took.
_PEAK = """
import json, resource, sys, time
import ingest, latentstore
from latentstore.encoders import registry
place, table, options = sys.argv[1:4]
options = json.loads(options)
def resident():
    return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) * 1024
before, peak = resident(), 0
def watch(told):
    global peak
    peak = max(peak, resident())
began = time.perf_counter()
with latentstore.open(place) as store:
    store.create("docs", encoders=None, index="exact")
    result = ingest.run(store, [table], options=ingest.Options(ingest.Columns(**options), batch=4096), progress=watch)
print(json.dumps({"items": result.passages, "seconds": time.perf_counter() - began, "peak": peak - before}))
"""


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--texts", type=int, default=8_000)
    parser.add_argument("--pictures", type=int, default=2_500)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--job", type=int, default=100_000, help="short texts of the whole job")
    parser.add_argument("--gigabytes", type=float, default=5.0, help="of the large table")
    chosen = parser.parse_args(args)
    with tempfile.TemporaryDirectory(prefix="latentstore-bench-") as folder:
        root = Path(folder)
        rates = [
            _beside("text", _texts(root, chosen.texts), chosen.passes, root),
            _beside("image", _pictures(root, chosen.pictures), chosen.passes, root),
            _beside(f"transformers:{_transformer(root)}", _pictures(root, chosen.pictures // 10), 2, root),
        ]
        table("items a second, medians", [{name: row[name] for name in _SHOWN} for row in rates])
        whole = _whole(root, chosen.job)
        table("a job from start to end", [whole])
        large = _large(root, chosen.gigabytes)
        table("a table in bounded memory", [large])
        resumed = _resumed(root, min(20_000, chosen.job))
        table("stopped half way and run again", [resumed])
    bounds = [
        Bound("job beside the bare encoder, text", 0.9, rates[0]["ratio"], "x", least=True),
        Bound("job beside the bare `image` encoder on the same files", 0.9, rates[1]["ratio"], "x", least=True),
        Bound("job beside a bare transformer on the same pictures", 0.9, rates[2]["ratio"], "x", least=True),
        Bound(f"peak memory above the imports for {chosen.gigabytes:g} GB", 1000, large["peak_mb"], " MB"),
        Bound("items encoded twice after a stop", 512, resumed["encoded_twice"]),
    ]
    save("ingest", vars(chosen), {"rates": rates, "whole": whole, "large": large, "resumed": resumed}, bounds)


_SHOWN = ("encoder", "n", "bare", "with_decoding", "job", "ratio", "ratio_decoded")


def _texts(root: Path, n: int) -> tuple[list[Any], list[Any], Path]:
    """Texts as the encoder takes them, twice, and a table of them."""
    texts = list(dict.fromkeys(gathered()[0]))[:n]
    path = root / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return texts, texts, path


def _pictures(root: Path, n: int) -> tuple[list[Any], list[Any], Path]:
    """Pictures decoded, their paths, and a folder of them."""
    from latentstore.media import images

    folder = root / f"pictures-{n}"
    folder.mkdir()
    found = sorted([*(SHARED / "images/photos").glob("*.jpg"), *(SHARED / "images/cifar10").rglob("*.jpg")])[:n]
    for at, path in enumerate(found):
        shutil.copy(path, folder / f"{at:05}{path.suffix}")
    paths = sorted(folder.iterdir())
    return [images.load(path) for path in paths], paths, folder


def _transformer(root: Path) -> Path:
    """A DINOv2 of its small size, of random weights: what it sees is nothing, what it costs is what the real one does."""
    import transformers as hf

    folder, side = root / "dinov2-small", {"height": 224, "width": 224}
    config = hf.Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=224, patch_size=14
    )
    hf.Dinov2Model(config).save_pretrained(folder)
    hf.BitImageProcessorPil(size={"shortest_edge": 224}, crop_size=side).save_pretrained(folder)
    return folder


def _beside(encoder: str, given: tuple[list[Any], list[Any], Path], passes: int, root: Path) -> dict[str, Any]:
    """The bare encoder on decoded items, the same from files, and a job over the files, taking turns."""
    decoded, files, source = given
    made = registry.load(encoder)
    times: dict[str, list[float]] = {"bare": [], "with_decoding": [], "job": []}
    made.encode(decoded[:256])  # reads the model
    for turn in range(passes):
        times["bare"].append(_seconds(lambda: made.encode(decoded)))
        times["with_decoding"].append(_seconds(lambda: made.encode(files)))
        place = root / f"job-{turn}.latent"
        times["job"].append(_seconds(lambda place=place: ingest.run(place, [source], encoders=[encoder])))
        shutil.rmtree(place)
    n = len(decoded)
    return {
        "encoder": "a DINOv2 of random weights" if encoder.startswith("transformers:") else encoder,
        "n": n,
        **{name: round(n / median(seconds), 1) for name, seconds in times.items()},
        "ratio": round(_ratio(times["with_decoding"], times["job"]), 3),
        "ratio_decoded": round(_ratio(times["bare"], times["job"]), 3),
        "seconds": {name: [round(value, 3) for value in seconds] for name, seconds in times.items()},
    }


def _ratio(bare: list[float], job: list[float]) -> float:
    return median(one / other for one, other in zip(bare, job, strict=True))


def _whole(root: Path, n: int) -> dict[str, Any]:
    """Short texts without repeats, end to end: read, encoded, committed, indexed."""
    every, path = list(dict.fromkeys(gathered()[0])), root / "whole.jsonl"
    texts = (every * (n // len(every) + 1))[:n]
    rows = [text if at < len(every) else f"{text} ({at // len(every)})" for at, text in enumerate(texts)]
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    place = root / "whole.latent"
    result = ingest.run(place, [path], encoders=["text"])
    again = ingest.run(place, [path])
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    shutil.rmtree(place)
    return {
        "items": result.passages,
        "seconds": round(result.seconds, 1),
        "per_second": round(result.passages / result.seconds, 1),
        "again_seconds": round(again.seconds, 2),
        "bytes_per_item": round(size / result.passages),
    }


def _large(root: Path, gigabytes: float) -> dict[str, Any]:
    """A Parquet table of vectors and short texts, made here, taken in by a process that is watched."""
    path, place = root / "large.parquet", root / "large.latent"
    _write_table(path, gigabytes)
    options = json.dumps({"vector": "vector", "text": "text"})
    ran = subprocess.run(
        [sys.executable, "-c", _PEAK, str(place), str(path), options], capture_output=True, text=True, check=True
    )
    told = json.loads(ran.stdout)
    found = {
        "table_gb": round(path.stat().st_size / GIGABYTE, 2),
        "items": told["items"],
        "seconds": round(told["seconds"], 1),
        "per_second": round(told["items"] / told["seconds"]),
        "peak_mb": round(told["peak"] / 1e6, 1),
    }
    shutil.rmtree(place)
    path.unlink()
    return found


def _write_table(path: Path, gigabytes: float) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance, block = np.random.default_rng(SEED), 20_000
    kind = pa.schema([("text", pa.string()), ("vector", pa.list_(pa.float32(), _DIM))])
    rows = 0
    with pq.ParquetWriter(path, kind, compression="none", use_dictionary=False) as writer:
        while not path.exists() or path.stat().st_size < gigabytes * GIGABYTE:
            flat = chance.standard_normal(block * _DIM, dtype=np.float32)
            texts = [f"row {rows + at} of a table made to be large" for at in range(block)]
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), _DIM)
            writer.write_table(pa.table([pa.array(texts), vectors], schema=kind), row_group_size=block)
            rows += block


def _resumed(root: Path, n: int) -> dict[str, Any]:
    """A job stopped half way, and the rest of it; against one that nobody stopped."""
    import threading

    texts = list(dict.fromkeys(gathered()[0]))[:n]
    path = root / "resumed.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    alone = ingest.run(root / "alone.latent", [path], encoders=["text"])
    stop, place = threading.Event(), root / "resumed.latent"

    def half(told: ingest.Progress) -> None:
        if told.passages >= n // 2:
            stop.set()

    first = ingest.run(place, [path], encoders=["text"], progress=half, stop=stop)
    rest = ingest.run(place, [path])
    with latentstore.open(place, read_only=True) as store:
        items = len(store.collection("docs"))
    return {
        "items": items,
        "alone_s": round(alone.seconds, 1),
        "stopped_s": round(first.seconds, 1),
        "rest_s": round(rest.seconds, 1),
        "overhead_s": round(first.seconds + rest.seconds - alone.seconds, 1),
        "encoded_twice": first.encoded + rest.encoded - alone.encoded,
    }


def _seconds(work: Any) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


if __name__ == "__main__":
    main()
