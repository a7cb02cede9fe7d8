"""What the app's server writes to its log: lines for people, or JSON for a collector of logs.

No line holds the name of a user's file: libraries put it into the messages of their errors, so of
an error only its type and the place in the code are written.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
_Raised = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
)


def without_message(raised: _Raised) -> str:
    """Where an error came from and of which type it is; never its message.

    Args:
        raised: As `sys.exc_info` gives it.
    """
    if not raised or raised[1] is None:
        return ""
    lines: list[str] = []
    error: BaseException | None = raised[1]
    while error is not None:
        # No line of source: a literal in it may be a name, too.
        frames = traceback.extract_tb(error.__traceback__)
        lines[:0] = [
            *(f'  File "{f.filename}", line {f.lineno}, in {f.name}' for f in frames),
            type(error).__name__,
        ]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


class TextFormatter(logging.Formatter):
    """Lines for people: time in UTC, level, who says it, what."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        said = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        return "\n".join(filter(None, [said, without_message(record.exc_info)]))


class JsonFormatter(logging.Formatter):
    """An object a line: time, level, logger, message, and error and trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        said: dict[str, str] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__
            said["trace"] = without_message(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def handler(kind: LogFormat) -> logging.Handler:
    """What writes the log, to stderr.

    Args:
        kind: Of the lines.
    """
    made = logging.StreamHandler(sys.stderr)
    made.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    return made


def set_up_logs(level: LogLevel, kind: LogFormat) -> None:
    """Let this process write its log.

    Args:
        level: Of allcell's own lines; those of libraries are never below info, as they name files.
        kind: Of the lines.
    """
    root = logging.getLogger()
    root.handlers[:] = [handler(kind)]
    root.setLevel(max(logging.INFO, logging.getLevelName(level.upper())))
    logging.getLogger("allcell").setLevel(level.upper())
    logging.captureWarnings(True)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
