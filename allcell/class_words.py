"""What other people call their classes: read from a text, and what allcell calls the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

_LONGEST_NAME = 60

#: How people call what allcell calls blast, healthy and smudge.
_KNOWN_AS: dict[str, tuple[str, ...]] = {
    "blast": (
        *("blast", "lymphoblast", "leukemic", "leukaemic", "leukemia", "leukaemia"),
        *("cancer", "cancerous", "malignant", "all", "positive"),
    ),
    "healthy": (
        *("healthy", "normal", "wbc", "healthy wbc", "normal wbc", "white blood", "leukocyte"),
        *("benign", "hem", "negative", "lymphocyte", "neutrophil", "monocyte", "eosinophil"),
        *("basophil",),
    ),
    "smudge": ("smudge", "basket", "gumprecht shadow"),
}


def guess_classes(names: Sequence[str]) -> tuple[str | None, ...]:
    """What of allcell's classes each name stands for; None where that is not known."""
    return tuple(_guess(name) for name in names)


def read_names(text: str) -> tuple[str, ...]:
    """Class names as ultralytics writes them into a file, `{0: 'blast'}`, or as a list.

    Args:
        text: A literal of Python, which is read but never run.

    Returns:
        The names in the order of their numbers; empty if the text is no such list.
    """
    try:
        said = ast.literal_eval(text) if text else ()
        if isinstance(said, dict):
            numbered = {int(number): name for number, name in said.items()}
            said = [numbered[number] for number in range(len(numbered))]
        return tuple(_clean(str(name)) for name in said) if isinstance(said, (list, tuple)) else ()
    except (ValueError, TypeError, SyntaxError, LookupError, ArithmeticError):
        return ()
    except (MemoryError, RecursionError):  # nested too deep for the parser
        return ()


def _clean(name: str) -> str:
    return re.sub(r"[^\w .()+-]+", " ", name).strip()[:_LONGEST_NAME]


def _guess(name: str) -> str | None:
    words = re.sub(r"[^a-z]+", " ", name.lower()).strip()
    words = re.sub(r" ?\bcells?$", "", words)
    for mine, theirs in _KNOWN_AS.items():
        if words in theirs or (words.endswith("s") and words[:-1] in theirs):
            return mine
    return None
