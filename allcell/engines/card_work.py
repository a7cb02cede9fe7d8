"""What a CUDA card does with pictures, and its capture as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from allcell.boxes import Letterbox
from allcell.imaging.preprocess import PADDING, block_px

#: Runs before a capture: libraries choose their kernels and set up their memory in the first.
_WARM_UPS = 3

#: The best candidates, 32-bit, and the whole output.
Results = tuple[torch.Tensor, torch.Tensor]
Work = Callable[[], Results]
#: Runs work once more on the same buffers.
Replay = Callable[[], None]


def scaled(pictures: torch.Tensor, fit: Letterbox, dtype: torch.dtype) -> torch.Tensor:
    """Network inputs from pictures, as `allcell.imaging.preprocess.place` makes them.

    Args:
        pictures: RGB uint8 (n, h, w, 3).
        fit: How each lies in the network's input.
        dtype: Of the input.

    Returns:
        (n, 3, H, W), 0 to 1.
    """
    planes = pictures.permute(0, 3, 1, 2)
    block = block_px(fit, int(pictures.shape[1]), int(pictures.shape[2]))
    # In 32 bits, and rounded after each step, as bytes are on a CPU: half precision holds whole
    # grey levels exactly, but would round those between them before they are rounded here.
    if block > 1:
        planes = _whole_numbers(functional.avg_pool2d(planes.float(), block))
    inner = (fit.height_px, fit.width_px)
    if tuple(planes.shape[2:]) != inner:
        planes = _whole_numbers(
            functional.interpolate(planes.float(), size=inner, mode="bilinear", align_corners=False)
        )
    planes = planes.to(dtype)
    right, below = fit.input_width_px - fit.width_px, fit.input_height_px - fit.height_px
    if right or below:
        planes = functional.pad(planes, (0, right, 0, below), value=PADDING)
    # Channels last, as pictures are: tensor cores want it so, and batches take a fifth less time.
    return (planes / 255).contiguous(memory_format=torch.channels_last)


def _whole_numbers(planes: torch.Tensor) -> torch.Tensor:
    # Halves upwards, as OpenCV does; torch.round would take them to even numbers.
    return (planes + 0.5).floor()


def capture(work: Work, pool: Any) -> tuple[Replay, Results]:
    """Capture work as a CUDA graph, after a warm-up on a stream of its own.

    Args:
        work: What to capture; it reads and writes buffers on the card only.
        pool: The memory pool that all graphs of one card share: they run one after the other.

    Returns:
        What runs it again, and the tensors that then hold its results.

    Raises:
        RuntimeError: If it cannot be captured.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Other threads may use the card meanwhile.
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        results = work()
    return graph.replay, results


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it followed from, is that the card's memory is full."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False
