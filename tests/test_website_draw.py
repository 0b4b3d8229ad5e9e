"""The networks that the page draws with, as ONNX files, against PyTorch's."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from ddpm_lessons.data import load_mnist
from ddpm_lessons.evaluation import read
from ddpm_lessons.forward import q_sample
from ddpm_lessons.models import load_classifier, load_pretrained

WEBSITE = Path(__file__).resolve().parent.parent / "website"
ATOL = 1e-4  # PyTorch and ONNX Runtime add in other orders, in float32


@pytest.fixture(scope="module")
def network(draw_export) -> bytes:
    """The U-Net's file."""
    return draw_export.network()


@pytest.fixture(scope="module")
def draw_export() -> Iterator[ModuleType]:
    """The module website/draw/export.py, which exports each network once a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(WEBSITE))
        from draw import export

        yield export


def answer(file: bytes, **asked: torch.Tensor) -> np.ndarray:
    """What the file's network answers, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: x.numpy() for name, x in asked.items()})
    return found


@pytest.mark.parametrize(
    ("t", "labels"),
    [
        ([1000], [-1]),
        ([1], [0]),
        ([437], [9]),
        ([1, 500, 1000], [3, -1, 7]),
        ([20, 20, 250], [-1, 5, 5]),
    ],
)
def test_the_exported_network_is_the_network(network, t, labels):
    net, schedule, _ = load_pretrained("mnist-labels")
    t, labels = torch.tensor(t), torch.tensor(labels)
    x_0 = load_mnist("test")[: len(t)]
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    x_t = q_sample(x_0, schedule.at(t, like=x_0), eps)
    with torch.no_grad():
        right = net(x_t, t, labels).numpy()
    found = answer(network, x_t=x_t, t=t, labels=labels)
    np.testing.assert_allclose(found, right, rtol=0, atol=ATOL)


def test_the_exported_reader_reads_as_the_classifier(draw_export):
    images = load_mnist("test")[:20]
    right = read(load_classifier(), images).probabilities.numpy()
    found = answer(draw_export.reader(), x=images)
    np.testing.assert_allclose(found, right, rtol=0, atol=ATOL)


def test_weights_are_stored_as_they_ship(network):
    """In float16, which holds each of them exactly; and the file is hardly larger than ours."""
    model = onnx.load_from_string(network)
    halves = [one for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT16]
    net = load_pretrained("mnist-labels").eps_model
    shipped = sorted(x.numel() for x in net.parameters() if x.numel() >= 64)
    assert sorted(onnx.numpy_helper.to_array(one).size for one in halves) == shipped
    assert len(network) < 5e6


def test_no_look_at_the_arguments_is_in_the_graph(network):
    """On a CPU the U-Net looks whether t and labels are in their range; an export must not."""
    nodes = onnx.load_from_string(network).graph.node
    looks = {"If", "Loop", "ReduceMin", "ReduceMax", "Less", "Greater", "NonZero"}
    assert not looks & {node.op_type for node in nodes}


def test_the_file_says_nothing_of_the_machine_that_wrote_it(network, draw_export):
    assert str(WEBSITE.parent).encode() not in network + draw_export.reader()
