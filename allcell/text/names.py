"""Names from outside, made safe for file systems and spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

#: File systems allow 255 bytes; the rest is room for a counter and a suffix.
MAX_NAME_BYTES = 200
LONGEST_SUFFIX = 10
FALLBACK_NAME = "image"
#: Windows opens a device instead of a file under these names.
DEVICE_NAMES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
#: A spreadsheet takes a cell that starts with these for a formula (OWASP, CSV injection); the
#: full-width forms count in some locales.
FORMULA_STARTS = tuple("=+-@＝＋－＠")  # noqa: RUF001 - full-width on purpose


def _is_control(character: str) -> bool:
    # Category C holds control and direction characters and lone surrogates.
    return unicodedata.category(character).startswith("C")


def safe_name(name: str) -> str:
    """A file name without folders, control characters or anything that file systems forbid.

    Args:
        name: A file name or path from any operating system.

    Returns:
        1 to about `MAX_NAME_BYTES` bytes of UTF-8; a usual suffix is kept.
    """
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(c for c in last if not _is_control(c))
    cleaned = re.sub(r'[<>:"|?*]', "_", unicodedata.normalize("NFC", printable)).strip(" ")
    cleaned = cleaned.rstrip(" .")
    if not cleaned or cleaned.startswith("."):
        cleaned = FALLBACK_NAME + cleaned
    suffix = PurePosixPath(cleaned).suffix
    suffix = suffix if len(suffix) <= LONGEST_SUFFIX else ""
    stem = cleaned.removesuffix(suffix).encode()[: MAX_NAME_BYTES - len(suffix.encode())]
    # The cut may fall inside a character: what is left of it is dropped.
    text = stem.decode(errors="ignore").rstrip(" .") or FALLBACK_NAME
    return f"{'_' if text.casefold() in DEVICE_NAMES else ''}{text}{suffix}"


def unique_names(names: Iterable[str]) -> list[str]:
    """The names in order, duplicates numbered: a.jpg, a-2.jpg, a-3.jpg.

    Upper and lower case count as the same, as on Windows and macOS.
    """
    given = list(names)
    taken: set[str] = set()
    # A number must not give away a later name: a.jpg, a.jpg, a-2.jpg -> a.jpg, a-3.jpg, a-2.jpg.
    reserved = {name.casefold() for name in given}
    result = []
    for name in given:
        path = PurePosixPath(name)
        candidate, n = name, 1
        while candidate.casefold() in taken or (n > 1 and candidate.casefold() in reserved):
            n += 1
            candidate = f"{name.removesuffix(path.suffix)}-{n}{path.suffix}"
        taken.add(candidate.casefold())
        result.append(candidate)
    return result


def telling_names(paths: Iterable[str]) -> list[str]:
    r"""The shortest ends of the paths that tell them apart: a.jpg, ward-1/b.jpg, ward-2/b.jpg.

    Args:
        paths: Names or paths with / or \, in the order of the result.

    Returns:
        Safe names joined by /; numbered as by `unique_names` where folders do not tell.
    """
    split = [
        [safe_name(part) for part in re.split(r"[/\\]", path) if part not in ("", ".", "..")]
        or [FALLBACK_NAME]
        for path in paths
    ]
    length = [1] * len(split)
    while True:
        names = ["/".join(parts[-n:]) for parts, n in zip(split, length, strict=True)]
        folded = [name.casefold() for name in names]
        alike = Counter(folded)
        longer = [
            i for i, name in enumerate(folded) if alike[name] > 1 and length[i] < len(split[i])
        ]
        if not longer:
            return unique_names(names)
        for i in longer:
            length[i] += 1


def file_stems(names: Iterable[str]) -> list[str]:
    """The names without suffix, made unique: a.jpg and a.png share one folder of labels."""
    return unique_names(PurePosixPath(name).stem for name in names)


def spreadsheet_text(text: str) -> str:
    """Text for a CSV cell; one that would be taken for a formula gets an apostrophe in front."""
    flat = "".join(" " if _is_control(c) else c for c in text).strip()
    return f"'{flat}" if flat.startswith(FORMULA_STARTS) else flat
