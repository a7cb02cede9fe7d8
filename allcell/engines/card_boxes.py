"""What is copied back from a CUDA card: the best candidates, without those that cannot stay."""

from __future__ import annotations

import torch

from allcell.boxes import Letterbox

#: Candidates copied back of each picture, the best; all of them where these do not suffice.
MOST_BEST = 1024
#: An IoU this close to the threshold is left to the CPU, which computes in double precision.
_DOUBT = 1e-4


def reducible(output: torch.Tensor) -> bool:
    """Whether an output (n, rows, columns) has a column for each candidate (anchor-free)."""
    return int(output.shape[1]) < int(output.shape[2])


def best_candidates(output: torch.Tensor, fit: Letterbox, iou: float | None) -> torch.Tensor:
    """The candidates with the highest scores, best first.

    Args:
        output: (n, 4 + classes, candidates), see `reducible`: cx cy w h in input pixels, scores.
        fit: How each picture lies in the network's input.
        iou: Give candidates that suppression at this IoU is certain to drop, if nothing but the
            picture's edges touches the boxes before, a score of 0; None to leave all.

    Returns:
        (n, 4 + classes, some + 1), 32-bit. The last is no candidate: none that is left out has
        higher scores than its own.
    """
    rows, columns = int(output.shape[1]), int(output.shape[2])
    most = min(columns, MOST_BEST)
    score, place = output[:, 4:].amax(1).topk(most, dim=1)
    best = output.gather(2, place[:, None].expand(-1, rows, -1)).float()
    if iou is not None:
        best[:, 4:] *= ~_dropped(best[:, :4], fit, iou)[:, None]
    last = score[:, -1:] if most < columns else torch.zeros_like(score[:, -1:])
    return torch.cat([best, last.float()[:, None].expand(-1, rows, -1)], 2)


def _dropped(cxcywh: torch.Tensor, fit: Letterbox, iou: float) -> torch.Tensor:
    """Which of the boxes (n, 4, k), best first, greedy suppression is certain to drop: (n, k).

    A box that overlaps no better one stays; one that overlaps a better one that stays is dropped;
    and what only overlaps dropped ones stays again. Two such rounds settle nearly all, in a fixed
    number of steps, as a graph needs; the rest is left in.
    """
    (shared, wide), (along_y, high) = (
        _along(cxcywh[:, axis], cxcywh[:, axis + 2], side_px)
        for axis, side_px in enumerate((fit.width_px, fit.height_px))
    )
    both, size = shared.mul_(along_y), wide * high
    # [i, j]: how far the better box i overlaps j; no number where both have no area.
    overlap = (both / (size[:, :, None] + size[:, None] - both)).triu_(1)
    maybe, surely = overlap > iou - _DOUBT, overlap > iou + _DOUBT
    doubtful = maybe.any(1)
    dropped = (surely > doubtful[:, :, None]).any(1)
    doubtful = (maybe > dropped[:, :, None]).any(1)
    return (surely > doubtful[:, :, None]).any(1)


def _along(
    middle: torch.Tensor, length: torch.Tensor, side_px: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What each two boxes share along one side of the picture, and how long each is in it."""
    low, high = (middle - 0.5 * length).clamp(0, side_px), (middle + 0.5 * length).clamp(0, side_px)
    shared = torch.minimum(high[:, :, None], high[:, None])
    shared -= torch.maximum(low[:, :, None], low[:, None])
    return shared.clamp_(min=0), high - low
