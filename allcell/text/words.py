"""Lists in words."""

from __future__ import annotations

from collections.abc import Sequence


def in_words(names: Sequence[str], last: str = "or") -> str:
    """Names as a sentence lists them: `JPEG, PNG or TIFF`.

    Args:
        names: Any number of them; the result is empty if there are none.
        last: The word before the last one.
    """
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)
