"""Names that users give to models, and the ids made of them."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from allcell.errors import ModelError
from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.own.card import LONGEST_NAME, PREFIX

#: Prefixes that ids of models have: no name may look like one.
_RESERVED = (PREFIX, "user-")
#: What stands in Markdown, in a chart and in a command as it is.
_ALLOWED = re.compile(r"[\w .()+-]+")
_SLUG_LENGTH, _HASH_DIGITS = 36, 8


def check_name(name: str) -> str:
    """A name as it is kept: spaces joined, nothing that is special in Markdown or a chart.

    Args:
        name: As the user wrote it.

    Raises:
        ModelError: If it cannot be used, or a model that allcell comes with has it.
    """
    joined = " ".join(unicodedata.normalize("NFC", name).split())
    if not joined or not any(c.isalnum() for c in joined):
        raise ModelError("The model has no name.", "Give it one, with a letter or a number.")
    if len(joined) > LONGEST_NAME:
        raise ModelError(
            f"The name has {len(joined)} characters, expected at most {LONGEST_NAME}.",
            "Give it a shorter name.",
        )
    if not _ALLOWED.fullmatch(joined):
        wrong = sorted(set(re.sub(_ALLOWED, "", joined)))
        raise ModelError(
            f"The name {joined!r} has characters that cannot be used: {' '.join(wrong)}",
            "Use letters, numbers, spaces and . ( ) + - _",
        )
    ours = [(spec.name, spec.title) for spec in MODELS]
    ours += [(spec.name, spec.title) for spec in CLASSIFIERS]
    known = {word.casefold() for words in ours for word in words}
    if joined.casefold() in known or joined.casefold().startswith(_RESERVED):
        raise ModelError(
            f"{joined} is the name of a model that allcell comes with."
            if joined.casefold() in known
            else f"No name of yours may begin with {' or '.join(_RESERVED)}.",
            "Give it another name.",
        )
    return joined


def make_id(name: str, sha256: str, owner: str = "") -> str:
    """The id of a model: safe in files, commands and addresses.

    Another network has another, and so has the same one of another owner.

    Args:
        name: Its name.
        sha256: Of its ONNX file, hexadecimal.
        owner: Whose it is.
    """
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:_SLUG_LENGTH].strip("-") or "model"
    digest = hashlib.sha256(f"{sha256}{owner}".encode()).hexdigest()
    return f"{PREFIX}{slug}-{digest[:_HASH_DIGITS]}"
