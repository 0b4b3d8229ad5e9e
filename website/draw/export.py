"""The course's networks as ONNX files, which a browser can run."""

import warnings
from functools import cache

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ddpm_lessons.models import load_classifier, load_pretrained

NETWORK = "mnist-labels"
OPSET = 20  # the version of the operators: runtimes of the last years know it
SMALL = 64  # a weight of fewer numbers stays as it is: the node that casts it would be longer


@cache
def network() -> bytes:
    """The U-Net that knows labels: x_t (B, 1, 28, 28) float32, t and labels (B,) int64 to eps.

    It computes in float32, as in PyTorch, and is told t and labels as there; here nothing checks
    them. Kept, as an export takes 15 s.
    """
    net, _, config = load_pretrained(NETWORK)
    asked = {
        "x_t": torch.zeros(2, *config.shape),
        "t": torch.ones(2, dtype=torch.int64),
        "labels": torch.zeros(2, dtype=torch.int64),
    }
    return onnx_file(net, asked, answer="eps")


@cache
def reader() -> bytes:
    """The classifier: x (B, 1, 28, 28) float32 in [-1, 1] to probabilities (B, 10)."""
    classifier = nn.Sequential(load_classifier(), nn.Softmax(dim=1))
    return onnx_file(classifier, {"x": torch.zeros(2, 1, 28, 28)}, answer="probabilities")


def onnx_file(net: nn.Module, asked: dict[str, torch.Tensor], *, answer: str) -> bytes:
    """A network as the content of an ONNX file, for batches of any size.

    asked: examples of its arguments, by their names. The U-Net looks at the values of its arguments
    where no compiler is at work; torch.export counts as one, so the graph holds no such look.
    """
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():  # that several arguments share the name of this dimension
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        program = torch.onnx.export(
            net.eval(),
            tuple(asked.values()),
            input_names=list(asked),
            output_names=[answer],
            dynamic_shapes=tuple({0: batch} for _ in asked),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    strip(model.graph)
    halve(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def strip(graph: onnx.GraphProto) -> None:
    """Take out what only the exporter's authors read: lines of source, and where they lay."""
    del graph.value_info[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]


def halve(graph: onnx.GraphProto) -> None:
    """Store each weight as float16 where that holds it exactly, and let the graph cast it back.

    The course's weights are float16 in their own files, so nothing is lost; a runtime casts once,
    when it reads the graph.
    """
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
