"""What a CUDA card does, run on the CPU with a stub for the capture; the card itself is measured by
tools/gpu_check.sh."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from allcell.boxes import clip, iou, letterbox, suppress, unscaled
from allcell.detections import Detections
from allcell.detector import Detector
from allcell.engines.decode import decode
from allcell.errors import ModelError
from allcell.imaging.preprocess import empty_input, place
from allcell.models.registry import get_spec
from allcell.synth import random_spec, render

torch = pytest.importorskip("torch")
from ultralytics.nn.modules import Detect  # noqa: E402

from allcell.engines import card as card_module  # noqa: E402 (needs torch)
from allcell.engines.base import RunInterrupted  # noqa: E402
from allcell.engines.card import CudaCard, batch_size, cuda_description  # noqa: E402
from allcell.engines.card_boxes import best_candidates  # noqa: E402
from allcell.engines.card_work import scaled  # noqa: E402
from allcell.engines.opening import open_engine  # noqa: E402
from allcell.engines.torch_engine import TorchEngine, precise_boxes  # noqa: E402
from allcell.models.weights import model_files, verified  # noqa: E402

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def noise(width, height, seed=0):
    rough = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(rough, (0, 0), 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["32 bits", "16 bits"])
@pytest.mark.parametrize(
    ("size", "scale"),
    [
        pytest.param((320, 256), 1.0, id="as it is"),
        pytest.param((320, 250), 1.0, id="padded only"),
        pytest.param((640, 360), 0.5, id="half, shrunk to save padding"),
        pytest.param((640, 512), 0.5, id="half exactly, where OpenCV averages"),
        pytest.param((330, 250), 0.8, id="a little smaller"),
        pytest.param((200, 150), 1.7, id="larger"),
        pytest.param((1000, 700), 0.3, id="by area first"),
        pytest.param((1300, 1000), 0.11, id="by large blocks"),
        pytest.param((900, 2), 0.2, id="a strip lower than a block"),
    ],
)
def test_the_card_scales_as_the_cpu_does(size, scale, dtype):
    fit = letterbox(*size, scale, 32)
    pictures = [noise(*size, seed) for seed in (1, 2)]
    made = scaled(torch.from_numpy(np.stack(pictures)), fit, dtype).float().numpy() * 255
    for picture, planes in zip(pictures, made, strict=True):
        buffer = empty_input(fit)
        place(buffer, picture, fit)
        off = np.abs(planes.transpose(1, 2, 0) - buffer)
        # OpenCV interpolates in whole numbers, row by row, and rounds to the neighbouring value.
        assert off.max() < 2.1
        assert off.mean() < 0.25


class Network:
    """Answers with a line of candidates for each picture; the first has the mean of its red."""

    def __init__(self, candidates=3000):
        self.batches = []
        self.candidates = candidates
        self.too_many = 10**9

    def __call__(self, tensor):
        self.batches.append(len(tensor))
        if len(tensor) > self.too_many:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
        output = torch.zeros(len(tensor), 7, self.candidates)
        output[:, 4] = torch.linspace(0, 0.9, self.candidates)
        output[:, 0, -1] = tensor[:, 0].mean((1, 2)) * 255
        return output


class Captures:
    """Stands for `capture`: a replay runs the work again into the same tensors."""

    def __init__(self, error=None, once=False):
        self.error, self.once, self.tried = error, once, False
        self.count = self.replays = 0

    def __call__(self, work, pool):
        if self.error is not None and not (self.once and self.tried):
            self.tried = True
            raise self.error
        self.count += 1
        results = work()

        def replay():
            self.replays += 1
            for kept, new in zip(results, work(), strict=True):
                kept.copy_(new)

        return replay, results


def a_card(network=None, captures=None):
    network, captures = network or Network(), captures or Captures()
    released = []
    card = CudaCard(
        network, CPU, torch.float32, capture=captures, release=lambda: released.append(True)
    )
    return card, network, captures, released


def grey(value, side=32):
    return np.full((side, side, 3), value, np.uint8)


FIT = unscaled(32, 32)


def reds(answers):
    return [round(float(answer[0].max())) for answer in answers]


def test_a_kind_is_captured_when_it_comes_again_and_then_replayed():
    card, _, captures, _ = a_card()
    for value in (10, 20, 30):
        assert reds(card.run([grey(value)], FIT, 0.5)) == [value]
    assert (captures.count, captures.replays) == (1, 2)
    card.run([grey(1)], FIT, None)  # the whole output is another kind
    assert captures.count == 1


def test_answers_are_not_overwritten_by_the_next_run():
    card, *_ = a_card()
    answers = [card.run([grey(value)], FIT, 0.5)[0] for value in (10, 20, 30)]
    assert reds(answers) == [10, 20, 30]


def test_only_the_kinds_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(card_module, "_MOST_LINES", 2)
    card, _, captures, _ = a_card()
    kinds = {side: unscaled(side, side) for side in (32, 64, 96)}
    for side in (32, 32, 64, 64, 32, 96, 32):  # 64 is the one that has to go
        card.run([grey(1, side)], kinds[side], 0.5)
    assert captures.count == 2
    card.run([grey(1, 64)], kinds[64], 0.5)
    assert captures.count == 2  # met for the first time again


def test_a_tail_shares_the_graph_of_the_next_power_of_two():
    card, network, captures, _ = a_card()
    values = [[1, 2, 3, 4], [5, 6, 7], [8, 9, 10]]
    for batch in values:
        assert reds(card.run([grey(v) for v in batch], FIT, 0.5)) == batch
    assert set(network.batches) == {4}
    assert captures.count == 1


def test_without_a_graph_it_runs_layer_by_layer_and_says_so():
    card, _, captures, _ = a_card(
        captures=Captures(RuntimeError("operation not permitted when stream is capturing\nat x"))
    )
    for value in (10, 20, 30):
        assert reds(card.run([grey(value)], FIT, 0.5)) == [value]
    assert captures.replays == 0
    assert cuda_description("torch", card) == (
        "torch · half precision · without CUDA graphs "
        "(operation not permitted when stream is capturing)"
    )


def test_an_interrupt_during_a_capture_is_no_failed_capture():
    card, *_ = a_card(captures=Captures(RunInterrupted()))
    card.run([grey(1)], FIT, 0.5)
    with pytest.raises(RunInterrupted):
        card.run([grey(1)], FIT, 0.5)
    assert card.eager_because == ""


def test_a_full_card_gets_half_the_pictures_from_then_on():
    network = Network()
    network.too_many = 4
    card, _, _, released = a_card(network)
    values = list(range(1, 12))
    assert reds(card.run([grey(v) for v in values], FIT, 0.5)) == values
    assert released == [True, True]  # 16 places, 8 places
    assert card.most == 4
    network.batches.clear()
    assert reds(card.run([grey(v) for v in values], FIT, 0.5)) == values
    assert max(network.batches) == 4
    assert "its memory holds 4 pictures at once" in cuda_description("torch", card)
    assert batch_size(FIT, 80 * 10**9, card.most) == 4


def test_a_capture_that_fills_the_card_is_no_failed_capture():
    error = RuntimeError("capture was invalidated")
    error.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    card, *_ = a_card(captures=Captures(error, once=True))
    card.run([grey(1), grey(2)], FIT, 0.5)
    assert reds(card.run([grey(1), grey(2)], FIT, 0.5)) == [1, 2]
    assert card.most == 1
    assert card.eager_because == ""


def test_a_card_too_small_for_one_picture_is_an_error_that_names_the_remedy():
    network = Network()
    network.too_many = 0
    card, *_ = a_card(network)
    with pytest.raises(ModelError, match=r"too small for one picture.*out of memory"):
        card.run([grey(1)], FIT, 0.5)


def test_another_error_of_the_network_is_not_taken_for_a_full_card():
    def broken(tensor):
        raise RuntimeError("a kernel failed")

    card = CudaCard(broken, CPU, torch.float32)
    with pytest.raises(RuntimeError, match="a kernel failed"):
        card.run([grey(1), grey(2)], FIT, 0.5)


@pytest.mark.parametrize("suppression", [None, 0.5], ids=["all", "compared"])
@pytest.mark.parametrize(
    ("floor", "whole"),
    [
        pytest.param(0.8, False, id="the best suffice"),
        pytest.param(0.1, True, id="more than the best are wanted"),
        pytest.param(None, True, id="all are wanted"),
    ],
)
def test_all_candidates_above_the_floor_come_back(floor, whole, suppression):
    card, *_ = a_card()
    for _ in range(2):  # without a graph, and with one
        (answer,) = card.run([grey(7)], FIT, floor, suppression)
        assert (answer.shape[1] == 3000) is whole
        assert (answer[4] >= (floor or 0)).sum() == (
            np.linspace(0, 0.9, 3000, dtype=np.float32) >= (floor or 0)
        ).sum()


def test_layouts_with_a_row_for_each_candidate_come_back_as_they_are():
    output = torch.rand(1, 3000, 6)
    card = CudaCard(lambda _: output, CPU, torch.float32)
    assert np.array_equal(card.run([grey(1)], FIT, 0.5, 0.5)[0], output[0].numpy())


def crowd(seed, cells=20, each=18):
    """Candidates around each of some cells, some beyond the edges: (7, n) cx cy w h, scores."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.uniform(-10, 330, (2, cells)), each, axis=1)
    boxes = np.concatenate([centres, np.full_like(centres, 40)]) + random.normal(
        0, 6, (4, cells * each)
    )
    output = np.zeros((7, cells * each), np.float32)
    output[:4], output[4:] = boxes, random.uniform(0, 1, (3, cells * each)) ** 3
    return output


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(4))
def test_what_the_card_drops_would_have_been_dropped_anyway(seed, threshold):
    fit = unscaled(320, 320)
    output = crowd(seed)
    made = best_candidates(torch.from_numpy(output)[None], fit, threshold)[0, :, :-1].numpy()

    def boxes(raw):
        found = decode(raw, "anchor_free", 3, 0.05)
        found = Detections(clip(found.xyxy, 320, 320), found.confidence, found.class_id)
        return len(found), suppress(found, threshold)

    (before, expected), (left, got) = boxes(output), boxes(made)
    assert np.array_equal(got.xyxy, expected.xyxy)
    assert np.array_equal(got.confidence, expected.confidence)
    assert left - len(expected) < 0.2 * (before - len(expected))


def test_boxes_are_computed_in_32_bits_from_a_network_in_16():
    torch.manual_seed(0)
    head = Detect(nc=3, ch=(16, 16, 16)).eval().half().float()
    head.stride = torch.tensor([8.0, 16.0, 32.0])
    features = [torch.randn(1, 16, 64 // s, 1024 // s).half() for s in (8, 16, 32)]

    def boxes(layer, dtype):
        with torch.inference_mode():
            return layer([f.to(dtype) for f in features])[0][0, :4].float()

    exact = boxes(head, torch.float32)
    head.half()
    coarse = (boxes(head, torch.float16) - exact).abs().mean()
    precise_boxes(SimpleNamespace(model=[head]))
    assert (boxes(head, torch.float16) - exact).abs().mean() < coarse / 3


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda a: a[:, ::-1], id="mirrored"),
        pytest.param(lambda a: a[:, :, ::-1], id="other order of colours"),
        pytest.param(lambda a: np.broadcast_to(a[:1], a.shape), id="one row repeated"),
        pytest.param(lambda a: np.frombuffer(a.tobytes(), np.uint8).reshape(a.shape), id="const"),
        pytest.param(lambda a: np.pad(a, ((3, 3), (5, 5), (0, 0)))[3:-3, 5:-5], id="a part"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_pictures_may_lie_in_memory_in_any_way(make):
    picture = make(noise(32, 32))
    seen = []

    def network(tensor):
        seen.append(tensor.clone())
        return torch.zeros(len(tensor), 7, 8)

    CudaCard(network, CPU, torch.float32).run([picture], FIT, None)
    assert np.array_equal((seen[0][0] * 255).round().numpy().transpose(1, 2, 0), picture)


@pytest.mark.parametrize(
    ("fit", "gigabytes", "size"),
    [
        pytest.param(unscaled(640, 352), 80, 64, id="no more than makes it faster"),
        pytest.param(unscaled(640, 352), 4, 8, id="a small card"),
        pytest.param(unscaled(1280, 1280), 4, 1, id="large tiles on a small card"),
        pytest.param(letterbox(12000, 9000, 0.05, 32), 2, 1, id="more than the card holds"),
    ],
)
def test_batches_are_as_large_as_the_card_allows(fit, gigabytes, size):
    assert batch_size(fit, gigabytes * 10**9, None) == size


class OnCpu(TorchEngine):
    """The engine of CUDA cards, run by the CPU in 32 bits."""

    def __init__(self, checkpoint):
        super().__init__(checkpoint)
        self.card = CudaCard(self._network, CPU, torch.float32, capture=Captures())
        self.sizes = []

    def batch_size(self, fit):
        return 4

    def run_batch(self, pictures, fit, floor, iou=None):
        self.sizes.append(len(pictures))
        return self.card.run(pictures, fit, floor, iou)


@pytest.fixture(scope="module")
def engines():
    checkpoint = verified(model_files("live").checkpoint)
    return open_engine(get_spec("live"), device="cpu", runtime="torch"), OnCpu(checkpoint)


@pytest.fixture(scope="module")
def fields():
    small = [(11, 640, 480, 20), (12, 640, 480, 20), (13, 900, 700, 50), (14, 640, 480, 20)]
    return [render(random_spec(*spec)) for spec in [*small, (15, 2000, 1400, 18)]]


def test_batches_find_the_same_cells_as_one_picture_at_a_time(engines, fields):
    alone, together = (Detector(get_spec("live"), engine) for engine in engines)
    images, scales = [f.image for f in fields], [f.red_cell_px for f in fields]
    found = together.detect_many(images, red_cell_px=scales, confidence=0.2)
    assert max(engines[1].sizes) > 1
    for image, red_cell_px, (b, timing) in zip(images, scales, found, strict=True):
        a, whole = alone.detect(image, red_cell_px=red_cell_px, confidence=0.2)
        assert timing.tiles == whole.tiles
        sure = a.at_least(0.22)  # a score near the floor may fall on either side of it
        overlap = iou(sure.xyxy, b.xyxy)
        best = overlap.argmax(axis=1)
        assert len(sure) > 0
        # Of two boxes of one cell with nearly the same score, the other may win.
        assert (overlap.max(axis=1) > 0.95).mean() > 0.99
        assert (overlap.max(axis=1) > 0.85).all()
        assert (np.abs(b.confidence[best] - sure.confidence) < 0.02).all()
