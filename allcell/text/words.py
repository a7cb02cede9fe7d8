"""Lists in words."""

from __future__ import annotations

from collections.abc import Sequence


def in_words(names: Sequence[str], last: str = "or") -> str:
    """Names as a sentence lists them: `JPEG, PNG or TIFF`.

    Args:
        names: Any number of them; of none the sentence is empty.
        last: What stands before the last one.
    """
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)
