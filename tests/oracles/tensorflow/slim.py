"""TF-slim's own Inception v1: its checkpoints in both formats, and its endpoints in float64.

Run from the repository's root: ``.oracles/tensorflow/bin/python -m tests.oracles.tensorflow.slim``
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saver_pb2

from tests.oracles import golden

GOLDEN = Path("tests/golden")
CLASSES = 1001
# The deviation of the inputs, which slim scales to [-1, 1].
SCALE = 0.5

# TF-slim imports these from TensorFlow, which has moved them to tf_keras.
for part in ("base", "convolutional", "core", "normalization", "pooling"):
    sys.modules[f"tf_keras.legacy_tf_layers.{part}"] = importlib.import_module(
        f"tf_keras.src.legacy_tf_layers.{part}"
    )
sys.modules["tf_keras.legacy_tf_layers"] = importlib.import_module("tf_keras.src.legacy_tf_layers")

import tf_slim  # noqa: E402 - only after the above
from tf_slim.nets import inception_v1 as slim_network  # noqa: E402

v1 = tf.compat.v1


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a variable by its name."""
    if name.endswith("/weights"):
        return golden.draw_weight(name, shape, int(np.prod(shape[:-1])))
    if name.endswith("/moving_variance"):
        return golden.draw_variance(name, shape)
    return golden.draw_shift(name, shape)


def assign(session: v1.Session) -> None:
    """Give every variable of the graph its drawn values, in whatever precision it has."""
    for variable in v1.global_variables():
        shape = tuple(variable.shape.as_list())
        variable.load(draw(variable.op.name, shape).astype(variable.dtype.as_numpy_dtype), session)


def save(write_version: int, name: str, keep: Callable[[Path], None]) -> None:
    """Let TensorFlow save the float32 network."""
    with tf.Graph().as_default(), v1.Session() as session, tempfile.TemporaryDirectory() as folder:
        images = v1.placeholder(tf.float32, (None, 224, 224, 3))
        with tf_slim.arg_scope(slim_network.inception_v1_arg_scope()):
            slim_network.inception_v1(images, CLASSES, is_training=False)
        assign(session)
        saver = v1.train.Saver(write_version=write_version)
        saver.save(session, f"{folder}/{name}", write_meta_graph=False, write_state=False)
        for path in sorted(Path(folder).iterdir()):
            keep(path)


def compute(size: int) -> dict[str, np.ndarray]:
    """Compute all endpoints in float64, at any input size.

    At 224 the logits are those of slim's own 7x7 average pool. Elsewhere the average is taken over
    the whole map, as slim's later releases do with ``global_pool``.
    """
    with tf.Graph().as_default() as graph, v1.Session() as session:
        images = v1.placeholder(tf.float64, (None, size, size, 3))
        # The fused batch normalization has no float64.
        with (
            tf_slim.arg_scope(slim_network.inception_v1_arg_scope()),
            tf_slim.arg_scope([tf_slim.batch_norm], fused=False),
        ):
            if size == 224:
                _, tensors = slim_network.inception_v1(images, CLASSES, is_training=False)
                del tensors["Predictions"]  # the softmax of the logits
            else:
                tensors = globally_pooled(images)
        tensors = {**tensors, **inside(graph)}
        assign(session)
        batch = golden.draw_images(size, SCALE).transpose(0, 2, 3, 1)
        computed = session.run(tensors, {images: batch})
    return {
        name: values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
        for name, values in computed.items()
    }


def globally_pooled(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Build slim's network with an average over the whole of the last map."""
    with tf_slim.arg_scope([tf_slim.batch_norm], is_training=False):
        net, tensors = slim_network.inception_v1_base(images)
    with v1.variable_scope("InceptionV1/Logits"):
        net = tf.reduce_mean(net, axis=(1, 2), keepdims=True)
        net = tf_slim.conv2d(
            net, CLASSES, (1, 1), activation_fn=None, normalizer_fn=None, scope="Conv2d_0c_1x1"
        )
    tensors["Logits"] = tf.squeeze(net, axis=(1, 2))
    return tensors


def inside(graph: tf.Graph) -> dict[str, tf.Tensor]:
    """Find what is inside the inception modules, named below the network's scope."""
    prefix = "InceptionV1/InceptionV1/" if _doubled(graph) else "InceptionV1/"
    return {
        operation.name.removeprefix(prefix).removesuffix("/Relu").removesuffix("/MaxPool"): (
            operation.outputs[0]
        )
        for operation in graph.get_operations()
        if "/Branch_" in operation.name and operation.type in ("Relu", "MaxPool")
    }


def _doubled(graph: tf.Graph) -> bool:
    return any(op.name.startswith("InceptionV1/InceptionV1/") for op in graph.get_operations())


def main() -> None:
    """Write the golden files."""
    save(
        saver_pb2.SaverDef.V2,
        "slim_v2.ckpt",
        lambda path: golden.pack(path, GOLDEN / f"{path.name}.xz"),
    )
    save(
        saver_pb2.SaverDef.V1,
        "slim_v1.ckpt",
        lambda path: golden.pack(path, GOLDEN / f"{path.name}.xz"),
    )
    for size in (224, 231):
        golden.save_endpoints(GOLDEN / f"slim_{size}.npz", compute(size))


if __name__ == "__main__":
    main()
