"""No library that allcell uses calls home: the switches of all of them, in one place.

`allcell/__init__.py` imports this first, so they are set before a library reads them: in the app,
in the commands, in a program that imports allcell, and in the child processes of all these.
"""

import os
import sys
import tempfile

#: "~" for a user whom nobody has registered, as in a container.
_HOME = os.path.expanduser("~")

# The environment cannot override these: README promises that nothing is looked up or fetched.
os.environ.update(
    # ONNX Runtime looks up a host of Microsoft's, and keeps an ID of the machine below
    # ~/.cache/Microsoft. It reads this at import; its `disable_telemetry_events` prevents neither.
    ORT_DISABLE_TELEMETRY="1",
    YOLO_OFFLINE="true",
    YOLO_AUTOINSTALL="false",
    # ultralytics imports albumentations if installed, which looks for its latest version online.
    NO_ALBUMENTATIONS_UPDATE="1",
    # Ray counts its users, unless this is 0 in every process of a cluster; one that was started by
    # `ray start` then still reports that it does not, so the report gets an address of nobody.
    RAY_USAGE_STATS_ENABLED="0",
    RAY_USAGE_STATS_REPORT_URL="http://127.0.0.1:9/",
    # For a server that does not find .streamlit/config.toml.
    STREAMLIT_BROWSER_GATHER_USAGE_STATS="false",
)
os.environ.setdefault("YOLO_VERBOSE", "false")
# ultralytics keeps its settings in one folder with everything else; see `cache_dir` in settings.py.
os.environ.setdefault(
    "YOLO_CONFIG_DIR",
    os.environ.get("ALLCELL_CACHE_DIR")
    or os.path.join(_HOME if _HOME != "~" else tempfile.gettempdir(), ".cache", "allcell"),
)
# OpenVINO's tools send usage statistics, without asking, unless this package is missing; nothing
# else switches them off. This makes it missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
