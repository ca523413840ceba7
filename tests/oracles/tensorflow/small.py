"""Small files of each of TensorFlow's formats, written by TensorFlow, to be damaged by tests.

Run from the repository's root: ``.oracles/tensorflow/bin/python -m tests.oracles.tensorflow.small``
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf import saver_pb2

from tests.oracles import golden

SMALL = Path("tests/golden/small")

v1 = tf.compat.v1

# Every precision that a reader takes, what it leaves out, and zeros that compress.
VARIABLES: dict[str, tuple[tuple[int, ...], tf.DType]] = {
    "conv/weights": ((3, 3, 4, 8), tf.float32),
    "conv/weights/Momentum": ((3, 3, 4, 8), tf.float32),
    "conv/weights/ExponentialMovingAverage": ((3, 3, 4, 8), tf.float32),
    "conv/BatchNorm/beta": ((8,), tf.float32),
    "averaged/ExponentialMovingAverage": ((5,), tf.float32),
    "averaged/Momentum": ((5,), tf.float32),
    "half": ((6,), tf.float16),
    "brain": ((6,), tf.bfloat16),
    "double": ((2, 3), tf.float64),
    "whole": ((4,), tf.int32),
    "long": ((4,), tf.int64),
    "zeros": ((1000,), tf.float32),
    "global_step": ((), tf.int64),
}


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a variable by its name; the integers are the drawn numbers, cut off."""
    if name == "zeros":
        return np.zeros(shape)
    scale = 100 if name in ("whole", "long", "global_step") else 1
    return golden.draw_shift(name, shape).reshape(shape) * scale


def variables(place: Callable[[int], str] = lambda number: "") -> list[tf.Variable]:
    """Make the variables, each on its device."""
    made = []
    for number, (name, (shape, kind)) in enumerate(VARIABLES.items()):
        with tf.device(place(number)):
            value = draw(name, shape).astype(kind.as_numpy_dtype)
            made.append(v1.get_variable(name, initializer=value, use_resource=False))
    with tf.device(place(0)):
        made.append(v1.get_variable("words", initializer="text", use_resource=False))
    return made


def save(path: Path, write_version: int, *, devices: int = 1) -> None:
    """Let TensorFlow save the variables, in a part for each device."""
    config = v1.ConfigProto(device_count={"CPU": devices})
    place = (lambda number: f"/cpu:{number % devices}") if devices > 1 else (lambda number: "")
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        made = variables(place)
        # The old format has no bfloat16.
        if write_version == saver_pb2.SaverDef.V1:
            made = [each for each in made if each.dtype.base_dtype != tf.bfloat16]
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(made, write_version=write_version, sharded=devices > 1)
        saver.save(session, str(path), write_meta_graph=False)


def save_graph(path: Path) -> None:
    """Freeze a graph that has each kind of node from which a reader takes a fact."""
    with tf.Graph().as_default() as graph:
        images = v1.placeholder(tf.float32, (None, 64, 64, 3), name="input")
        weight = golden.draw_weight("conv_w", (7, 7, 3, 4), 147)
        # Where a variable was read, its constant is.
        read = tf.identity(tf.constant(weight, name="conv_w"), name="conv_w/read")
        net = v1.nn.conv2d(images, read, 2, "SAME", name="conv")
        ones = tf.constant(np.ones(4, np.float32), name="gamma")
        zeros = tf.constant(0.0, shape=(4,), name="zeros")
        net, *_ = v1.nn.fused_batch_norm(
            net, ones, zeros, zeros, ones, epsilon=1e-3, is_training=False, name="norm"
        )
        net = v1.nn.lrn(net, depth_radius=5, bias=2.0, alpha=1e-4, beta=0.5, name="lrn")
        for number, kernel in enumerate((3, 3, 3, 2)):
            net = v1.nn.max_pool(net, kernel, 2, "SAME", name=f"pool{number}")
        half = tf.constant(golden.draw_shift("half", (6,)).astype(np.float16), name="half")
        double = tf.constant(golden.draw_shift("double", (2, 3)).astype(np.float64), name="double")
        tf.constant(np.arange(4, dtype=np.int32), name="shape")
        tf.identity(half)
        tf.identity(double)
        path.write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def save_saved_model(path: Path) -> None:
    """Save a whole SavedModel."""
    with tf.Graph().as_default(), v1.Session() as session:
        made = v1.get_variable("conv/weights", initializer=draw("conv/weights", (3, 3, 4, 8)))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(path), {"weights": made}, {"weights": made})


def keras_model() -> tf_keras.Model:
    """Build three layers, two of them with weights."""
    model = tf_keras.Sequential(
        [
            tf_keras.layers.Conv2D(4, 3, input_shape=(8, 8, 3), name="conv1/3x3"),
            tf_keras.layers.Flatten(name="flat"),
            tf_keras.layers.Dense(5, name="loss/classifier"),
        ]
    )
    for weight in model.weights:
        weight.assign(golden.draw_shift(weight.name.removesuffix(":0"), tuple(weight.shape)))
    return model


def main() -> None:
    """Write the files."""
    shutil.rmtree(SMALL / "training", ignore_errors=True)
    shutil.rmtree(SMALL / "saved_model", ignore_errors=True)
    (SMALL / "training").mkdir(parents=True)
    save(SMALL / "training" / "model.ckpt-7", saver_pb2.SaverDef.V2)
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "slices.ckpt", saver_pb2.SaverDef.V1)
        save(Path(folder) / "shards.ckpt", saver_pb2.SaverDef.V2, devices=2)
        for path in Path(folder).glob("s*.ckpt*"):
            shutil.copyfile(path, SMALL / path.name)
    save_graph(SMALL / "graph.pb")
    save_saved_model(SMALL / "saved_model")
    model = keras_model()
    model.save_weights(SMALL / "keras.h5")
    tf.train.Checkpoint(model=model).write(str(SMALL / "objects.ckpt"))


if __name__ == "__main__":
    main()
