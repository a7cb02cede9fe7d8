"""The user's own labelled set on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from allcell.cli.base import say
from allcell.data.checked import check_pictures
from allcell.data.dataset import WHOLE, LabelledImage
from allcell.data.labelled_sets import class_counts, open_set, part_of, read_labelled, set_notes
from allcell.errors import DataError
from allcell.text.words import in_words


def read_set(
    data: Path, split: str, mapping: Sequence[str], *, to_teach: bool = False
) -> tuple[str, str, list[LabelledImage], list[str]]:
    """Read a part of a set, and check that all of its pictures can be decoded.

    Args:
        data: A folder, a ZIP, or the `data.yaml` in a folder.
        split: The part, as the user calls it.
        mapping: `theirs=ours` for each class.
        to_teach: Whether a model is to learn from it.

    Returns:
        The name of the set, that of the part as the set calls it, the images, and what is to be
        known of them (see `set_notes` and `check_pictures`), which is also printed.

    Raises:
        DataError: If it is not a labelled set, or some of it is wrong.
        ImageError: If a picture cannot be read.
        TeachingError: If a model is to learn from labels that lie on no cells.
    """
    targets = _mapping(mapping)
    folder = open_set(data)
    part = part_of(folder, split)
    if part != split:
        say(f"{split}: all of it, undivided" if part == WHOLE else f"{split}: called {part} there")
    images = read_labelled(folder, part, mapping=targets)
    unused = _unused(targets, list(class_counts(folder, part)) if targets else [])
    remarks = check_pictures(images, to_teach=to_teach)
    notes = [*set_notes(folder, part), *unused, *remarks]
    if not any(len(item.truth) for item in images):
        notes.append("there is no labelled cell: every box is a false alarm")
    for note in notes:
        say(f"note: {note}")
    # A ZIP is called as the folder was, a set named by its `data.yaml` as its folder is.
    path = data.resolve().parent if data.suffix in (".yaml", ".yml") else data.resolve()
    return path.name if path.is_dir() else path.stem, part, images, notes


def _mapping(pairs: Sequence[str]) -> dict[str, str | None]:
    """Parse `theirs=ours`; an empty ours leaves the class out."""
    mapping: dict[str, str | None] = {}
    for pair in pairs:
        theirs, sign, ours = pair.rpartition("=")
        if not sign or not theirs:
            raise DataError(
                f"--map {pair} is not of the form theirs=ours.",
                "For example --map lymphoblast=blast.",
            )
        theirs, ours = theirs.strip(), ours.strip()
        if mapping.setdefault(theirs, ours or None) != (ours or None):
            raise DataError(
                f"--map {theirs} is given twice, as {mapping[theirs] or 'left out'} and as "
                f"{ours or 'left out'}.",
                "Leave one of them out.",
            )
    return mapping


def _unused(mapping: Mapping[str, str | None], classes: Sequence[str]) -> list[str]:
    """Notes on mapped names of which a part has no cell, as after a slip of the keyboard.

    Args:
        mapping: What the user says.
        classes: The classes of the part that have cells.

    Raises:
        DataError: If a class has nearly that name, and so is not what the user says.
    """
    lost = [name for name in mapping if name not in classes]
    for name in lost:
        near = [other for other in classes if _plain(other) == _plain(name)]
        if near and near[0] not in mapping:
            raise DataError(
                f"There is no class {name}, but {near[0]}.", "Write it as the set does in --map."
            )
    there = in_words(sorted(classes), "and") if classes else "none"
    return [f"no labelled cell is of the class {name} (--map); there is {there}" for name in lost]


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
