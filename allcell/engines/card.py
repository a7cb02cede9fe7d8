"""Pictures on a CUDA card: bytes in, candidates out, launched as one CUDA graph.

Launching the kernels of a small network one by one from Python takes several times as long as they
run. A CUDA graph launches them all at once; it is bound to its shapes and buffers, so there is one
for each kind of batch (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from allcell.boxes import Letterbox
from allcell.detections import FloatArray
from allcell.engines.card_boxes import best_candidates, reducible
from allcell.engines.card_work import Replay, Results, Work, capture, out_of_memory, scaled
from allcell.errors import ModelError

#: Kinds of batches whose buffers and graphs are kept: a stream has one, a folder two or three.
_MOST_LINES = 6
#: Pictures in a batch: with more, a card is no faster.
_MOST_AT_ONCE = 64
#: Memory that batches may take, as a share of the card's; others use it as well.
_SHARE = 0.25
#: Memory per pixel of a picture (bytes, and 32 bits while they are scaled) and of a network's input
#: (the largest layers of YOLOv5m).
_BYTES_PER_SOURCE_PX = 27
_BYTES_PER_INPUT_PX = 400
#: Bytes that go to the card while the CPU copies the next.
_STRIP_BYTES = 2**20
#: Captures in two threads at once would disturb each other's memory.
_CAPTURING = threading.Lock()

#: A network: (n, 3, h, w) from 0 to 1 in, (n, rows, columns) out.
Network = Callable[[torch.Tensor], torch.Tensor]


class BatchKind(NamedTuple):
    """What one graph can run.

    Attributes:
        pictures: How many.
        fit: How each lies in the network's input.
        whole: Whether the whole output is wanted rather than the best candidates.
        iou: See `BatchEngine.run_batch`.
    """

    pictures: int
    fit: Letterbox
    whole: bool
    iou: float | None


class _Line:
    """The buffers of one kind of batch.

    Attributes:
        host: Pinned bytes: a copy from other memory takes twice as long and waits for the card.
        card: The same on the card.
        replay: Runs the graph; None before it is captured.
        results: The best candidates and the whole output of the last run, on the card.
        answer: Pinned, what is copied back.
        runs: How many there were.
        held: What the graph reads and the network may replace.
    """

    def __init__(self, kind: BatchKind, device: torch.device) -> None:
        fit = kind.fit
        shape = (kind.pictures, fit.source_height_px, fit.source_width_px, 3)
        self.host = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self.card = torch.empty(shape, dtype=torch.uint8, device=device)
        self.replay: Replay | None = None
        self.results: Results | None = None
        self.answer: torch.Tensor | None = None
        self.runs = 0
        self.held: object = None

    def send(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> None:
        """Copy the pictures into the pinned buffer, and each strip from there to the card."""
        height, width = self.host.shape[1:3]
        rows = max(1, _STRIP_BYTES // (3 * width))
        for place, there, picture in zip(self.host, self.card, pictures, strict=False):
            # torch copies with all cores, but takes no read-only and no mirrored array.
            plain = picture.flags.writeable and min(picture.strides) > 0
            source = torch.from_numpy(picture) if plain else None
            for top in range(0, height, rows):
                part = slice(top, top + rows)
                if source is not None:
                    place[part].copy_(source[part])
                else:
                    np.copyto(place[part].numpy(), picture[part])
                there[part].copy_(place[part], non_blocking=True)


class CudaCard:
    """Runs a network on batches of pictures, with a CUDA graph for each kind that comes again.

    The first batch of a kind runs without: a capture takes as long as a dozen runs, and a folder of
    pictures of all sizes would never replay one.

    Args:
        network: What runs on the card.
        device: The card.
        dtype: Of the network.
        hold: Returns what a graph reads besides its buffers and weights, so that it stays.
        capture: See `capture`.
        release: Gives memory that is kept for reuse back to the card.

    Attributes:
        eager_because: Why there are no graphs, if a capture failed; empty otherwise.
        most: Most pictures that fit into the card's memory, once it was full; None before.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        dtype: torch.dtype,
        *,
        hold: Callable[[], object] = lambda: None,
        capture: Callable[[Work, Any], tuple[Replay, Results]] = capture,
        release: Callable[[], None] = torch.cuda.empty_cache,
    ) -> None:
        self._network = network
        self._device = device
        self._dtype = dtype
        self._hold = hold
        self._capture = capture
        self._release = release
        self._lines: OrderedDict[BatchKind, _Line] = OrderedDict()
        self._pool: Any = None
        self.eager_because = ""
        self.most: int | None = None

    def run(
        self,
        pictures: Sequence[npt.NDArray[np.uint8]],
        fit: Letterbox,
        floor: float | None,
        iou: float | None = None,
    ) -> list[FloatArray]:
        """Run the network on pictures of one shape, in halves if the card's memory is too small.

        Args:
            pictures: RGB uint8 (h, w, 3), of the source size of `fit`.
            fit: How each lies in the network's input.
            floor: See `BatchEngine.run_batch`; None for the whole output.
            iou: See `BatchEngine.run_batch`.

        Raises:
            ModelError: If the card has not enough memory for a single picture.
        """
        done: list[FloatArray] = []
        while len(done) < len(pictures):
            left = pictures[len(done) : len(done) + (self.most or len(pictures))]
            full = ""
            try:
                done += self._run(left, fit, floor, iou)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                full = str(error).splitlines()[0]
            # Outside of the handler: the error keeps what was on the card alive.
            if full:
                self._lines.clear()
                self._release()
                if len(left) == 1:
                    raise ModelError(
                        f"The card's memory is too small for one picture ({full}).",
                        "Close other programs that use the card, or choose the device cpu.",
                    )
                self.most = _whole_power(len(left)) // 2
        return done

    def _run(
        self,
        pictures: Sequence[npt.NDArray[np.uint8]],
        fit: Letterbox,
        floor: float | None,
        iou: float | None,
    ) -> list[FloatArray]:
        # A graph has one size: the last batch of a folder leaves some places of it empty.
        kind = BatchKind(_whole_power(len(pictures)), fit, floor is None, iou)
        line = self._line(kind)
        with torch.inference_mode():
            line.send(pictures)
            self._go(line, kind)
            assert line.results is not None
            best, whole = line.results
            if line.answer is None or line.answer.shape != best.shape:
                pinned = self._device.type == "cuda"
                line.answer = torch.empty(best.shape, dtype=best.dtype, pin_memory=pinned)
            line.answer.copy_(best, non_blocking=True)
            if self._device.type == "cuda":
                torch.cuda.current_stream().synchronize()
            answer = line.answer.numpy()[: len(pictures)].copy()
            if floor is None or not reducible(whole):
                return list(answer)
            answers = list(answer[:, :, :-1])
            for i in np.flatnonzero(answer[:, 4, -1] >= floor):
                answers[i] = whole[i].to("cpu", torch.float32, copy=True).numpy()
        return answers

    def _line(self, kind: BatchKind) -> _Line:
        line = self._lines.get(kind)
        if line is None:
            line = self._lines[kind] = _Line(kind, self._device)
            if len(self._lines) > _MOST_LINES:
                self._lines.popitem(last=False)
        else:
            self._lines.move_to_end(kind)
        return line

    def _go(self, line: _Line, kind: BatchKind) -> None:
        def work() -> Results:
            whole = self._network(scaled(line.card, kind.fit, self._dtype))
            if kind.whole or not reducible(whole):
                return whole.float(), whole
            return best_candidates(whole, kind.fit, kind.iou), whole

        line.runs += 1
        if line.runs > 1 and line.replay is None and not self.eager_because:
            try:
                with _CAPTURING:
                    if self._pool is None and self._device.type == "cuda":
                        self._pool = torch.cuda.graph_pool_handle()
                    line.replay, line.results = self._capture(work, self._pool)
                line.held = self._hold()
            except RuntimeError as error:
                if out_of_memory(error):
                    raise
                self.eager_because = (str(error).strip().splitlines() or ["no reason given"])[0]
        if line.replay is not None:
            line.replay()
        else:
            line.results = work()


def _whole_power(count: int) -> int:
    """The smallest power of two that is not below a count."""
    return 1 << (count - 1).bit_length()


def batch_size(fit: Letterbox, memory_bytes: int, most: int | None) -> int:
    """How many pictures are best given at once: a power of two.

    Args:
        fit: How each lies in the network's input.
        memory_bytes: Memory of the card.
        most: Most pictures that fit into it, if that is known.
    """
    each = (
        _BYTES_PER_SOURCE_PX * fit.source_width_px * fit.source_height_px
        + _BYTES_PER_INPUT_PX * fit.input_width_px * fit.input_height_px
    )
    fitting = max(1, int(_SHARE * memory_bytes / each))
    best = min(_MOST_AT_ONCE, _whole_power(fitting + 1) // 2)
    return best if most is None else min(best, most)


def cuda_description(runtime: str, card: CudaCard) -> str:
    """Runtime and device with all that slows the card down, as shown to users.

    Args:
        runtime: Versions and device.
        card: What runs on it.
    """
    parts = [runtime, "half precision"]
    if card.eager_because:
        parts.append(f"without CUDA graphs ({card.eager_because[:80]})")
    if card.most is not None:
        parts.append(f"its memory holds {card.most} pictures at once")
    return " · ".join(parts)
