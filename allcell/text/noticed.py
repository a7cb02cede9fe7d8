"""Tables that leave allcell, with the research-use notice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from allcell.settings import RESEARCH_USE


def noticed_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV with the research-use notice as the title of its last column, which is empty.

    A comment line would break parsers, and a notice in each row would be lost if there are no rows.

    Args:
        columns: Titles of the other columns.
        rows: A value for each of those columns.
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([*columns, RESEARCH_USE])
    for row in rows:
        writer.writerow([*row, ""])
    return sink.getvalue()


def csv_file(text: str) -> bytes:
    """A CSV as a file: UTF-8 with the mark without which Excel takes it for the local code page.

    Python's `csv` wants `encoding="utf-8-sig"` for it; pandas and R's readr need nothing.

    Args:
        text: Its content.
    """
    return text.encode("utf-8-sig")
