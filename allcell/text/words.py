"""Lists in words, and the names of scores that all tables, pages, cards and commands share."""

from __future__ import annotations

from collections.abc import Sequence

#: The two ways to count a box in AP. What the models show has one class for each cell.
AS_SHOWN = "as shown"
#: For AP as YOLOv5 and ultralytics validate, the paper among them: a box counts for every class
#: that it reaches.
AS_YOLOV5_COUNTS = "as YOLOv5 counts"

#: Titles of a class's scores by their names in the evaluator's JSON, in the order of tables that
#: are not about the paper.
SCORE_TITLES = {
    "ap50_as_shown": f"AP@0.5 {AS_SHOWN}",
    "ap50_95_as_shown": f"AP@0.5:0.95 {AS_SHOWN}",
    "precision": "P",
    "recall": "R",
    "ap50": f"AP@0.5 {AS_YOLOV5_COUNTS}",
    "ap50_95": f"AP@0.5:0.95 {AS_YOLOV5_COUNTS}",
}

#: To accompany the two wherever they are shown, once a page.
BOTH_APS = (
    "AP (average precision: 1 if all cells are found and named rightly, 0 if none) is of two "
    f'kinds: "{AS_SHOWN}" counts what you see, one class for each cell; "{AS_YOLOV5_COUNTS}", the '
    "paper's kind, also counts a model's second guess for a cell, so it is usually higher."
)


def in_words(names: Sequence[str], last: str = "or") -> str:
    """Names as a sentence lists them: `JPEG, PNG or TIFF`.

    Args:
        names: Any number of them; the result is empty if there are none.
        last: The word before the last one.
    """
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def one_line(text: str, longest: int = 200) -> str:
    """A text from outside on one line: no control or direction characters, no half characters.

    Args:
        text: Anything.
        longest: Characters that are kept.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest].strip()
