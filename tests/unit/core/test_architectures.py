"""The architecture files of YOLOv7: the published networks below the head, and trainable."""

from importlib.resources import files

import pytest

import allcell  # noqa: F401  (before ultralytics, which it keeps from calling home)

torch = pytest.importorskip("torch")
cfg = pytest.importorskip("ultralytics.cfg")
tasks = pytest.importorskip("ultralytics.nn.tasks")

pytestmark = pytest.mark.torch

CLASSES = 3
SIDE_PX = 128  # stride 64 still has more than one cell
# Counted from the authors' configurations: convolutions and batch norms below the detection layer.
PUBLISHED = [
    pytest.param("yolov7-tiny", 5_997_856, [8, 16, 32], "LeakyReLU", id="tiny"),
    pytest.param("yolov7", 37_162_400, [8, 16, 32], "SiLU", id="base, with RepConv unfused"),
    pytest.param("yolov7-e6", 96_429_632, [8, 16, 32, 64], "SiLU", id="E6, without aux"),
]
NAMES = ["yolov7-tiny", "yolov7", "yolov7-e6"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(name):
    torch.manual_seed(0)
    path = files("allcell.models") / "architectures" / f"{name}.yaml"
    return tasks.DetectionModel(str(path), verbose=False)


def parameters(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("name", "below_head", "strides", "activation"), PUBLISHED)
def test_it_is_the_published_network_below_its_head(name, below_head, strides, activation):
    model = build(name)
    head = model.model[-1]
    assert parameters(model) - parameters(head) == below_head
    assert model.stride.tolist() == strides
    assert head.nc == CLASSES
    kinds = {type(m) for m in model.modules() if "activation" in type(m).__module__}
    assert {kind.__name__ for kind in kinds} == {activation}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_takes_a_training_step(name):
    model = build(name)
    model.args = cfg.get_cfg()  # the gains of the losses
    batch = {
        "img": torch.rand(2, 3, SIDE_PX, SIDE_PX),
        "batch_idx": torch.tensor([0.0, 0.0, 1.0]),
        "cls": torch.tensor([[0.0], [1.0], [2.0]]),
        "bboxes": torch.tensor([[0.3, 0.3, 0.3, 0.3], [0.7, 0.6, 0.4, 0.4], [0.5, 0.5, 0.6, 0.5]]),
    }
    model.train()
    first = next(model.parameters())
    before = first.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss, parts = model(batch)
    loss.sum().backward()
    optimizer.step()
    assert set(parts) == {"box_loss", "cls_loss", "dfl_loss"}
    assert all(0 < part < float("inf") for part in parts.values())
    assert not torch.equal(first, before)
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    # Every scale's class branch learns from every image, so a layer without gradient is a layer
    # that no output depends on: a wrong skip index.
    for label, weight in model.model[:-1].named_parameters():
        assert weight.grad is not None, label
        assert weight.grad.abs().max() > 0, label

    model.eval()
    with torch.no_grad():
        found = model(batch["img"])[0]
    cells = sum((SIDE_PX // int(stride)) ** 2 for stride in model.stride)
    assert found.shape == (2, 4 + CLASSES, cells)
    assert torch.isfinite(found).all()


def test_the_reparametrised_convolutions_of_the_base_network_fuse_to_the_same_outputs():
    model = build("yolov7").eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # fresh statistics would hide a wrong fusion
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    image = torch.rand(1, 3, SIDE_PX, SIDE_PX)
    with torch.no_grad():
        before = model(image)[0]
        after = model.fuse(verbose=False)(image)[0]
    assert not any(hasattr(module, "conv2") for module in model.modules())
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-2)
