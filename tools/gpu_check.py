"""Check and measure allcell on a CUDA card; the JSON is written anew after each stage.

Run it through `tools/gpu_check.sh`. Models whose weights are not there are left out, and named.
With `--device cpu` the logic of the script itself can be tried, slowly and without graphs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import allcell  # first: it switches off what calls home  # noqa: F401 # isort: skip
import numpy as np
import torch
from gpu_measuring import (
    FIELDS,
    FRAME_PX,
    LONG_SIDES,
    START,
    OnCpu,
    about,
    before,
    compare,
    say,
    timed,
)

from allcell.boxes import unscaled
from allcell.detector import Detector
from allcell.engines.card import CudaCard
from allcell.engines.torch_engine import CudaEngine, TorchEngine
from allcell.imaging.preprocess import network_input, plan_tiles
from allcell.models.registry import MODELS, get_spec
from allcell.models.weights import model_files, read_manifest, verified
from allcell.settings import settings
from allcell.statistics import Milliseconds


class Check:
    """All stages, their results and the file."""

    def __init__(self, out: Path, device: str, quick: bool, budget_s: float) -> None:
        self.out, self.device, self.quick, self.budget_s = out, device, quick, budget_s
        self.only = ""
        self.result: dict[str, Any] = {"ok": None, "about": about(device), "stages": {}}
        self.engines: dict[str, Any] = {}
        manifest = read_manifest(settings().weights_dir)
        names = [spec.name for spec in MODELS if spec.name in manifest]
        self.models = [n for n in names if manifest[n].has_checkpoint(settings().weights_dir)]
        self.result["models"] = self.models
        self.result["weights"] = {n: manifest[n].checkpoint.sha256 for n in self.models}
        self.result["left_out"] = [n for n in names if n not in self.models]
        if self.result["left_out"]:
            say(f"without weights here, left out: {', '.join(self.result['left_out'])}")

    def stage(self, name: str, work: Callable[[], Any]) -> None:
        """Run one stage; an error is kept and the others go on."""
        if not any(part in name for part in self.only.split(",")):
            return
        if time.perf_counter() - START > self.budget_s:
            say(f"{name}: left out, the time is up")
            self.result["stages"][name] = {"left_out": "the time was up"}
        else:
            say(name)
            start = time.perf_counter()
            try:
                answer = work()
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            answer["took_s"] = round(time.perf_counter() - start, 2)
            self.result["stages"][name] = answer
        self.save()

    def save(self) -> None:
        """Write what there is."""
        stages = self.result["stages"].values()
        bad = [s for s in stages if "error" in s or "left_out" in s or s.get("passed") is False]
        self.result["ok"] = bool(stages) and not bad
        self.result["total_s"] = round(time.perf_counter() - START, 1)
        part = self.out.with_suffix(".part")
        part.write_text(json.dumps(self.result, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self.out)

    def engine(self, name: str) -> Any:
        """The engine of a model on the device."""
        if name not in self.engines:
            checkpoint = verified(model_files(name).checkpoint)
            self.engines[name] = (
                CudaEngine(checkpoint) if self.device == "cuda" else OnCpu(checkpoint)
            )
        return self.engines[name]

    # --- stages ---------------------------------------------------------------------------------

    def parity(self, name: str) -> dict[str, Any]:
        """The card against the CPU in 32 bits on rendered fields."""
        spec = get_spec(name)
        here = Detector(spec, self.engine(name))
        there = Detector(spec, TorchEngine(verified(model_files(name).checkpoint)))
        rows = []
        for seed, width, height, red in (
            (11, 1280, 960, 40),  # as in tests/engines/test_parity.py
            (12, 1280, 960, 20),
            (21, 1200, 900, 70),  # scaled by area first
            (31, 2000, 1400, 18),  # in tiles
        ):
            field = FIELDS(seed, width, height, red)
            a, _ = there.detect(field, red_cell_px=red, confidence=0.2)
            every, _ = there.detect(field, red_cell_px=red, confidence=0.15, iou=1.0)
            # The third is the graph's second run.
            ways = [here.detect(field, red_cell_px=red, confidence=0.2)[0] for _ in range(3)]
            for n, b in enumerate((ways[0], ways[2])):
                rows.append({"field": seed, "graph": bool(n)} | compare(a, b, every))
        boxes = sum(r["boxes"] for r in rows)
        off, ties = (sum(r[key] for r in rows) for key in ("off", "ties"))
        say(
            f"  {name}: {boxes} boxes, {off} off, {ties} ties, "
            f"worst IoU {min(r['iou'] for r in rows):.3f}, "
            f"score {max(r['score'] for r in rows):.4f}; {here.engine.description}"
        )
        return {
            "fields": rows,
            "boxes": boxes,
            "off": off,
            "ties": ties,
            "runtime": here.engine.description,
            "passed": boxes > 0 and off == 0 and ties <= 0.02 * boxes,
        }

    def speed(self, name: str, long_side: int) -> dict[str, Any]:
        """Frame to boxes, the graph alone, and the same without graphs."""
        spec = get_spec(name)
        engine = self.engine(name)
        detector = Detector(spec, engine)
        width, height = FRAME_PX
        red = spec.red_cell_px * width / long_side
        frame = FIELDS(7, width, height, red)
        rounds = 6 if self.quick else 120

        def frame_to_boxes() -> None:
            detector.detect(frame, red_cell_px=red, confidence=spec.confidence)

        for _ in range(4):
            frame_to_boxes()
        full = timed(frame_to_boxes, self.device, rounds)
        timings = [
            detector.detect(frame, red_cell_px=red, confidence=spec.confidence)[1]
            for _ in range(rounds // 3)
        ]
        fit = plan_tiles(spec, width, height, red)[0]
        line = next(v for k, v in reversed(engine.card._lines.items()) if k.fit == fit)
        replay = timed(line.replay, self.device, rounds) if line.replay else []
        sent = timed(lambda: line.send([frame]), self.device, rounds)
        ready = network_input(spec, frame, red)
        for _ in range(3):
            engine.run(ready)
        bare = timed(lambda: engine.run(ready), self.device, rounds)
        eager = self.without_graphs(name, frame_to_boxes, detector, rounds // 3)
        old = [before(engine, spec, frame, red) for _ in range(max(3, rounds // 4))][2:]
        row = {
            "input_px": [ready.shape[1], ready.shape[0]],
            "frame_to_boxes": asdict(Milliseconds.of(full)),
            "fps": 1e3 * len(full) / sum(full),
            "network_and_scaling": asdict(Milliseconds.of([t.inference_ms for t in timings])),
            "postprocess": asdict(Milliseconds.of([t.postprocess_ms for t in timings])),
            "graph_replay": asdict(Milliseconds.of(replay)) if replay else None,
            "bytes_to_card": asdict(Milliseconds.of(sent)),
            "bytes_to_output": asdict(Milliseconds.of(bare)),
            "eager_frame_to_boxes": asdict(Milliseconds.of(eager)),
            "before": asdict(Milliseconds.of(old)),
            "runtime": engine.description,
        }
        if replay:
            row["over_replay"] = row["frame_to_boxes"]["median"] / row["graph_replay"]["median"]
        say(
            f"  {name} {ready.shape[1]}x{ready.shape[0]}: frame to boxes "
            f"{row['frame_to_boxes']['median']:.2f} (p95 {row['frame_to_boxes']['p95']:.2f}), "
            f"replay {row['graph_replay']['median'] if replay else math.nan:.2f}, post "
            f"{row['postprocess']['median']:.2f}, to card {row['bytes_to_card']['median']:.2f}, "
            f"eager {row['eager_frame_to_boxes']['median']:.2f}"
            f", before {row['before']['median']:.2f} ms"
        )
        return row

    def without_graphs(
        self, name: str, call: Callable[[], None], detector: Detector, rounds: int
    ) -> list[float]:
        """The same call with the card's work launched kernel by kernel."""
        card = detector.engine.card
        kept, reason = card._lines, card.eager_because
        card._lines, card.eager_because = type(kept)(), "to compare"
        try:
            for _ in range(3):
                call()
            return timed(call, self.device, max(3, rounds))
        finally:
            card._lines, card.eager_because = kept, reason

    def speeds(self, name: str) -> dict[str, Any]:
        """Both input sizes."""
        return {str(side): self.speed(name, side) for side in LONG_SIDES}

    def variants(self, name: str, long_side: int) -> dict[str, Any]:
        """The graph alone with other memory formats and with kernels chosen by trial."""
        spec = get_spec(name)
        engine = self.engine(name)
        fit = plan_tiles(spec, *FRAME_PX, spec.red_cell_px * FRAME_PX[0] / long_side)[0]
        picture = np.ascontiguousarray(FIELDS(7, *FRAME_PX, 40))
        found: dict[str, Any] = {}
        for count in (1, 64):
            for form in (torch.contiguous_format, torch.channels_last):
                for tried in (False, True):
                    if time.perf_counter() - START > self.budget_s:
                        continue
                    torch.backends.cudnn.benchmark = tried
                    engine._model.to(memory_format=form)

                    def network(tensor: torch.Tensor, form: Any = form) -> torch.Tensor:
                        return engine._network(tensor.contiguous(memory_format=form))

                    card = CudaCard(network, engine._device, engine._dtype, hold=engine._anchors)
                    start = time.perf_counter()
                    for _ in range(3):
                        card.run([picture] * count, fit, 0.2)
                    opened = time.perf_counter() - start
                    (line,) = card._lines.values()
                    if line.replay is None:
                        return {"error": card.eager_because}
                    took = timed(line.replay, self.device, 40)
                    key = f"{count} {str(form).split('.')[-1]}{' tried' if tried else ''}"
                    found[key] = asdict(Milliseconds.of(took)) | {"opened_s": opened}
                    say(f"  {name} {key}: {found[key]['median']:.3f} ms, ready in {opened:.2f} s")
                    del card, line
        torch.backends.cudnn.benchmark = False
        engine._model.to(memory_format=torch.channels_last)
        engine.card._lines.clear()
        return found

    def throughput(self) -> dict[str, Any]:
        """Tiles of 640x352 a second with live: the engine, and to boxes with the detector."""
        spec = get_spec("live")
        engine = self.engine("live")
        fit = unscaled(640, 352)
        tiles = [
            np.ascontiguousarray(FIELDS(41 + i, 640, 352, 20))
            for i in range(2 if self.quick else 8)
        ]
        found: dict[str, Any] = {}
        sizes = (4,) if self.quick else (16, 64, 256)
        for size in sizes:
            batch = [tiles[i % len(tiles)] for i in range(size)]
            for _ in range(3):
                engine.run_batch(batch, fit, 0.05, spec.iou)
            rounds = 3 if self.quick else 1024 // size
            took = timed(
                lambda b=batch: engine.run_batch(b, fit, 0.05, spec.iou), self.device, rounds
            )
            line = next(v for k, v in reversed(engine.card._lines.items()) if k.fit == fit)
            replay = timed(line.replay, self.device, 20) if line.replay else []
            found[str(size)] = {
                "engine_tiles_s": 1e3 * size / float(np.median(took)),
                "replay_tiles_s": 1e3 * size / float(np.median(replay)) if replay else None,
            }
            say(f"  batch {size}: {found[str(size)]}")
        detector = Detector(spec, engine)
        many = [tiles[i % len(tiles)] for i in range(8 if self.quick else 1024)]
        scales: list[float | None] = [20.0] * len(many)
        detector.detect_many(many[:128], red_cell_px=scales[:128])
        found["detect_many_batch"] = engine.batch_size(fit)
        took = timed(lambda: detector.detect_many(many, red_cell_px=scales), self.device, 2)
        found["detect_many_tiles_s"] = 1e3 * len(many) / min(took)
        say(f"  detect_many, tile to boxes: {found['detect_many_tiles_s']:.0f} tiles a second")
        return found

    def full_memory(self) -> dict[str, Any]:
        """A card with too little memory: the batch is halved and the boxes stay."""
        if self.device != "cuda":
            return {"skipped": "no card"}
        engine = CudaEngine(verified(model_files("live").checkpoint))
        picture = np.ascontiguousarray(FIELDS(12, 1280, 960, 20))
        fit = unscaled(1280, 960)
        whole = engine.run_batch([picture], fit, 0.2)[0]
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(
            min(1.0, (torch.cuda.memory_reserved() + 700 * 2**20) / total)
        )
        try:
            many = engine.run_batch([picture] * 64, fit, 0.2)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        same = all(
            np.allclose(
                np.sort(one[4:].max(axis=0))[-50:], np.sort(whole[4:].max(axis=0))[-50:], atol=0.02
            )
            for one in many
        )
        say(f"  {len(many)} pictures, {engine.description}")
        return {
            "description": engine.description,
            "most": engine.card.most,
            "passed": len(many) == 64 and engine.card.most is not None and same,
        }

    def training(self) -> dict[str, Any]:
        """Steps of live's network on rendered tiles in mixed precision."""
        from gpu_training import training_steps

        found = training_steps(
            self.device, batch=4 if self.quick else 32, steps=3 if self.quick else 30
        )
        say(f"  {found}")
        return found


def main() -> int:
    """Run all stages; 0 if all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="few rounds: to try the script")
    parser.add_argument("--budget", type=float, default=88, help="no stage begins after (seconds)")
    parser.add_argument("--only", default="", help="only stages with one of these in their name")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA device here; --device cpu tries the script itself.")
        return 2
    check = Check(asked.out, asked.device, asked.quick, asked.budget)
    check.only = asked.only
    say(f"{check.result['about']}")
    # The most important first: a run that is cut off leaves them.
    first = [name for name in ("live", "yolov5s") if name in check.models]
    rest = [name for name in check.models if name not in first]
    for name in first:
        check.stage(f"speed {name}", lambda n=name: check.speeds(n))
    if "live" in check.models:
        check.stage("throughput live", check.throughput)
    for name in first:
        check.stage(f"parity {name}", lambda n=name: check.parity(n))
    for name in rest:
        check.stage(f"speed {name}", lambda n=name: check.speeds(n))
        check.stage(f"parity {name}", lambda n=name: check.parity(n))
    check.stage("training", check.training)
    check.stage("full memory", check.full_memory)
    if asked.device == "cuda":
        for name, side in (("live", 640), ("yolov5s", 1024)):
            if name in check.models:
                check.stage(f"variants {name} {side}", lambda n=name, s=side: check.variants(n, s))
    say(f"{'all passed' if check.result['ok'] else 'not all passed'}; written to {asked.out}")
    return 0 if check.result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
