"""The summary: five to nine sentences in plain words, each with how sure it is and what that rests on, read off the sections of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from latentstore.reports import standing
from latentstore.reports.html import percent
from latentstore.reports.model import Cluster, DuplicateGroup, LabelCheck, Section, Statement, Sureness
from latentstore.reports.standing import Standing

MOST = 9
_NAMED = 5  # groups that a sentence names
_QUOTED = 90  # characters of an item's text
_AMONG = 56  # where several are quoted
_FEW = 3  # so many
_STEADY = 0.75  # stability from which a group is called steady (Hennig 2007: .75 valid, .6 a pattern)
_PATTERN = 0.6
_KINDS = {"text": "text", "image": "picture", "audio": "sound", "vector": "vector"}


def summarise(items: int, sections: Sequence[Section]) -> list[Statement]:
    """The sentences, in the order in which a reader wants them. items: how many there are, whichever space they are in."""
    if not items:
        return []
    told = [Statement(_contents(items, sections), "counted")]
    # Turn by turn, so that no space goes untold where there are several.
    turns = [list(_told(section, len(sections) > 1)) for section in sections]
    ranked = sorted(
        ((rank, at, statement) for at, turn in enumerate(turns) for rank, statement in turn), key=lambda one: one[:2]
    )
    chosen = {id(statement) for _, _, statement in ranked[: MOST - 1]}
    return told + [statement for turn in turns for _, statement in turn if id(statement) in chosen]


def _contents(items: int, sections: Sequence[Section]) -> str:
    kinds = [f"{plural(section.items, _KINDS.get(section.modality, 'vector'))}" for section in sections]
    if len(kinds) == 1 and sections[0].items == items:
        return f"There {'is' if items == 1 else 'are'} {kinds[0]} here."
    if not kinds:
        return f"There {'is' if items == 1 else 'are'} {plural(items, 'item')} here, and none has a vector to study."
    return f"There {'is' if items == 1 else 'are'} {plural(items, 'item')} here: {joined(kinds)}."


def _told(section: Section, several: bool) -> Iterator[tuple[int, Statement]]:
    """What is worth saying of a space, each with its rank: lower is told first where not all can be."""
    makers: list[tuple[int, Callable[[Section], Statement | None]]] = [
        *((0, _subject), (3, _groups), (1, _strange), (2, _twice), (2, _leaks), (4, partial(_stands_out, which=0))),
        *((6, partial(_stands_out, which=1)), (6, _widest), (5, _labelled), (1, _changed), (7, _rough)),
    ]
    for rank, make in makers:
        statement = make(section)
        if statement is not None:
            yield rank, _of(statement, section) if several else statement


def _of(statement: Statement, section: Section) -> Statement:
    """Says which space is meant, where there are several."""
    place = f"{_KINDS.get(section.modality, 'vector').capitalize()}s: "
    text = place + statement.text[:1].lower() + statement.text[1:]
    return Statement(text, statement.sureness, statement.because, statement.space, statement.part)


def _subject(section: Section) -> Statement | None:
    if not section.levels or not section.levels[0].clusters:
        return None
    level, total = section.levels[0], max(1, section.items)
    if len(level.clusters) == 1:
        text = "It falls into no groups: nothing parts it clearly."
        return Statement(text, "likely", "no split of it held", section.space, "clusters")
    first = level.clusters[:_NAMED]
    named = [f"{quoted(one.name)} ({share(one.size, total)})" for one in first]
    rest = len(level.clusters) - len(first)
    if rest:
        named.append(f"{plural(rest, 'smaller group')} ({share(sum(c.size for c in level.clusters[_NAMED:]), total)})")
    sureness, because = _steadiness(level.clusters)
    opening = "It is about" if section.modality == "text" else "It falls into the groups"
    return Statement(f"{opening} {joined(named)}.", sureness, because, section.space, "clusters")


def _steadiness(clusters: Sequence[Cluster]) -> tuple[Sureness, str]:
    known = [one for one in clusters if one.stability is not None]
    if not known:
        return "unsure", "too few items to see whether the groups would come back in another sample"
    mean = sum((one.stability or 0.0) * one.size for one in known) / sum(one.size for one in known)
    sureness: Sureness = "sure" if mean >= _STEADY else "likely" if mean >= _PATTERN else "unsure"
    return sureness, (
        f"when halves of the items are grouped again, {percent(mean)} of a group comes back together, on average"
    )


def _groups(section: Section) -> Statement | None:
    level = section.shown
    if level is None or len(level.clusters) < 2:
        return None
    known = [one for one in level.clusters if one.stability is not None]
    steady = sum((one.stability or 0.0) >= _STEADY for one in known)
    doubtful = [one for one in known if (one.stability or 0.0) < _PATTERN]
    finest = section.levels[-1]
    text = f"It falls into {plural(len(level.clusters), 'group')}"
    if finest is not level:
        text += f", or {len(finest.clusters):,} finer ones"
    text += f"; {steady:,} of the {len(level.clusters):,} are steady"
    if doubtful:
        text += f", and {len(doubtful):,} {'is' if len(doubtful) == 1 else 'are'} doubtful, such as {quoted(doubtful[0].name)}"
    sureness, because = _steadiness(level.clusters)
    return Statement(f"{text}.", sureness, because, section.space, "clusters")


def _strange(section: Section) -> Statement | None:
    found = section.outliers
    if found is None:
        return None
    because = f"{plural(found.judged, 'item')} judged; at most {percent(found.fdr)} of what is flagged is expected to be a false alarm"
    strangest = joined([cited(section, one.point, _AMONG) for one in found.listed[:_FEW]] or ["none"])
    if not found.flagged or not found.listed:
        text = f"No item is so strange that it must be out of place; the strangest: {strangest}."
        return Statement(text, "likely", because, section.space, "outliers")
    odd = "does not belong to the rest" if found.flagged == 1 else "do not belong to the rest"
    text = f"{plural(found.flagged, 'item')} ({share(found.flagged, found.judged)}) {odd}; the strangest: {strangest}."
    return Statement(text, "likely", because, section.space, "outliers")


def _twice(section: Section) -> Statement | None:
    found = section.duplicates
    if found is None:
        return None
    copies = found.exact + found.near
    if not copies:
        return Statement(
            "Nothing is there twice.", "counted", "by content and by distance", section.space, "duplicates"
        )
    parts = [f"{found.exact:,} exact" if found.exact else "", f"{found.near:,} nearly so" if found.near else ""]
    text = f"{plural(copies, 'item')} ({share(copies, section.items)}) repeat{'s' if copies == 1 else ''} others: "
    text += joined([part for part in parts if part])
    if found.listed:
        text += _example(section, max(found.listed, key=lambda group: group.copies))
    within = f"; nearly: within a distance of {found.threshold:.3g}" if found.near and found.threshold else ""
    return Statement(
        f"{text}.", "counted" if not found.near else "likely", f"equal content{within}", section.space, "duplicates"
    )


def _example(section: Section, group: DuplicateGroup) -> str:
    if group.copies > 2 or group.kind == "exact":
        times = f", {group.copies:,} times in all," if group.copies > 2 else ""
        return f"; the most repeated{times} is {cited(section, group.kept)}"
    pair = [cited(section, point, _AMONG) for point in (group.kept, *group.others[:1])]
    return f", such as {joined(pair)}"


def _leaks(section: Section) -> Statement | None:
    leaks = section.duplicates.leaks if section.duplicates else ()
    if not leaks:
        return None
    worst = max(leaks, key=lambda leak: leak.pairs)
    text = f"{plural(worst.pairs, 'item')} of {worst.column} {quoted(worst.a)} {'is' if worst.pairs == 1 else 'are'}"
    text += f" in {quoted(worst.b)} as well, or nearly."
    return Statement(text, "counted", "pairs within the threshold for duplicates", section.space, "duplicates")


def _stands_out(section: Section, which: int) -> Statement | None:
    """Of the column in which most stands out, or of the next."""
    if section.shown is None:
        return None
    names = {one.number: one.name for one in section.shown.clusters}
    found = [one for one in standing.find(section.columns, section.shown) if not _named_after(one, names)]
    if len(found) <= which:
        return None
    best = found[which]
    because = "chi-square test" if best.value is not None else "Mann-Whitney test"
    because += f" against the other groups, corrected for the number of tests: p {p_value(best.p_value)}"
    return Statement(_standing(best, names.get(best.number, "")), "sure", because, section.space, "columns")


def _named_after(found: Standing, names: Mapping[int, str]) -> bool:
    """Whether the group has its name from the value: to say so again would tell nothing."""
    value, name = str(found.value).casefold(), names.get(found.number, "").casefold()
    return found.value is not None and (value in name or name in value)


def _standing(found: Standing, name: str) -> str:
    column = found.column.name
    if found.value is not None:
        inside, outside = share(int(found.inside), found.members), share(int(found.outside), found.others)
        counts = f"{int(found.inside):,} of {found.members:,}"
        return f"In {quoted(name)}, {inside} have {column} = {found.value} ({counts}), against {outside} elsewhere."
    say = _day if found.column.kind == "time" else _number
    way = {True: "higher", False: "lower"} if found.column.kind == "number" else {True: "later", False: "earlier"}
    return (
        f"In {quoted(name)}, {column} is {way[found.inside > found.outside]}: "
        f"{say(found.inside)} in the middle, against {say(found.outside)} elsewhere."
    )


def _widest(section: Section) -> Statement | None:
    """What the axis of most variance goes along with, where values part its ends."""
    first = section.shape.axes[0] if section.shape and section.shape.axes else None
    ties = [one for one in first.ties if one.kind == "category" and one.low and one.high] if first else []
    if first is None or not ties:
        return None
    best = ties[0]
    low, high = (joined(end[:_FEW]) for end in (best.low, best.high) if not isinstance(end, float))
    text = f"What sets items apart most goes along with {best.column}: {low} at one end, {high} at the other."
    because = f"the widest axis holds {percent(first.share)} of the variance, and {best.column} accounts for {percent(best.share)}"
    because += " of the order along it"
    return Statement(text, "sure", because, section.space, "shape")


def _labelled(section: Section) -> Statement | None:
    if not section.labels:
        return None
    best = max(section.labels, key=_gain)
    accuracy = max(best.neighbours, best.probe)
    text = f"The values of {best.column} can be told apart by what the items are: {percent(accuracy)} are recognised, "
    text += f"{percent(best.baseline)} would be by always guessing the commonest"
    if best.suspected:
        text += f"; {plural(best.suspected, 'item')} look{'s' if best.suspected == 1 else ''} mislabelled"
    because = f"cross-validated over {sum(count for _, count, _ in best.classes):,} items"
    return Statement(f"{text}.", "sure" if _gain(best) > 0.5 else "likely", because, section.space, "labels")


def _gain(check: LabelCheck) -> float:
    """The share of what guessing leaves wrong that is recognised."""
    return (max(check.neighbours, check.probe) - check.baseline) / max(1e-9, 1 - check.baseline)


def _changed(section: Section) -> Statement | None:
    found = section.changes
    if found is None:
        return None
    since = f"Since the last report, of {_day(found.since)}, "
    if not found.added and not found.removed:
        return Statement(f"{since}nothing came and nothing went.", "counted", "", section.space, "changes")
    text = since + joined([f"{found.added:,} came", f"{found.removed:,} went"])
    kinds = {kind: sum(one.kind == kind for one in found.clusters) for kind in ("new", "gone", "merged", "split")}
    groups = [f"{count:,} {kind}" for kind, count in kinds.items() if count]
    text += f"; groups: {joined(groups)}" if groups else ""
    if found.p_value is None:
        return Statement(f"{text}.", "counted", "", section.space, "changes")
    unlike = found.p_value < 0.01
    text += "; the new ones are unlike the old" if unlike else "; the new ones are as the old were"
    sureness: Sureness = "sure" if unlike else "likely"
    return Statement(f"{text}.", sureness, f"two-sample test: p {p_value(found.p_value)}", section.space, "changes")


def _rough(section: Section) -> Statement | None:
    quality = section.map
    if quality is None or quality.trustworthiness is None or quality.trustworthiness >= 0.85:
        return None
    text = "The map is a rough guide only: many neighbours on it are none in truth."
    because = f"trustworthiness {quality.trustworthiness:.2f} of 1 over {quality.neighbours} neighbours"
    return Statement(text, "sure", because, section.space, "map")


def cited(section: Section, point: int, most: int = _QUOTED) -> str:
    """An item in words: the start of its text, else the last part of its id."""
    text = " ".join((section.points.texts[point] if section.points.texts else "").split())
    if not text:
        return section.points.ids[point].rsplit("/", 1)[-1]
    if len(text) > most:
        cut = text.rfind(" ", most // 2, most)
        text = f"{text[: cut if cut > 0 else most]} …"
    return quoted(text)


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def quoted(text: str) -> str:
    return f"“{text}”"


def share(part: int, whole: int) -> str:
    """'23 %', '0.4 %', 'none': as many digits as tell it from none."""
    percent = 100 * part / whole if whole else 0.0
    if not part:
        return "none"
    if percent < 0.1:
        return "under 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 1 else f"{percent:.0f} %"


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
