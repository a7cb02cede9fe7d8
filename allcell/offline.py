"""Switches that keep ultralytics from calling home, downloading or installing.

Import this before ultralytics, wherever it is imported.
"""

import os

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")
