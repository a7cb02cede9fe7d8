"""README's numbers of long runs are those that were kept."""

from __future__ import annotations

import json

import pytest

from tests.soak.kept import KEPT, ROOT, with_soaks


def test_readme_has_the_numbers_that_were_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert set(kept) <= {"starts", "sessions"}
    assert with_soaks(readme, kept) == readme


@pytest.mark.parametrize("text", ["", "<!-- soak: written by `make soak` -->\n"])
def test_a_readme_without_the_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="README lacks"):
        with_soaks(text, {})
