"""The numbers of the soaks: kept as JSON, and written into README from there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from allcell.environment.versions import machine_name

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "soak" / "measured.json"
_BEGIN, _END = "<!-- soak: written by `make soak` -->\n", "<!-- end of soak -->"


#: By what share the memory may grow over a soak.
MOST_GROWTH = 0.05
#: The server goes on answering within this time.
MOST_HEALTH_S = 1.0


def usual_machine() -> dict[str, str]:
    """Where and when."""
    return {"machine": machine_name(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}


def keep(what: str, found: dict[str, Any]) -> None:
    """Keep what a soak found, and rewrite README."""
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    kept[what] = {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(with_soaks(text, kept), encoding="utf-8")


def with_soaks(text: str, kept: dict[str, Any]) -> str:
    """README with these numbers between its marks.

    Raises:
        ValueError: If it lacks the marks.
    """
    before, marked, rest = text.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not marked or not ended:
        raise ValueError(f"README lacks {_BEGIN.strip()} or {_END}")
    lines = [line(kept[what]) for what, line in _LINES.items() if what in kept]
    return before + marked + "\n" + "\n\n".join(lines) + "\n\n" + _END + after


def _starts(found: dict[str, Any]) -> str:
    before, after = found["memory_before_mb"], found["memory_after_mb"]
    growth = after / before - 1
    met = "met" if after <= (1 + MOST_GROWTH) * before else "**not met**"
    return (
        f"**Long runs of the server** (`make soak`). {found['cycles']} times Start and Stop on "
        f"Live and {found['tabs']} tabs closed while the video ran: native threads "
        f"{found['threads_before']} before, {found['threads_after']} after; memory "
        f"{before:.0f} MB before, {after:.0f} MB after, "
        f"{100 * growth:+.0f} % where at most {100 * MOST_GROWTH:+.0f} % is asked: {met}; file "
        f"handles {found['files_before']} and {found['files_after']} ({found['machine']}, "
        f"{found['date']})."
    )


def _sessions(found: dict[str, Any]) -> str:
    slowest = found["slowest_health_s"]
    met = "met" if slowest <= MOST_HEALTH_S else "**not met**"
    return (
        f"{found['sessions']} sessions, one after the other, each with {found['files']} uploads "
        f"of {found['file_mb']:.0f} MB, with room for {found['budget_mb']:.0f} MB of pictures "
        f"(`ALLCELL_MAX_SERVER_BYTES`): its memory was {found['before_mb']:.0f} MB before, "
        f"{found['peak_mb']:.0f} MB at most and {found['after_mb']:.0f} MB afterwards; the slowest "
        f"answer to `/_stcore/health` took {slowest:.2f} s where at most {MOST_HEALTH_S:.0f} s is "
        f"asked: {met} ({found['machine']}, {found['date']})."
    )


_LINES = {"starts": _starts, "sessions": _sessions}
