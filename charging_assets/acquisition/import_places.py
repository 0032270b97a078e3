"""Decide the places of the files of an import that have one answer, by their paths."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from charging_assets import names
from charging_assets.acquisition.import_contents import Doubt, ImportRefused
from charging_assets.acquisition.import_paths import GENERIC_WORDS, PathReading
from charging_assets.acquisition.planned_file import PlannedFile
from charging_assets.sources.feeds import Feed

PlaceFrom = Literal["folder", "name"]


def decide_places(files: Sequence[PlannedFile], feed: Feed, place_from: PlaceFrom | None) -> None:
    single = [file for file in files if file.is_single]
    for file in single:
        assert file.reading is not None
        try:
            file.place = _place_of(file, file.reading, feed, place_from)
        except Doubt as doubt:
            file.doubt = file.doubt or str(doubt)
        except ImportRefused as error:
            file.problem, file.doubt = str(error), None
    decided = [file for file in single if file.place is not None]
    if place_from != "name":
        _doubt_one_name_of_several_folders(decided, feed)
    _doubt_places_that_differ_in_case(files, decided, feed)


def _place_of(
    file: PlannedFile, reading: PathReading, feed: Feed, place_from: PlaceFrom | None
) -> str:
    if place_from is None:
        place = _certain_place(file.name, reading, feed)
    else:
        chosen = chosen_place(reading, place_from, feed)
        if chosen is None:
            raise ImportRefused(
                "no folder in its path can be a place"
                if place_from == "folder"
                else "its name contains no place"
            )
        place = chosen
    if problem := names.PLACE.problem(place):
        raise ImportRefused(
            f"{place[:200]!r} cannot be a place: {problem}. A single answer is named after its "
            "place, such as SW-Stuttgart.json, or lies in a folder of that name; rename it"
        )
    return place


def _certain_place(name: str, reading: PathReading, feed: Feed) -> str:
    """The only place in a path, or the only one that is configured; Doubt otherwise."""
    places = reading.places
    if places.labelled:
        return places.labelled
    candidates = list(dict.fromkeys([*places.name, *places.folders]))
    configured = [place for place in candidates if place in feed.places]
    imported_folder = next(iter(places.outer), None)
    if not configured and imported_folder in feed.places:
        if not candidates:
            return str(imported_folder)
        candidates.append(str(imported_folder))
    if len(configured or candidates) == 1:
        place = (configured or candidates)[0]
        _doubt_variant_of_configured_place(place, feed)
        return place
    if candidates:
        raise Doubt(f"the place may be {' or '.join(configured or candidates)}")
    if places.doubtful in feed.places:
        return str(places.doubtful)
    if places.doubtful:
        raise Doubt(f"{places.doubtful!r} may be a place, or a place and a number")
    above = next((folder for folder in places.above if folder in feed.places), None)
    remedy = (
        f". The folder {above!r} is above the imported one and is not used: import that folder "
        "if it is the place"
        if above
        else ""
    )
    raise Doubt(
        f"neither {name!r} nor a folder names a place: a single answer is named after its place, "
        f"such as SW-Stuttgart.json, or lies in a folder of that name{remedy}"
    )


def _doubt_variant_of_configured_place(place: str, feed: Feed) -> None:
    """Refuse `koeln_test` and `stations_koeln` where `koeln` is configured.

    Such a name may be that place or another one. Whole words are compared, ignoring case, trailing
    digits and generic words (`stations`).
    """
    if place in feed.places:
        return
    for configured in feed.places:
        if configured.casefold() == place.casefold():
            continue  # `_doubt_places_that_differ_in_case` reports it
        if _contains(_words(place), _words(configured)) or _contains(
            _words(place, is_generic=False), _words(configured, is_generic=False)
        ):
            raise Doubt(
                f"{place!r} may be the configured place {configured!r} or another place: rename "
                f"it to {configured}, or use --place-from if {place!r} is a place"
            )


def _words(name: str, *, is_generic: bool = True) -> list[str]:
    """The words of a name; without generic ones unless `is_generic`."""
    words = [word.casefold().rstrip("0123456789") for word in re.split(r"[\W_]+", name)]
    return [word for word in words if word and (is_generic or word not in GENERIC_WORDS)]


def _contains(words: list[str], part: list[str]) -> bool:
    """Whether `part` is not empty and occurs in `words` in sequence."""
    starts = range(len(words) - len(part) + 1)
    return bool(part) and any(words[at : at + len(part)] == part for at in starts)


def chosen_place(reading: PathReading, place_from: PlaceFrom, feed: Feed) -> str | None:
    """The place by `--place-from`: of several in a name, the configured one."""
    places = reading.places
    if place_from == "folder":
        return next(iter([places.labelled] if places.labelled else
                         [*places.folders, *places.outer]), None)  # fmt: skip
    configured = [name for name in places.name if name in feed.places]
    if len(configured or places.name) == 1:
        return (configured or places.name)[0]
    return places.doubtful if not places.name else None


def _doubt_one_name_of_several_folders(files: Sequence[PlannedFile], feed: Feed) -> None:
    folders: dict[str, set[str]] = defaultdict(set)
    for file in files:
        folders[str(file.place)].add(_folder_around(file))
    for file in files:
        place, around = str(file.place), folders[str(file.place)]
        if len(around) > 1 and (place not in feed.places or around & set(feed.places)):
            parents = ", ".join(sorted(around)[:5]) or "the top"
            file.doubt = file.doubt or (
                f"{place!r} comes from several folders ({parents}): it may be one place or several"
            )


def _folder_around(file: PlannedFile) -> str:
    """The nearest folder around a file's place that may be a place itself."""
    assert file.reading is not None
    places = file.reading.places
    chain = [*places.name[-1:], *places.folders, *places.outer, *places.above]
    if places.labelled:
        return ""
    at = chain.index(file.place) if file.place in chain else -1
    return next((name for name in chain[at + 1 :] if name.casefold() != str(file.place).casefold()),
                "")  # fmt: skip


def _doubt_places_that_differ_in_case(
    files: Sequence[PlannedFile], decided: Sequence[PlannedFile], feed: Feed
) -> None:
    """For names from paths: file systems of Windows and macOS ignore case."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for place in {*feed.places, *(slug for file in files if not file.doubt for slug in file.slugs)}:
        spellings[place.casefold()].add(place)
    for file in decided:
        place = str(file.place)
        others = spellings[place.casefold()] - {place}
        if others and place not in feed.places:
            file.doubt = file.doubt or (
                f"{place!r} differs from {sorted(others)[0]!r} only in upper and lower case; "
                "rename the file or folder"
            )
