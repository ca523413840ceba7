"""A graph with the operations, names, widths and constants of the published inception5h, in float32
(TensorFlow's local response normalization has no float64), frozen and run by TensorFlow.

The published ``tensorflow_inception_graph.pb`` has all weights first, then the network, then the
heads; average pools and ``conv2d1`` are VALID, everything else is SAME.
Source: dumps of its nodes and attributes, tensorflow/tensorflow#5222 and greentfrapp/lucent#51.

Run from the repository's root: ``.oracles/tensorflow/bin/python -m tests.oracles.tensorflow.inception5h``
"""  # noqa: E501 - a command is one line

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.oracles import golden

GOLDEN = Path("tests/golden")
CLASSES = 1008
SIZE = 224
# The deviation of the inputs, which are 0 to 255 less 117: as large as the normalizations expect.
SCALE = 60.0

# Channels: 1x1, 3x3 bottleneck, 3x3, 5x5 bottleneck, 5x5, pool_reduce.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 204, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 48, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

v1 = tf.compat.v1


def shapes() -> dict[str, tuple[int, ...]]:
    """Give the shape of each layer's weight, in the graph's order."""
    named: dict[str, tuple[int, ...]] = {
        "conv2d0": (7, 7, 3, 64),
        "conv2d1": (1, 1, 64, 64),
        "conv2d2": (3, 3, 64, 192),
    }
    channels = 192
    outputs = {}
    for module, (n1, r3, n3, r5, n5, projected) in MODULES.items():
        named |= {
            f"mixed{module}_1x1": (1, 1, channels, n1),
            f"mixed{module}_3x3_bottleneck": (1, 1, channels, r3),
            f"mixed{module}_3x3": (3, 3, r3, n3),
            f"mixed{module}_5x5_bottleneck": (1, 1, channels, r5),
            f"mixed{module}_5x5": (5, 5, r5, n5),
            f"mixed{module}_pool_reduce": (1, 1, channels, projected),
        }
        channels = outputs[module] = n1 + n3 + n5 + projected
    for head, module in enumerate(("4a", "4d")):
        named |= {
            f"head{head}_bottleneck": (1, 1, outputs[module], 128),
            f"nn{head}": (2048, 1024),
            f"softmax{head}": (1024, CLASSES),
        }
    return named | {"softmax2": (1024, CLASSES)}


def build() -> tf.Graph:
    """Build the graph."""
    graph = tf.Graph()
    with graph.as_default():
        images = v1.placeholder(tf.float32, name="input")
        constants = {}
        for layer, shape in shapes().items():
            weight = golden.draw_weight(f"{layer}_w", shape, int(np.prod(shape[:-1])))
            constants[f"{layer}_w"] = tf.constant(weight, name=f"{layer}_w")
            bias = golden.draw_shift(f"{layer}_b", shape[-1:])
            constants[f"{layer}_b"] = tf.constant(bias, name=f"{layer}_b")

        def unit(net: tf.Tensor, layer: str, stride: int = 1, padding: str = "SAME") -> tf.Tensor:
            name = f"{layer}_pre_relu"
            net = v1.nn.conv2d(net, constants[f"{layer}_w"], stride, padding, name=f"{name}/conv")
            net = v1.nn.bias_add(net, constants[f"{layer}_b"], name=name)
            return tf.nn.relu(net, name=layer)

        def linear(net: tf.Tensor, layer: str, name: str) -> tf.Tensor:
            net = tf.matmul(net, constants[f"{layer}_w"], name=f"{name}/matmul")
            return v1.nn.bias_add(net, constants[f"{layer}_b"], name=name)

        def flat(net: tf.Tensor, name: str, width: int) -> tf.Tensor:
            shape = tf.constant([-1, width], name=f"{name}/reshape/shape")
            return tf.reshape(net, shape, name=f"{name}/reshape")

        def pool(net: tf.Tensor, name: str, stride: int = 2) -> tf.Tensor:
            return v1.nn.max_pool(net, 3, stride, "SAME", name=name)

        def normalize(net: tf.Tensor, name: str) -> tf.Tensor:
            return v1.nn.lrn(net, depth_radius=5, bias=2.0, alpha=1e-4, beta=0.5, name=name)

        net = normalize(pool(unit(images, "conv2d0", 2), "maxpool0"), "localresponsenorm0")
        net = unit(unit(net, "conv2d1", padding="VALID"), "conv2d2")
        net = pool(normalize(net, "localresponsenorm1"), "maxpool1")
        outputs = {}
        for module in MODULES:
            mixed = f"mixed{module}"
            branches = [
                unit(net, f"{mixed}_1x1"),
                unit(unit(net, f"{mixed}_3x3_bottleneck"), f"{mixed}_3x3"),
                unit(unit(net, f"{mixed}_5x5_bottleneck"), f"{mixed}_5x5"),
                unit(pool(net, f"{mixed}_pool", 1), f"{mixed}_pool_reduce"),
            ]
            axis = tf.constant(3, name=f"{mixed}/concat_dim")
            net = tf.raw_ops.Concat(concat_dim=axis, values=branches, name=mixed)
            outputs[module] = net
            if module in ("3b", "4e"):
                net = pool(net, {"3b": "maxpool4", "4e": "maxpool10"}[module])
        average = v1.nn.avg_pool(net, 7, 1, "VALID", name="avgpool0")
        for head, module in enumerate(("4a", "4d")):
            net = v1.nn.avg_pool(outputs[module], 5, 3, "VALID", name=f"head{head}_pool")
            net = flat(unit(net, f"head{head}_bottleneck"), f"head{head}_bottleneck", 2048)
            net = tf.nn.relu(linear(net, f"nn{head}", f"nn{head}_pre_relu"), name=f"nn{head}")
            net = flat(net, f"nn{head}", 1024)
            classifier(linear(net, f"softmax{head}", f"softmax{head}_pre_activation"), head)
        net = flat(average, "avgpool0", 1024)
        classifier(linear(net, "softmax2", "softmax2_pre_activation"), 2)
        for head in range(3):
            softmax = graph.get_tensor_by_name(f"softmax{head}:0")
            tf.identity(softmax, name=f"output{head or ''}")
    return graph


def classifier(logits: tf.Tensor, head: int) -> None:
    """End in probabilities."""
    tf.nn.softmax(logits, name=f"softmax{head}")


def compute(path: Path) -> dict[str, np.ndarray]:
    """Run the file, and give every activation of the network and its heads by its own name."""
    definition = v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph, v1.Session() as session:
        tf.import_graph_def(definition, name="")
        kinds = ("BiasAdd", "Relu", "MaxPool", "AvgPool", "LRN", "Concat")
        tensors = {
            operation.name: operation.outputs[0]
            for operation in graph.get_operations()
            if operation.type in kinds
        }
        batch = golden.draw_images(SIZE, SCALE).transpose(0, 2, 3, 1).astype(np.float32)
        computed = session.run(tensors, {"input:0": batch})
    return {
        name: values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
        for name, values in computed.items()
    }


def main() -> None:
    """Write the golden files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception5h.pb"
        path.write_bytes(build().as_graph_def().SerializeToString(deterministic=True))
        golden.save_endpoints(GOLDEN / f"inception5h_{SIZE}.npz", compute(path))
        golden.pack(path, GOLDEN / "inception5h.pb.xz")


if __name__ == "__main__":
    main()
