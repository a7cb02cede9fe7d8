"""What the classes of other people's sets and networks stand for: one list of known names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from allcell.cautions import WITHHELD
from allcell.errors import DataError
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import CLASSES

#: What a class may stand for, besides the classes of allcell.
IGNORED, LEFT_OUT = "ignore", ""

#: Names that need no confirmation: our own, the paper's, those of our importers and exports.
_SURE: dict[str, tuple[str, ...]] = {
    **{cell.name: (cell.name, *cell.sure_names) for cell in CELL_CLASSES},
    IGNORED: ("cut", WITHHELD, "unidentified"),
}
#: Names for the user to confirm, in lower case with single spaces.
_LIKELY: dict[str, tuple[str, ...]] = {
    **{cell.name: cell.likely_names for cell in CELL_CLASSES},
    IGNORED: ("ignore", "ignored", "cut cell", "unknown", "unclear"),
    LEFT_OUT: (
        "rbc", "rbcs", "red blood cell", "red blood cells", "red cell", "erythrocyte", "platelet",
        "platelets", "thrombocyte", "artefact", "artifact", "background", "stain",
    ),
}  # fmt: skip


def _by_word(table: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {word: target for target, words in table.items() for word in words}


_OURS = _by_word(_SURE)
_TARGETS = {**_by_word(_LIKELY), **_OURS}


def suggested_target(name: str) -> str | None:
    """What a class of a data set or network probably stands for.

    Args:
        name: As the set or network calls it.

    Returns:
        One of `CLASSES`, `IGNORED`, or `LEFT_OUT` for what is no white cell; None if the name does
        not tell.
    """
    words = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    bare = words.removesuffix("s").removesuffix(" cell")
    return _TARGETS.get(words, _TARGETS.get(bare))


def guess_classes(names: Sequence[str]) -> tuple[str | None, ...]:
    """Which of allcell's classes each class of a network probably is; None for any other."""
    targets = (suggested_target(name) for name in names)
    return tuple(target if target in CLASSES else None for target in targets)


def class_targets(
    names: Sequence[str], mapping: Mapping[str, str | None] | None
) -> tuple[str | None, ...]:
    """What each class of a data set stands for: one of `CLASSES`, `IGNORED`, or None to leave out.

    Args:
        names: Its classes that have a cell.
        mapping: See `labelled_sets.read_labelled`; names that need no confirmation need no entry.

    Raises:
        DataError: If a class is not mapped, or mapped to something else.
    """
    ours = {name: _OURS[name.lower()] for name in names if name.lower() in _OURS}
    targets: dict[str, str | None] = {**ours, **(mapping or {})}
    unknown = [name for name in names if name not in targets]
    wrong = sorted({to for to in targets.values() if to is not None} - {*CLASSES, IGNORED})
    if unknown or wrong:
        raise DataError(
            f"Classes that allcell does not know: {', '.join(unknown + wrong)}.",
            f"Map each to one of {', '.join(CLASSES)}, {IGNORED}, or to nothing "
            "(on the command line: --map theirs=blast, --map theirs=).",
        )
    return tuple(targets[name] for name in names)
