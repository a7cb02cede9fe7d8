"""Endless randomness that does not depend on where one looks: hashes and plane waves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
U64 = npt.NDArray[np.uint64]

#: Left, top, right, bottom of a region of the slide in micrometres.
Bounds = tuple[float, float, float, float]

_MASK = (1 << 64) - 1


def _mix(z: U64) -> U64:
    """Scramble 64-bit words (the SplitMix64 finaliser of Steele, Lea and Flood, 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashed(seed: int, stream: int, *indices: npt.NDArray[np.int64]) -> U64:
    """One 64-bit word for each tuple of integers; the arrays broadcast."""
    state = np.full((1,), (seed * 0x9E3779B97F4A7C15 + stream) & _MASK, dtype=np.uint64)
    for index in indices:
        word = np.asarray(index, dtype=np.int64).astype(np.uint64)
        state = _mix(state + np.uint64(0x9E3779B97F4A7C15) + _mix(word))
    return state


def uniform(words: U64, nth: int) -> F64:
    """The nth uniform number, 0 to 1, that belongs to each word."""
    shift = np.full((1,), (nth + 1) * 0x9E3779B97F4A7C15 & _MASK, dtype=np.uint64)
    return np.asarray((_mix(words + shift) >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Points:
    """Scattered things.

    Attributes:
        x_um: Shape (N,).
        y_um: Shape (N,).
        word: Shape (N,): the 64-bit word that decides each one's appearance, see `uniform`.
    """

    x_um: F64
    y_um: F64
    word: U64

    def __getitem__(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Points:
        return Points(self.x_um[keep], self.y_um[keep], self.word[keep])

    def __len__(self) -> int:
        return len(self.word)


def scatter(
    seed: int,
    stream: int,
    bounds: Bounds,
    per_um2: float,
    *,
    separation_um: float = 0.0,
    grid_um: float = 8.5,
) -> Points:
    """Points of an endless random pattern that lie within bounds.

    With a separation, a candidate gives way to any candidate of lower rank that is too close
    (Matern's second hard-core process): a local rule, so every view agrees on who stays.

    Args:
        seed: Seed of the slide.
        stream: Distinguishes the patterns of one slide.
        bounds: Region in micrometres.
        per_um2: Mean number of points that stay per square micrometre.
        separation_um: Typical minimum distance; each candidate varies it from 0.6 to 1.2 times.
        grid_um: Side of the hashed grid cells, above 1.2 times the separation.

    Returns:
        The points, always in the same order relative to each other.
    """
    if per_um2 <= 0:
        return Points(np.zeros(0), np.zeros(0), np.zeros(0, np.uint64))
    if separation_um > 0:
        disc = math.pi * separation_um**2
        per_um2 = -math.log(max(1 - per_um2 * disc, 0.05)) / disc
    mean = per_um2 * grid_um**2
    slots = math.ceil(1.5 * mean) + 1
    reach = 1
    columns = np.arange(
        math.floor(bounds[0] / grid_um) - reach, math.floor(bounds[2] / grid_um) + reach + 1
    )
    rows = np.arange(
        math.floor(bounds[1] / grid_um) - reach, math.floor(bounds[3] / grid_um) + reach + 1
    )
    i, j, k = np.meshgrid(columns, rows, np.arange(slots), indexing="xy")
    word = hashed(seed, stream, i, j, k)
    x = (i + uniform(word, 0)) * grid_um
    y = (j + uniform(word, 1)) * grid_um
    alive = uniform(word, 2) < mean / slots
    if separation_um > 0:
        alive &= ~_outranked(x, y, uniform(word, 3), alive, separation_um)
    inside = (x >= bounds[0]) & (x < bounds[2]) & (y >= bounds[1]) & (y < bounds[3])
    keep = alive & inside
    order = np.argsort(word[keep], kind="stable")
    return Points(x[keep][order], y[keep][order], word[keep][order])


def _outranked(
    x: F64, y: F64, rank: F64, alive: npt.NDArray[np.bool_], separation_um: float
) -> npt.NDArray[np.bool_]:
    """Which candidates (rows, columns, slots) lie too close to one of lower rank."""
    rows, columns, _ = x.shape
    lost = np.zeros(x.shape, dtype=bool)
    least = (separation_um * (0.6 + 0.6 * rank)) ** 2
    for dj in (-1, 0, 1):
        for di in (-1, 0, 1):
            here = np.s_[max(0, -dj) : rows - max(0, dj), max(0, -di) : columns - max(0, di)]
            there = np.s_[max(0, dj) : rows + min(0, dj), max(0, di) : columns + min(0, di)]
            gap = (x[here][..., :, None] - x[there][..., None, :]) ** 2
            gap += (y[here][..., :, None] - y[there][..., None, :]) ** 2
            beaten = rank[there][..., None, :] < rank[here][..., :, None]
            beaten &= alive[there][..., None, :] & (gap < least[here][..., :, None])
            lost[here] |= beaten.any(axis=-1)
    return lost


@dataclass(frozen=True, eq=False)
class Waves:
    """A smooth endless field: the sum of plane waves of random direction and phase.

    Attributes:
        kx: Shape (N,): radians per micrometre along x.
        ky: Shape (N,): radians per micrometre along y.
        phase: Shape (N,): radians.
    """

    kx: F64
    ky: F64
    phase: F64

    @classmethod
    def draw(cls, rng: np.random.Generator, *feature_um: float) -> Waves:
        """Eight waves for each of some feature sizes in micrometres."""
        sizes = np.repeat(np.array(feature_um, dtype=np.float64), 8)
        turn = rng.uniform(0, 2 * math.pi, len(sizes))
        number = 2 * math.pi / (sizes * rng.uniform(2.5, 6.5, len(sizes)))
        return cls(number * np.cos(turn), number * np.sin(turn), rng.uniform(0, 6.3, len(sizes)))

    def at(self, x_um: F64, y_um: F64) -> F64:
        """Values (N,) at points, mean 0, standard deviation about 1."""
        angle = np.outer(x_um, self.kx) + np.outer(y_um, self.ky) + self.phase
        return np.asarray(np.cos(angle).sum(axis=1) * math.sqrt(2 / len(self.kx)))

    def over(self, x_um: F64, y_um: F64) -> F32:
        """Values (len(y), len(x)) on a raster, mean 0, standard deviation about 1.

        Rounded to 2**-14, so that the summation order of the matrix product, which differs with
        the size of the raster, never shows.
        """
        ax = np.outer(self.kx, x_um)
        ay = np.outer(self.ky, y_um) + self.phase[:, None]
        left = np.concatenate([np.cos(ay), -np.sin(ay)]).T
        right = np.concatenate([np.cos(ax), np.sin(ax)])
        value = (left * (2.0**14 * math.sqrt(2 / len(self.kx)))) @ right
        np.rint(value, out=value)
        return np.asarray(value.astype(np.float32) * np.float32(2.0**-14), dtype=np.float32)
