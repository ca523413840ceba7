"""Caffe's network as the public Keras ports write it, with both heads, in Keras 2 and float64.

What the ports share: layers named as in Caffe; the first convolution after an explicit padding of
3; stride-2 pools that pad by 1 with zeros, crop the first row and column ("PoolHelper") and pool
what is left, which is Caffe's rounding up; their own local response normalization. This one has its
channels last, as TensorFlow's backend does. Keras 3 refuses a "/" in a layer's name.

Run from the repository's root: ``.oracles/tensorflow/bin/python -m tests.oracles.tensorflow.keras_port``
"""  # noqa: E501 - a command is one line

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

from tests.oracles import golden

GOLDEN = Path("tests/golden")
CLASSES = 40
SIZE = 224
# The deviation of the inputs, which are 0 to 255 less a mean.
SCALE = 60.0

# Channels: 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def normalize(values: tf.Tensor) -> tf.Tensor:
    """Divide by a power of the mean of squares over five neighbouring channels."""
    squares = tf.pad(tf.square(values), ((0, 0), (0, 0), (0, 0), (2, 2)))
    channels = values.shape[-1]
    total = tf.add_n([squares[..., shift : shift + channels] for shift in range(5)])
    return values / (1.0 + 1e-4 / 5 * total) ** 0.75


def convolution(net: tf.Tensor, name: str, channels: int, kernel: int) -> tf.Tensor:
    """Convolve and rectify."""
    return layers.Conv2D(channels, kernel, padding="same", activation="relu", name=name)(net)


def pool(net: tf.Tensor, name: str) -> tf.Tensor:
    """Pool by 2 with Caffe's rounding."""
    net = layers.ZeroPadding2D(1)(net)
    net = layers.Lambda(lambda values: values[:, 1:, 1:, :])(net)
    return layers.MaxPooling2D(3, 2, padding="valid", name=name)(net)


def head(net: tf.Tensor, name: str) -> tf.Tensor:
    """Classify from an intermediate module."""
    net = layers.AveragePooling2D(5, 3, name=f"{name}/ave_pool")(net)
    net = convolution(net, f"{name}/conv", 128, 1)
    net = layers.Dense(1024, activation="relu", name=f"{name}/fc")(layers.Flatten()(net))
    return layers.Dense(CLASSES, name=f"{name}/classifier")(layers.Dropout(0.7)(net))


def build(precision: str) -> tf_keras.Model:
    """Build the network, with the drawn weights, in one precision."""
    tf_keras.backend.set_floatx(precision)
    tf_keras.backend.clear_session()
    images = layers.Input((SIZE, SIZE, 3))
    net = layers.ZeroPadding2D(3)(images)
    net = layers.Conv2D(64, 7, strides=2, activation="relu", name="conv1/7x7_s2")(net)
    net = layers.Lambda(normalize, name="pool1/norm1")(pool(net, "pool1/3x3_s2"))
    net = convolution(net, "conv2/3x3_reduce", 64, 1)
    net = convolution(net, "conv2/3x3", 192, 3)
    net = pool(layers.Lambda(normalize, name="conv2/norm2")(net), "pool2/3x3_s2")
    heads = []
    for module, (n1, r3, n3, r5, n5, projected) in MODULES.items():
        name = f"inception_{module}"
        pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}/pool")(net)
        branches = [
            convolution(net, f"{name}/1x1", n1, 1),
            convolution(convolution(net, f"{name}/3x3_reduce", r3, 1), f"{name}/3x3", n3, 3),
            convolution(convolution(net, f"{name}/5x5_reduce", r5, 1), f"{name}/5x5", n5, 5),
            convolution(pooled, f"{name}/pool_proj", projected, 1),
        ]
        net = layers.Concatenate(name=f"{name}/output")(branches)
        if module in ("4a", "4d"):
            heads.append(head(net, f"loss{len(heads) + 1}"))
        if module in ("3b", "4e"):
            net = pool(net, {"3b": "pool3/3x3_s2", "4e": "pool4/3x3_s2"}[module])
    net = layers.AveragePooling2D(7, 1, name="pool5/7x7_s1")(net)
    net = layers.Dropout(0.4)(layers.Flatten()(net))
    model = tf_keras.Model(images, [*heads, layers.Dense(CLASSES, name="loss3/classifier")(net)])
    for weight in model.weights:
        name, shape = weight.name.removesuffix(":0"), tuple(weight.shape)
        weight.assign(
            golden.draw_weight(name, shape, int(np.prod(shape[:-1])))
            if name.endswith("/kernel")
            else golden.draw_shift(name, shape)
        )
    return model


def compute() -> dict[str, np.ndarray]:
    """Compute every activation that has a name, in float64."""
    model = build("float64")
    named = {
        layer.name: layer.output
        for layer in model.layers
        if "/" in layer.name  # the ports' own names; the others are numbered by Keras
    }
    batch = golden.draw_images(SIZE, SCALE).transpose(0, 2, 3, 1)
    computed = tf_keras.Model(model.input, named)(batch, training=False)
    return {
        name: values.numpy().transpose(0, 3, 1, 2) if values.ndim == 4 else values.numpy()
        for name, values in computed.items()
    }


def main() -> None:
    """Write the golden files."""
    golden.save_endpoints(GOLDEN / f"keras_{SIZE}.npz", compute())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keras.h5"
        build("float32").save_weights(path)
        golden.pack(path, GOLDEN / "keras.h5.xz")


if __name__ == "__main__":
    main()
