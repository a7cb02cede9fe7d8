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


@pytest.mark.parametrize(
    ("after_mb", "said"),
    [
        pytest.param(210.0, "+5 % where at most +5 % is asked: met", id="as much as is allowed"),
        pytest.param(232.0, "+16 % where at most +5 % is asked: **not met**", id="too much"),
    ],
)
def test_readme_says_whether_the_memory_grew_too_much(after_mb: float, said: str) -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))["starts"]
    found = kept | {"memory_before_mb": 200.0, "memory_after_mb": after_mb}
    marks = "<!-- soak: written by `make soak` -->\n<!-- end of soak -->"
    assert said in with_soaks(marks, {"starts": found})


@pytest.mark.parametrize(
    ("slowest_s", "said"),
    [
        pytest.param(0.4, "took 0.40 s where at most 1 s is asked: met", id="at once"),
        pytest.param(1.48, "took 1.48 s where at most 1 s is asked: **not met**", id="too late"),
    ],
)
def test_readme_says_whether_the_server_answered_in_time(slowest_s: float, said: str) -> None:
    numbers = ("sessions", "files", "file_mb", "budget_mb", "before_mb", "peak_mb", "after_mb")
    found = dict.fromkeys(numbers, 1) | {"slowest_health_s": slowest_s, "machine": "", "date": ""}
    marks = "<!-- soak: written by `make soak` -->\n<!-- end of soak -->"
    assert said in with_soaks(marks, {"sessions": found})


@pytest.mark.parametrize("text", ["", "<!-- soak: written by `make soak` -->\n"])
def test_a_readme_without_the_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="README lacks"):
        with_soaks(text, {})
