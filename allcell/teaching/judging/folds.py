"""Which fields are held out together: whole cases where that can be, and never half a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allcell.data.dataset import LabelledImage
from allcell.models.registry import BLAST, CLASSES, HEALTHY

#: Most parts that the fields are cut into; each costs a training.
MOST_FOLDS = 8


@dataclass(frozen=True)
class Folds:
    """How the fields are held out in turn.

    Attributes:
        parts: Numbers of the fields of each part; each field is in one.
        by_case: Whether no case is on both sides.
        how: In words, as after "cross-validated".
    """

    parts: tuple[tuple[int, ...], ...]
    by_case: bool
    how: str

    def others(self, part: int) -> tuple[int, ...]:
        """The fields that are learned from while a part is held out."""
        held = set(self.parts[part])
        return tuple(n for one in self.parts for n in sorted(one) if n not in held)


def make_folds(
    images: Sequence[LabelledImage],
    cases: Sequence[str],
    places: Sequence[int],
    most: int = MOST_FOLDS,
    seed: int = 0,
) -> Folds:
    """Cut fields into parts that are held out in turn.

    By case if there are several and none is the only one with a class, else by field. Fields of one
    place stay together, and cells of each class are spread evenly. There are no more parts than
    fields with the rarer class: a part without it would be judged by a model to which that class is
    commoner than to the one that is made, and the other rarer.

    Args:
        images: The fields.
        cases: The case of each; empty where it is not known.
        places: See `allcell.teaching.enough.Enough.groups`.
        most: Most parts.
        seed: Of the order in which equal groups are taken.
    """
    known = [case for case in cases if case]
    several = len(known) == len(images) and len(set(known)) > 1
    if several:
        groups = _joined(cases, places)
        parts = _spread(images, groups, min(most, len(set(groups))), seed)
        if len(parts) > 1 and _can_learn(images, parts):
            return Folds(parts, True, f"by case, in {len(parts)} parts")
    parts = _spread(images, list(places), min(most, len(set(places))), seed)
    why = ""
    if several:
        why = ", not by case, since some case is the only one with a class"
    elif not known:
        why = ", whose cases are not known"
    return Folds(parts, False, f"by field, in {len(parts)} parts{why}")


def _joined(cases: Sequence[str], places: Sequence[int]) -> list[int]:
    """Groups in which neither a case nor a place is divided, by number."""
    group = list(range(len(cases)))

    def root(n: int) -> int:
        while group[n] != n:
            n = group[n]
        return n

    first: dict[tuple[str, object], int] = {}
    for n, (case, place) in enumerate(zip(cases, places, strict=True)):
        for key in (("case", case), ("place", place)):
            group[root(n)] = root(first.setdefault(key, n))
    return [root(n) for n in range(len(cases))]


def _spread(
    images: Sequence[LabelledImage], groups: Sequence[int], parts: int, seed: int
) -> tuple[tuple[int, ...], ...]:
    """Give each group to the part that lacks its rarest class most; see `make_folds`."""
    counts = np.array(
        [np.bincount(i.truth.class_id, minlength=len(CLASSES)) for i in images], np.float64
    )
    names = sorted(set(groups))
    members = {name: [n for n, one in enumerate(groups) if one == name] for name in names}
    # As shares of all cells of the class, so that the rare one counts as much.
    total = counts.sum(axis=0)
    share = {name: counts[members[name]].sum(axis=0) / np.maximum(total, 1) for name in names}
    order = np.random.default_rng(seed).permutation(len(names))
    largest_first = sorted((names[n] for n in order), key=lambda name: -share[name].max())
    having = [sum(bool(share[name][c] > 0) for name in names) for c in (BLAST, HEALTHY)]
    parts = min(parts, max(2, min(having)))
    held = [np.zeros(len(CLASSES)) for _ in range(parts)]
    chosen: list[list[int]] = [[] for _ in range(parts)]
    for name in largest_first:
        best = min(
            range(parts),
            key=lambda p: (
                float(((held[p] + share[name]) ** 2).sum() - (held[p] ** 2).sum()),
                len(chosen[p]),
            ),
        )
        held[best] += share[name]
        chosen[best] += members[name]
    return tuple(tuple(sorted(one)) for one in chosen if one)


def _can_learn(images: Sequence[LabelledImage], parts: Sequence[Sequence[int]]) -> bool:
    """Whether both classes are among what is learned, whichever part is held out."""
    for held in parts:
        rest = [item for n, item in enumerate(images) if n not in set(held)]
        for class_id in (BLAST, HEALTHY):
            if not any(np.any(item.truth.class_id == class_id) for item in rest):
                return False
    return True
