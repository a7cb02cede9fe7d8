"""Paths, limits and thresholds: typed, from the environment (`ALLCELL_...`), in one place."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from allcell.errors import SettingError

_PREFIX = "ALLCELL_"
_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_project"
#: Whether allcell runs from an installed wheel rather than a checkout of the project.
INSTALLED = _SHIPPED.is_dir()
#: The folder of app.py, pages/ and weights/: the checkout, or the wheel's copy of it.
PROJECT_ROOT = _SHIPPED if INSTALLED else _PACKAGE.parent

RESEARCH_USE = "For Research Use Only. Not for use in diagnostic procedures."


def _cache() -> Path:
    """Below the home folder; below the temporary one for a user that nobody has registered.

    Containers run under such users. `allcell.environment.offline`, which may import nothing, has
    the same rule.
    """
    home = os.path.expanduser("~")
    return Path(tempfile.gettempdir() if home == "~" else home, ".cache", "allcell")


def _data() -> Path:
    """Where what is to last is kept: below the home folder, or as `_cache`."""
    home = os.path.expanduser("~")
    if home == "~":
        return Path(tempfile.gettempdir(), ".local", "share", "allcell")
    return Path(os.environ.get("XDG_DATA_HOME") or Path(home, ".local", "share"), "allcell")


class Settings(BaseSettings):
    """Everything that a person who runs allcell can set."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True)

    weights_dir: Path = PROJECT_ROOT / "weights"
    cache_dir: Path = Field(default_factory=_cache)
    data_dir: Path = Field(
        default_factory=_data,
        description="cases that users keep, their pictures, and own-laboratory models",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL for the cases, as postgresql://user:password@host/name; if not "
        "set, they are in SQLite in data_dir",
    )
    default_model: str = "live"
    device: str = "auto"
    runtime: Literal["auto", "onnx", "openvino", "torch"] = Field(
        "auto", description="what runs the models; auto = what was measured to be fastest here"
    )
    threads: int = Field(0, ge=0, description="CPU threads of the engine; 0 = all cores")

    max_upload_bytes: int = Field(200 * 2**20, gt=0)
    max_pixels: int = Field(120_000_000, gt=0)
    max_images: int = Field(200, gt=0)

    slides_dir: Path | None = Field(
        None,
        description="folder of the server whose slides visitors may open; if not set, they can "
        "only upload one",
    )
    max_slide_pixels: int = Field(
        25_000_000_000, gt=0, description="width times height of a slide's finest level"
    )

    max_session_bytes: int = Field(
        1536 * 2**20, gt=0, description="uploads, decoded pictures and results of one session"
    )
    max_server_bytes: int = Field(
        0, ge=0, description="the same of all sessions; 0 = half of the memory, at most 4 GB"
    )
    session_kept_s: float = Field(
        60, ge=0, description="how long a session whose connection broke may be taken up again"
    )

    max_video_bytes: int = Field(500 * 2**20, gt=0)
    max_video_s: float = Field(1800, gt=0, description="length of an uploaded video")
    max_recording_s: float = Field(1800, gt=0, description="length of a recording of the Live page")
    cameras: tuple[str, ...] = Field(
        (),
        description="cameras of the server that visitors may open: V4L2 numbers and RTSP addresses",
    )

    max_set_bytes: int = Field(500 * 2**20, gt=0, description="a labelled set in a ZIP")
    max_set_unpacked_bytes: int = Field(2 * 2**30, gt=0, description="the same, unpacked")
    max_set_files: int = Field(50_000, gt=0, description="files in such a ZIP")
    data_sets: tuple[Path, ...] = Field(
        (), description="folders of the server with labelled sets that visitors may evaluate on"
    )

    max_user_models_bytes: int = Field(
        2 * 2**30,
        gt=0,
        description="files of the models that users add, in all open sessions together",
    )

    teaching_tiles: int | None = Field(
        None,
        ge=16,
        description="length of a training when a laboratory is taught in the app; if not set, what "
        "was measured to be best",
    )

    recordings_dir: Path | None = Field(
        None,
        description="where recordings of the Live page are kept; if not set, they are deleted with "
        "the session",
    )

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = Field("text", description="json: one object a line")

    ice_servers: tuple[dict[str, str | list[str]], ...] = Field(
        (),
        description="STUN and TURN servers of live video: urls, username, credential; not needed "
        "offline or in a local network",
    )

    floor_confidence: float = Field(0.05, ge=0, le=1, description="lowest confidence returned")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingError: If a variable of the environment has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingError(*_explain(error)) from None
    except SettingsError as error:
        # Lists are written as JSON; the library's message names the field and nothing else.
        quoted = str(error).split('"')
        name = f"{_PREFIX}{quoted[1].upper()}" if len(quoted) > 2 else f"A setting {_PREFIX}..."
        raise SettingError(
            f"{name} is not a list as JSON.", """Write it as in ALLCELL_CAMERAS='["0"]'."""
        ) from None


def _explain(error: ValidationError) -> tuple[str, str]:
    """What is wrong with each variable, and what to do."""
    wrong = [
        f"{_PREFIX}{'.'.join(map(str, problem['loc'])).upper()} is {problem['input']!r:.60}: "
        f"{problem['msg'][:1].lower()}{problem['msg'][1:]}."
        for problem in error.errors()
    ]
    return " ".join(wrong), "Correct it in the environment, or unset it for the default."
