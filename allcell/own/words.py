"""The card of an own-laboratory model in words, for the command line and the Models page."""

from __future__ import annotations

from collections.abc import Mapping

from allcell.models.registry import CLASS_TITLES, get_spec
from allcell.own.access import EVERYONE
from allcell.own.card import Card, Measured
from allcell.own.own_model import OwnModel
from allcell.text.words import AS_SHOWN

_METHODS = {
    "full": "layers of the network were trained",
    "quick": "only the last step of the network was fitted",
}
_SHORT_SHA = 12
_NO_NUMBER = "n/a"


def facts(model: OwnModel) -> dict[str, str]:
    """What to know about a model before relying on it, by the name of each fact."""
    card, training = model.card, model.card.training
    said = {
        "Name in commands and exports": card.id,
        "Taught from": f"{get_spec(card.parent).title}, with {_fields(training.fields)}: "
        f"{_cells(training.cells)}",
        "How": f"{_METHODS[card.method]}, {training.seconds:.0f} s",
        "Made": f"{card.made:%d %B %Y}"
        + (f", allcell {card.app_version}" * bool(card.app_version)),
        "Classes": ", ".join(CLASS_TITLES.get(name, name) for name in card.classes),
        "Operating threshold": f"confidence {card.confidence:.2f}",
        "Smears that it knows": _smears(card),
    }
    if card.held_out is not None:
        held = card.held_out
        said["Compared on"] = (
            f"{_fields(held.fields)} that were held out, {held.how}: {_cells(held.cells)}"
        )
    if card.parents_laboratories:
        said["On smears of others"] = "; ".join(
            f"{one.laboratory}, {CLASS_TITLES.get(one.cell_class, one.cell_class)}: AP "
            f"{one.before:.2f} before, {one.after:.2f} after"
            for one in card.parents_laboratories
        )
    said["File"] = f"{model.size_bytes / 1e6:.1f} MB, SHA-256 {card.sha256[:_SHORT_SHA]}"
    if card.imported:
        said["Imported"] = "made on another machine; runs as a stranger's network does"
    if card.owner:
        said["Owner"] = "whoever logs in" if card.owner == EVERYONE else card.owner
    return said


def before_after(card: Card) -> list[tuple[str, str, str]]:
    """What was measured on the held-out fields: name, parent, this model; empty if nothing was."""
    if card.before is None or card.after is None:
        return []
    rows = []
    for name in card.classes:
        before, after = card.before.classes.get(name), card.after.classes.get(name)
        if before is None or after is None:
            continue
        title = CLASS_TITLES.get(name, name)
        for what, old, new in (
            (f"AP {AS_SHOWN}", before.ap, after.ap),
            ("recall", before.recall, after.recall),
            ("precision", before.precision, after.precision),
        ):
            rows.append((f"{title}, {what}", _number(old), _number(new)))
    false = "False blasts a field"
    rows.append(
        (false, _number(card.before.false_blasts_a_field), _number(card.after.false_blasts_a_field))
    )
    return rows


def in_short(card: Card) -> str:
    """What the teaching was worth, in a line."""
    rows = before_after(card)
    if not rows or card.held_out is None:
        return "not compared with its parent"
    name, before, after = rows[0]
    return f"{name}: {before} before, {after} after, on {_fields(card.held_out.fields)}"


def _smears(card: Card) -> str:
    if card.familiarity is None:
        return "those that its parent knows"
    own = f"those of its laboratory (told from {_fields(card.familiarity.fields)})"
    if card.familiarity.parents_known:
        return f"{own} and those that its parent knows"
    return f"{own}, no longer those that its parent knows"


def _fields(number: int) -> str:
    return f"{number} field{'' if number == 1 else 's'}"


def _cells(cells: Mapping[str, int]) -> str:
    return ", ".join(f"{CLASS_TITLES.get(name, name)} {n}" for name, n in cells.items()) or "none"


def _number(measured: Measured) -> str:
    if measured.value is None:
        return _NO_NUMBER
    if measured.low is None or measured.high is None:
        return f"{measured.value:.2f}"
    return f"{measured.value:.2f} ({measured.low:.2f} to {measured.high:.2f})"
