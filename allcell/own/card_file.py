"""The card of an own-laboratory model as a file.

The file holds a seal over itself, so that a card which was cut or altered is not believed. The seal
finds damage, not malice: who can write into the folder can write another seal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from allcell.errors import ModelError
from allcell.own.card import LONGEST_NAME, Card

#: Version of the card. An allcell that changes the meaning of a field writes a higher number.
SCHEMA = 1
#: A card has some ten kilobytes.
MAX_CARD_BYTES = 256 * 1024


@cache
def _cards() -> TypeAdapter[Card]:
    """Made when the first card is met: it takes a while, and most installations have none."""
    return TypeAdapter(Card)


def card_json(card: Card) -> str:
    """A card as the text of its file, sealed.

    Raises:
        ModelError: If something on it is of the wrong type or out of range.
    """
    try:
        content = _cards().dump_python(
            _cards().validate_python(_cards().dump_python(card, warnings=False)), mode="json"
        )
    except ValidationError as error:
        raise ModelError(
            f"The card of the model {card.name[:LONGEST_NAME]!r} cannot be written: "
            f"{_first(error)}.",
            "This is a fault of allcell: please report it.",
        ) from error
    plain = {"schema": SCHEMA, **content}
    return json.dumps({**plain, "seal": _seal(plain)}, indent=1, ensure_ascii=False) + "\n"


def read_card(content: bytes, place: str) -> Card:
    """The card in the bytes of its file.

    Args:
        content: Of the file.
        place: Where it is, for people.

    Raises:
        ModelError: If it is cut, altered, none at all, or of a newer allcell.
    """
    again = "Teach the laboratory again, or import the model again from its file."
    try:
        said: Any = json.loads(content) if len(content) <= MAX_CARD_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or type(said.get("schema")) is not int:
        raise ModelError(f"The card of the model in {place} is cut or damaged.", again)
    if said["schema"] > SCHEMA:
        raise ModelError(
            f"The model in {place} was made by a newer allcell: its card is of version "
            f"{said['schema']}, and this one reads version {SCHEMA}.",
            "Update allcell.",
        )
    if said.pop("seal", None) != _seal(said):
        raise ModelError(f"The card of the model in {place} was altered.", again)
    del said["schema"]
    try:
        return _cards().validate_json(json.dumps(said))
    except ValidationError as error:
        raise ModelError(
            f"The card of the model in {place} does not fit: {_first(error)}.", again
        ) from error


def _seal(content: Mapping[str, Any]) -> str:
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))[:80]}: {problem['msg'][:200]}"
