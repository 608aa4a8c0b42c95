"""The demo's second part: real scans of handwritten digits, a space learned from them, a 3 that becomes an 8, and new digits."""

from __future__ import annotations

import io
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentstore.cli.output import counted, note, say
from latentstore.cli.progress import duration
from latentstore.cli.studying import telling
from latentstore.cli.walking import FRAMES
from latentstore.errors import AlreadyExists

if TYPE_CHECKING:
    from latentstore import Collection, Space, Store
    from latentstore.findings.latent import Decoded
    from latentstore.types import Item

COLLECTION = "digits"
DIM = 16
SAMPLES = 48
EPOCHS = 75  # enough to read every sample by, in half a minute
LEAST, MOST = 0, 16  # how dark a pixel of a scan is


def show(place: Path, fresh: bool) -> None:
    """place: where the store of the digits shall stand; pictures are written beside it.

    Raises AlreadyExists where a store of something else stands there.
    """
    import latentstore

    began = time.monotonic()
    with latentstore.open(place) as store:
        docs = _collection(store, place, fresh)
        space = _space(docs)
        three, eight = (_typical(space, digit) for digit in (3, 8))
        morph = space.interpolate(three, eight)
        beside = place.parent
        strip = morph.save(beside / "digits-3-to-8.png")
        film = space.interpolate(three, eight, FRAMES).save(beside / "digits-3-to-8.gif")
        sheet = space.sample(SAMPLES).save(beside / "digits-new.png")
        _tell(docs, space, morph)
    say(f"wrote {strip}, {film} (the same in motion) and {sheet} ({SAMPLES} digits that nobody wrote)")
    note(f"took {duration(time.monotonic() - began)}")
    _what_next(place, three, eight)


def _collection(store: Store, place: Path, fresh: bool) -> Collection:
    """The scans that scikit-learn carries, each with its picture kept."""
    names = store.collections()
    if names and names != [COLLECTION]:
        raise AlreadyExists(f"{place} is a store of something else; move it, or run the demo in another folder")
    if fresh and names:
        store.drop(COLLECTION)
    docs = store.get_or_create(COLLECTION, encoders=["image"])
    items = [item for item in scans() if item.id not in docs] if len(docs) else scans()
    if items:
        note(f"taking {counted(len(items), 'scan')} of handwritten digits into {place}")
        docs.add(items)
    return docs


def scans() -> list[Item]:
    """The 1,797 scans of 8 x 8 pixels (Alpaydin & Kaynak 1998), named by what they show and in which place they stand."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from latentstore.types import Item

    found = load_digits()
    pixels = np.rint((found.images - LEAST) * (255 / (MOST - LEAST))).astype(np.uint8)
    items = []
    for at, (digit, scan) in enumerate(zip(found.target.tolist(), pixels, strict=True)):
        file = io.BytesIO()
        Image.fromarray(scan).save(file, "PNG")
        content = file.getvalue()
        items.append(
            Item(f"{digit}-{at:04d}", image=content, metadata={"digit": digit}, attachments={"content": content})
        )
    return items


def _space(docs: Collection) -> Space:
    """The space that was fitted at an earlier run, or a new one."""
    name = f"vae{DIM}"
    if name in docs.spaces():
        return docs.space(name)
    note(f"learning {DIM} dimensions from them")
    with telling("fit") as tell:
        return docs.space().fit("vae", DIM, epochs=EPOCHS, progress=tell)


def _typical(space: Space, digit: int) -> str:
    """The scan of a digit that lies nearest to the middle of all that show it."""
    ids, latents = space.vectors(where=f"digit = {digit}")
    return ids[int(np.linalg.norm(latents - latents.mean(axis=0), axis=1).argmin())]


def _tell(docs: Collection, space: Space, morph: Decoded) -> None:
    """How good the space is, and what the morph passes."""
    record = space.record
    error = record["error"]
    kept = 1 - error["mean"] / error["nothing"]
    digits = [item.metadata["digit"] for item in docs.get(morph.nearest)]
    say(
        f"\n{counted(len(docs), 'scan')} of 8 x 8 pixels became points of {counted(space.dim or 0, 'dimension')}, and {kept:.0%} of what "
        f"tells held-out scans apart comes back from there."
    )
    say(f"A 3 became an 8 in {len(digits)} steps; the real scans nearest to them show {' '.join(map(str, digits))}.")


def _what_next(place: Path, three: str, eight: str) -> None:
    name = shlex.quote(str(place))
    commands = (
        f"latentstore interpolate {name} {three} {eight} -o morph.gif",
        f"latentstore sample {name} --near {eight}   # more like that 8",
        f"latentstore directions {name} --by digit",
        f"latentstore traverse {name}   # what each dimension does",
        f"latentstore cluster {name} --space vae{DIM}",
        "latentstore fit my.latent --model vae   # after: latentstore ingest my.latent ~/Pictures",
        f"rm -r {name}   # when you have seen enough",
    )
    for line in ("\nNow try:", *(f"  {command}" for command in commands)):
        say(line)
