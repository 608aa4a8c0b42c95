"""The kept results as the tables of README.md's section "Measured": `python -m benchmarks.tables`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.report import RESULTS, over_seeds

_MILLION = "-1000000"


def kept(name: str) -> dict[str, Any]:
    """The result that a benchmark has saved."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def markdown() -> str:
    """Everything there is, table after table; what was not measured is left out."""
    parts = [part for suffix in ("", _MILLION) for part in _of_size(suffix)]
    if _there("write"):
        parts.append(_writes(kept("write")))
    if _there("encode"):
        parts.append(_encoded(kept("encode")))
    if _there("ingest"):
        parts += _jobs(kept("ingest"))
    if _there("image") and _there("audio"):
        parts.append(_seen_and_heard(kept("image")["results"], kept("audio")["results"]))
    parts.append(
        _analyses(
            [
                kept(name)
                for name in ("analysis_scale-10000", "analysis_scale", "analysis_scale-1000000")
                if _there(name)
            ]
        )
    )
    parts += [make(kept(name)) for name, make in _ANALYSES.items() if _there(name)]
    missed = [f"- {bound['what']}: {_bound(bound)}" for bound in _bounds() if not bound["met"]]
    parts.append("What falls short:\n\n" + "\n".join(missed) if missed else "Every bound is met.")
    return "\n\n".join(parts)


def _there(name: str) -> bool:
    return (RESULTS / f"{name}.json").exists()


def _of_size(suffix: str) -> Iterator[str]:
    for name, make in (("search", _searches), ("filters", _filters), ("opening", _openings)):
        if _there(name + suffix):
            yield make(kept(name + suffix))


def _searches(result: dict[str, Any]) -> str:
    lines = []
    for found in result["results"]["by_recall"]:
        recall, single = found["recall"], found["single"]
        for what, key in (("ids", "ids"), ("ids, text and metadata", "all")):
            cells = [f"{single[f'{side}, {key}']['median_ms']:.3f} ({recall[side]:.3f})" for side in ("ours", "faiss")]
            lines.append([f"{what}, recall {found['target']:g}", *cells])
        for threads, rates in found["batch_rate"].items():
            rate = [f"{rates[side]:,}/s" for side in ("ours", "faiss")]
            lines.append([f"all queries in one call, recall {found['target']:g}, {threads} thread(s)", *rate])
    heading = [f"{_rows(result)} rows, median ms (recall@10)", "latentstore", "bare FAISS HNSW"]
    return _table(heading, lines)


def _filters(result: dict[str, Any]) -> str:
    lines = []
    for state in ("as added", "changed"):
        for found in result["results"][state]:
            again, first = (found["times"][f"ours, {use}"] for use in ("again", "first"))
            rivals = [
                f"{found['times'][f'faiss {kind}']['median_ms']:.2f} ({found['recall'][f'faiss {kind}']:.3f})"
                for kind in ("exact", "graph")
            ]
            cells = [f"{again['median_ms']:.2f} / {again['p95_ms']:.2f} ({found['recall']['ours, again']:.3f})"]
            name = f"{found['filter']}{'' if state == 'as added' else ', 30 % deleted, 10 % replaced'}"
            lines.append([name, *cells, f"{first['median_ms']:.2f} / {first['p95_ms']:.2f}", *rivals])
    heading = [
        f"{_rows(result)} rows, filter that passes",
        "latentstore, median / p95 ms (recall@10)",
        "first use of the filter",
        "FAISS exact over a ready bitmap",
        "FAISS HNSW with it",
    ]
    return _table(heading, lines)


def _openings(result: dict[str, Any]) -> str:
    lines = [
        [one["fresh process"], f"{one['median s']:.2f}", f"{one['VmRSS MB']:,.0f}", f"{one['RssAnon MB']:,.0f}"]
        for one in result["results"]["summary"]
    ]
    lines += [[one["whole process"], f"{one['median s']:.2f}", "", ""] for one in result["results"]["commands"]]
    heading = [f"{_rows(result)} rows, a fresh process until its first hit", "s", "resident MB", "of it private MB"]
    return _table(heading, lines)


def _analyses(results: Sequence[dict[str, Any]]) -> str:
    """One line an analysis; for each number of rows, how long it takes and what memory."""
    heading = [part for one in results for part in (f"{_rows(one)} rows, s", "MB above the vectors")]
    lines = [
        [name, *(cell for one in results for cell in _taken(one, name))]
        for name in (found["analysis"] for found in results[0]["results"])
    ]
    return _table(["a whole space", *heading], lines)


def _taken(result: dict[str, Any], name: str) -> tuple[str, str]:
    found = next(one for one in result["results"] if one["analysis"] == name)
    return f"{found['seconds']:,.0f}", f"{found['MB above the vectors']:,}"


def _writes(result: dict[str, Any]) -> str:
    lines = [
        [
            one["written by"].replace("ours", "latentstore"),
            f"{one['rows/s']:,}",
            f"{one['disk bytes/row']:,}",
            f"{one['peak memory MB']:,}",
            str(one["files"]),
        ]
        for one in result["results"]["summary"]
    ]
    return _table([f"writing {_rows(result)} rows", "rows/s", "bytes a row on disk", "peak MB", "files"], lines)


def _encoded(result: dict[str, Any]) -> str:
    lines = [
        [one["texts"], f"{one['latentstore']:,}", f"{one['sentence_transformers']:,}", f"{one['ratio']}"]
        for one in result["results"]["rates"]
    ]
    return _table(["texts a second", "latentstore", "sentence_transformers", "ratio"], lines)


def _jobs(result: dict[str, Any]) -> Iterator[str]:
    found = result["results"]
    yield _table(
        ["a job, items a second", "the job", "the bare encoder on the same files", "on what was decoded before"],
        [
            [f"{one['encoder']}, {one['n']:,} items", *(f"{one[name]:,}" for name in ("job", "with_decoding", "bare"))]
            for one in found["rates"]
        ],
    )
    whole, large, resumed = found["whole"], found["large"], found["resumed"]
    yield _table(
        ["a whole job", ""],
        [
            [f"{whole['items']:,} short texts, read, encoded, committed, indexed", f"{whole['seconds']:,} s"],
            ["the same again, nothing having changed", f"{whole['again_seconds']} s"],
            [f"{resumed['items']:,} texts at once", f"{resumed['alone_s']} s"],
            ["the same, stopped half way and run again", f"{resumed['stopped_s']} s + {resumed['rest_s']} s"],
            [
                f"a table of {large['table_gb']} GB, {large['items']:,} vectors of 768",
                f"{large['seconds']} s, {large['peak_mb']} MB above the imports at most",
            ],
        ],
    )


def _seen_and_heard(image: dict[str, Any], audio: list[dict[str, Any]]) -> str:
    right, copies = image["accuracy"], image["copies"]
    least = min(copies, key=copies.__getitem__)
    voices = audio[0]
    lines = [
        [
            f"image: {right['n']:,} pictures of CIFAR-10, kNN-10, {right['folds']}-fold",
            f"{right['image']:.3f} ({right['recipe']:.3f} by HOG and colours, fitted)",
        ],
        [
            f"image: changed copies that find their original first, of {image['photos']:,} photos, mean of {len(copies)} changes",
            f"{sum(copies.values()) / len(copies):.3f} (least {copies[least]:.3f}, {least})",
        ],
        [
            f"audio: {voices['n']:,} spoken digits, kNN-5, speakers left out in turn",
            f"{voices['right']:.3f} (worst voice {voices['worst_voice']:.3f})",
        ],
        *(
            [f"audio: {one['n']} {one['set']} of {one['classes']} classes, kNN-5, one left out", f"{one['right']:.3f}"]
            for one in audio[1:]
        ),
    ]
    return _table(["accuracy of what is built in", ""], lines)


def _clustered(result: dict[str, Any]) -> str:
    by = list(dict.fromkeys(row["by"] for row in result["results"]))
    sets = list(dict.fromkeys(row["set"] for row in result["results"]))
    found = {(row["by"], row["set"]): row for row in result["results"]}
    lines = [[name, *(_agreement(found[name, one]) for one in sets)] for name in by]
    return _table(["clusters: ARI / AMI (noise)", *sets], lines)


def _agreement(row: dict[str, Any]) -> str:
    noise = f" ({row['noise']:.0%})" if row["noise"] else ""
    return f"{row['ari']:.3f} / {row['ami']:.3f}{noise}"


def _strange(result: dict[str, Any]) -> str:
    means = result["results"]["means"]
    by = [name for name in means[0] if name != "sets"]
    return _table(
        ["outliers: AUROC, mean of sets", *by], [[row["sets"], *(f"{row[name]:.3f}" for name in by)] for row in means]
    )


def _learned(result: dict[str, Any]) -> str:
    found = result["results"]
    parts = []
    if "mnist" in found:
        parts += [_digits("MNIST, 32 dimensions, 2,000 held out", found["mnist"], drawn=True), _costs(found["mnist"])]
    parts.append(_digits("scikit-learn's digits, 16 dimensions, 360 held out", found["digits of scikit-learn"]))
    if "photos" in found:
        parts.append(_photos(found["photos"]))
    return "\n\n".join(parts)


def _digits(heading: str, found: dict[str, list[dict[str, float]]], *, drawn: bool = False) -> str:
    """drawn: as many digits are held out as are drawn, so that their distances from the real ones compare."""
    columns = {"error": "error", "beside": "of PCA's", "neighbours": "kNN-10"}
    if drawn:
        columns["far"] = "samples' distance over reconstructions'"
    columns |= {"confidence": "confidence in samples", "scarcest": "scarcest digit", "dead": "dead dimensions"}
    (plain,) = found["pca"]
    lines = []
    for kind, runs in found.items():
        beside = [
            {**run, "beside": run["error"] / plain["error"], "far": run["samples"] / run["reconstructions"]}
            for run in runs
        ]
        lines.append([kind, *(over_seeds(beside, name, 3) for name in columns)])
    return _table([heading, *columns.values()], lines)


def _photos(found: dict[str, list[dict[str, float]]]) -> str:
    lines = []
    for kind, runs in found.items():
        beside = [
            {**run, "beside": run["error"] / run["pca"], "back": 1 - run["error"] / run["nothing"]} for run in runs
        ]
        named = ("dim", "error", "beside", "back", "cpu seconds", "peak MB")
        lines.append([kind, *(over_seeds(beside, name, 3) for name in named)])
    columns = (
        "dimensions, chosen",
        "error",
        "of PCA's",
        "of what differs, comes back",
        "CPU s of a fit",
        "MB above what was there",
    )
    return _table(["1,000 photos, each of another thing, 64 x 64 in colour", *columns], lines)


def _costs(found: dict[str, list[dict[str, float]]]) -> str:
    named = ("cpu seconds", "rows/s", "peak MB", "disk MB", "decode ms", "alone ms")
    lines = [[kind, *(over_seeds(runs, name, 3) for name in named)] for kind, runs in found.items()]
    columns = (
        "CPU s of a fit",
        "rows/s while training",
        "MB above what was there",
        "MB on disk",
        "ms to decode one of 1,000",
        "one alone",
    )
    return _table(["MNIST, 32 dimensions", *columns], lines)


_ANALYSES = {"clusters": _clustered, "outliers": _strange, "latent": _learned}


def _bounds() -> Iterator[dict[str, Any]]:
    for name in (
        "search",
        "filters",
        "opening",
        "write",
        "encode",
        "ingest",
        "image",
        "audio",
        *_ANALYSES,
        "analysis_scale",
        *(n + _MILLION for n in ("search", "filters", "opening", "analysis_scale")),
    ):
        for bound in kept(name)["bounds"] if _there(name) else ():
            size = ", at 1,000,000 rows" if name.endswith(_MILLION) else ""
            yield {**bound, "what": bound["what"] + size}


def _bound(bound: dict[str, Any]) -> str:
    asked = "at least" if bound["least"] else "at most"
    return f"{bound['measured']:.3g}{bound['unit']}, {asked} {bound['limit']:.3g}{bound['unit']} was the aim"


def _rows(result: dict[str, Any]) -> str:
    return f"{result['parameters']['n']:,}"


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (heading, ["---"] * len(heading), *lines))


if __name__ == "__main__":
    print(markdown())
