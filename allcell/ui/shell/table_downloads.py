"""A table of the Compare page as a file, in the three formats that papers and scripts want."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.text.noticed import csv_file


def table_downloads(
    key: str,
    stem: str,
    *,
    csv: Callable[[], str],
    markdown: Callable[[], str],
    latex: Callable[[], str],
) -> None:
    """A button for each format; a file is made when its button is pressed.

    Args:
        key: Prefix of the buttons' keys.
        stem: Name of the files without their endings.
        csv: Makes the CSV.
        markdown: Makes the Markdown.
        latex: Makes the LaTeX.
    """
    with st.container(horizontal=True):
        for title, ending, mime, text in (
            ("CSV", "csv", "text/csv", lambda: csv_file(csv())),
            ("Markdown", "md", "text/markdown", markdown),
            ("LaTeX", "tex", "application/x-tex", latex),
        ):
            st.download_button(
                f"Download as {title}",
                text,
                f"{stem}.{ending}",
                mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"{key}.{title}",
            )
