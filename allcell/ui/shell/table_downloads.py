"""A table as a file, in the formats that papers and scripts want."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.text.noticed import csv_file

#: Ending and MIME type of a file, by what its button calls it.
_FORMATS = {
    "CSV": ("csv", "text/csv"),
    "Markdown": ("md", "text/markdown"),
    "LaTeX": ("tex", "application/x-tex"),
    "JSON": ("json", "application/json"),
}


def table_downloads(
    key: str,
    stem: str,
    *,
    csv: Callable[[], str],
    markdown: Callable[[], str] | None = None,
    latex: Callable[[], str] | None = None,
    json: Callable[[], str] | None = None,
) -> None:
    """A button for each format that there is; a file is made when its button is pressed.

    Args:
        key: Prefix of the buttons' keys.
        stem: Name of the files without their endings.
        csv: Makes the CSV.
        markdown: Makes the Markdown.
        latex: Makes the LaTeX.
        json: Makes the JSON.
    """
    made: dict[str, Callable[[], str | bytes] | None] = {
        "CSV": lambda: csv_file(csv()),
        "Markdown": markdown,
        "LaTeX": latex,
        "JSON": json,
    }
    with st.container(horizontal=True):
        for title, (ending, mime) in _FORMATS.items():
            if (make := made[title]) is not None:
                st.download_button(
                    f"Download as {title}",
                    make,
                    f"{stem}.{ending}",
                    mime,
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"{key}.{title}",
                )
