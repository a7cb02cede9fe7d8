"""Live video on this machine: frames shown, and the time from camera to boxes on the screen.

Run by hand, with nothing else running: `python tests/e2e/measure_live.py`. Browser and server share
the processor. A fake camera of 30 frames a second plays a clip that changes, every second, between
an empty field and one with blasts; a white mark in a corner says which. The browser looks at its
own camera and at the video that comes back: camera to picture is the time between the two marks,
camera to boxes the time until a blast of the new field is boxed. The slow model is the live one,
delayed until a run has taken a set time; like any run of ONNX Runtime it can be interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from allcell.models.registry import BLAST  # noqa: E402
from allcell.synth import FieldSpec, render  # noqa: E402
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS  # noqa: E402

MARK_PX = 48
HALF_FRAMES = 30
SERVE = """
import sys, threading, time
slow_s = float(sys.argv.pop(1)) / 1e3
if slow_s:
    from allcell.engines.base import RunInterrupted
    from allcell.engines.onnx_engine import OnnxEngine
    run, interrupt = OnnxEngine.run, OnnxEngine.interrupt
    given_up = threading.Event()
    def slowly(self, image):
        given_up.clear()
        end_s = time.perf_counter() + slow_s
        output = run(self, image)
        if given_up.wait(max(0.0, end_s - time.perf_counter())):
            raise RunInterrupted
        return output
    def give_up(self):
        given_up.set()
        interrupt(self)
        return True
    OnnxEngine.run, OnnxEngine.interrupt = slowly, give_up
from allcell.ui import server
server.main()
"""
REMEMBER = """
  const Connection = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Connection {
    constructor(...how) { super(...how); window.connections.push(this); }
  };
"""
LOOK = """
async ([mark, box, seconds]) => {
  const shown = document.querySelector("video");
  const own = document.createElement("video");
  own.muted = true;
  own.srcObject = await navigator.mediaDevices.getUserMedia(
    {video: {width: {ideal: %d}, height: {ideal: %d}}});
  await own.play();
  const canvas = document.createElement("canvas");
  canvas.width = 40; canvas.height = 40;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const bright = video => {
    pen.drawImage(video, 8, 8, mark - 16, mark - 16, 0, 0, 4, 4);
    return pen.getImageData(0, 0, 4, 4).data[0] > 128;
  };
  const framed = video => {
    const [x1, y1, x2, y2] = box;
    pen.drawImage(video, x1 - 6, y1 - 6, x2 - x1 + 12, y2 - y1 + 12, 0, 0, 40, 40);
    const pixels = pen.getImageData(0, 0, 40, 40).data;
    let yellow = 0;
    for (let i = 0; i < pixels.length; i += 4)
      if (pixels[i] > 140 && pixels[i + 1] > 110 && pixels[i] - pixels[i + 2] > 45) yellow++;
    return yellow > 40;
  };
  const picture = [], boxes = [];
  let was = bright(own), since = null, pictureDone = true, boxesDone = true;
  const first = shown.getVideoPlaybackQuality().totalVideoFrames, begin = performance.now();
  while (performance.now() - begin < 1000 * seconds) {
    await new Promise(done => setTimeout(done, 10));
    const now = performance.now(), on = bright(own);
    if (on && !was) { since = now; pictureDone = boxesDone = false; }
    was = on;
    if (since === null || now - since > 900) continue;
    if (!pictureDone && bright(shown)) { picture.push(now - since); pictureDone = true; }
    if (!boxesDone && framed(shown)) { boxes.push(now - since); boxesDone = true; }
  }
  const stats = {};
  for (const report of (await window.connections.at(-1).getStats()).values()) {
    if (report.type === "inbound-rtp") {
      stats.waits_in_browser_ms = 1000 * report.jitterBufferDelay / report.jitterBufferEmittedCount;
      stats.decoding_ms = 1000 * report.totalDecodeTime / report.framesDecoded;
      stats.received_kbits = report.bytesReceived / 125;
    }
    if (report.type === "outbound-rtp") {
      stats.encoding_ms = 1000 * report.totalEncodeTime / report.framesEncoded;
      stats.sent_kbits = report.bytesSent / 125;
      stats.limited_by = report.qualityLimitationReason;
      stats.sent_frames = report.framesEncoded;
    }
  }
  const shownFrames = shown.getVideoPlaybackQuality().totalVideoFrames - first;
  return {picture, boxes, fps: 1000 * shownFrames / (performance.now() - begin),
          stats, size: [shown.videoWidth, shown.videoHeight]};
}
"""


def clip(path: Path, width: int, height: int) -> list[float]:
    """Write the clip; the box of the blast that is watched."""
    spec = FieldSpec(width, height, red_cell_px=width / 29, seed=3, blasts=6, neutrophils=2)
    full = render(spec)
    # Another place on the slide, as when a stage jumps: no red cell is where it was.
    empty = render(replace(spec, seed=4, blasts=0, neutrophils=0)).image
    planes = []
    for picture, mark in ((empty, 16), (full.image, 235)):
        marked = picture.copy()
        marked[:MARK_PX, :MARK_PX] = mark
        planes.append(cv2.cvtColor(marked, cv2.COLOR_RGB2YUV_I420).tobytes())
    head = f"YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420mpeg2\n".encode()
    path.write_bytes(
        head + b"".join(HALF_FRAMES * (b"FRAME\n" + one) for one in (planes[0], planes[1]))
    )
    boxes = full.truth.of(BLAST).xyxy
    inside = [b for b in boxes if b[0] > 2 * MARK_PX and b[1] > 20 and b[2] < width - 20]
    return [float(v) for v in max(inside, key=lambda b: b[3] - b[1])]


@contextmanager
def serve_anywhere(slow_ms: float, log: Path) -> Iterator[str]:
    """The app at a free port: its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = serve(slow_ms, port, log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def serve(slow_ms: float, port: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SERVE, str(slow_ms), "run", str(ROOT / "app.py")]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=log.open("wb"), stderr=subprocess.STDOUT, env=dict(os.environ)
    )
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the app did not start:\n{log.read_text()}")


def measure(width: int, height: int, slow_ms: float, seconds: float) -> dict[str, Any]:
    """One setting."""
    with tempfile.TemporaryDirectory() as folder:
        box = clip(Path(folder) / "clip.y4m", width, height)
        with (
            serve_anywhere(slow_ms, Path(folder) / "log") as url,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=[*CHROMIUM_FLAGS, f"--use-file-for-fake-video-capture={folder}/clip.y4m"],
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(REMEMBER)
            page.goto(url)
            page.locator("[data-testid=stFileUploader]").first.wait_for(timeout=30_000)
            page.get_by_role("link", name="Live").first.click()
            page.get_by_text("This device's camera").click()
            if height < 720:
                page.get_by_role("combobox").first.click()
                page.get_by_role("option", name="640 x 360, fast").click()
            page.wait_for_timeout(2500)
            video = [f for f in page.frames if "webrtc_streamer" in f.url][-1]
            video.get_by_role("button", name="Start").click()
            page.wait_for_timeout(8000)
            look = LOOK % (width, height)
            seen = video.evaluate(look, [MARK_PX, box, seconds])
            said = page.locator(".st-key-allcell-readout").inner_text().replace("\n", " ")
            browser.close()
    result = {
        "asked": f"{width}x{height}",
        "shown": "x".join(map(str, seen["size"])),
        "artificial_ms": slow_ms,
        "shown_fps": round(seen["fps"], 1),
        "changes": len(seen["picture"]),
        "readout": said,
        "browser": {
            k: round(v, 1) if isinstance(v, float) else v for k, v in seen["stats"].items()
        },
    }
    for name in ("picture", "boxes"):
        values = seen[name]
        result[f"camera_to_{name}_ms"] = (
            {
                "median": round(statistics.median(values)),
                "p95": round(float(np.percentile(values, 95))),
            }
            if values
            else None
        )
    return result


def main() -> None:
    """All settings of the acceptance, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", type=int, help="number of one setting, from 0")
    chosen = parser.parse_args()
    seconds = chosen.seconds
    settings = ((640, 360, 0), (1280, 720, 0), (640, 360, 200))
    for width, height, slow_ms in settings if chosen.only is None else [settings[chosen.only]]:
        print(json.dumps(measure(width, height, slow_ms, seconds), indent=1), flush=True)


if __name__ == "__main__":
    main()
