"""The log: a level, lines or JSON, and no name of a user's file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from allcell.environment.logs import JsonFormatter, TextFormatter, set_up_logs
from allcell.errors import ImageError

NAME = "Mueller_Anna.tif"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("allcell")
    kept = root.handlers[:], root.level, own.level
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    own.setLevel(kept[2])
    logging.captureWarnings(False)


def plain() -> None:
    raise ImageError(f"'{NAME}' is damaged.")


def caused() -> None:
    try:
        plain()
    except ImageError as error:
        raise RuntimeError(f"cannot read {NAME}") from error


def while_handling() -> None:
    try:
        plain()
    except ImageError:
        raise KeyError(NAME)  # noqa: B904  (that is the case)


@pytest.mark.parametrize(
    ("fail", "types"),
    [
        pytest.param(plain, ["ImageError"], id="an error"),
        pytest.param(caused, ["ImageError", "RuntimeError"], id="its cause"),
        pytest.param(while_handling, ["ImageError", "KeyError"], id="the one before"),
    ],
)
@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_an_error_is_told_by_its_type_and_place(
    fail: Callable[[], None],
    types: list[str],
    formatter: logging.Formatter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        fail()
    except Exception:
        logging.getLogger("allcell.test").exception("It went wrong.")
    said = formatter.format(caplog.records[-1])
    assert "It went wrong." in said
    assert all(name in said for name in types)
    assert "test_logs.py" in said
    assert NAME not in said
    if isinstance(formatter, JsonFormatter):
        read = json.loads(said)
        assert read["level"] == "error"
        assert read["logger"] == "allcell.test"
        assert read["error"] == types[-1]
        assert "\n" not in said


@pytest.mark.parametrize(
    ("level", "logger", "said", "written"),
    [
        pytest.param("info", "allcell.x", logging.INFO, True, id="info"),
        pytest.param("info", "allcell.x", logging.DEBUG, False, id="below it"),
        pytest.param("debug", "allcell.x", logging.DEBUG, True, id="ours in detail"),
        pytest.param(
            "debug", "websockets", logging.DEBUG, False, id="a library's would name files"
        ),
        pytest.param("error", "PIL", logging.WARNING, False, id="only errors"),
    ],
)
def test_the_level(
    level: str,
    logger: str,
    said: int,
    written: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs(level, "text")  # type: ignore[arg-type]
    logging.getLogger(logger).log(said, "a line")
    assert ("a line" in capsys.readouterr().err) is written
