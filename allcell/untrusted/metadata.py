"""Class names and input size as ultralytics writes them into an ONNX file."""

from __future__ import annotations

import ast
import re

from allcell.untrusted.onnx_file import OnnxFacts

#: Longer class names are cut.
_LONGEST_NAME = 60


def class_names(facts: OnnxFacts) -> tuple[str, ...]:
    """The classes that a file names: `{0: 'blast'}` as ultralytics writes them, or a list.

    Args:
        facts: What the file says about itself. The text is parsed as a Python literal, never run.

    Returns:
        The names in the order of their numbers; empty if there is no such list.
    """
    text = facts.metadata.get("names", "")
    try:
        said = ast.literal_eval(text) if text else ()
        if isinstance(said, dict):
            numbered = {int(number): name for number, name in said.items()}
            said = [numbered[number] for number in range(len(numbered))]
        return tuple(_clean(str(name)) for name in said) if isinstance(said, (list, tuple)) else ()
    except (ValueError, TypeError, SyntaxError, LookupError, ArithmeticError):
        return ()
    except (MemoryError, RecursionError):  # nested too deeply for the parser
        return ()


def input_size(facts: OnnxFacts) -> tuple[int, int] | None:
    """Width and height in pixels that a file names; None if it names none.

    Ultralytics writes `[height, width]`.
    """
    found = re.fullmatch(r"\[(\d{1,5}), ?(\d{1,5})\]", facts.metadata.get("imgsz", ""))
    return (int(found[2]), int(found[1])) if found else None


def task(facts: OnnxFacts) -> str:
    """What a file says it is made for, such as detect or segment; empty if it does not say."""
    return facts.metadata.get("task", "")[:_LONGEST_NAME]


def _clean(name: str) -> str:
    return re.sub(r"[^\w .()+-]+", " ", name).strip()[:_LONGEST_NAME]
