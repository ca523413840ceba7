"""The published versions of GoogLeNet, each as what it changes in another.

Table 1 of "Going deeper with convolutions" (Szegedy et al. 2014, arXiv 1409.4842) stands here once,
rows and columns in the paper's order. Everything else is a ``replace`` with its source.
"""

from __future__ import annotations

from dataclasses import replace

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import (
    AuxHeads,
    BatchNorm,
    GoogLeNetSpec,
    InceptionWidths,
    Initialization,
    LocalResponseNorm,
)
from googlenet.errors import UsageError

# fmt: off
TABLE_1 = {
    # name                 1x1  3x3r  3x3  5x5r  5x5  proj
    "3a": InceptionWidths( 64,   96, 128,   16,  32,   32),
    "3b": InceptionWidths(128,  128, 192,   32,  96,   64),
    "4a": InceptionWidths(192,   96, 208,   16,  48,   64),
    "4b": InceptionWidths(160,  112, 224,   24,  64,   64),
    "4c": InceptionWidths(128,  128, 256,   24,  64,   64),
    "4d": InceptionWidths(112,  144, 288,   32,  64,   64),
    "4e": InceptionWidths(256,  160, 320,   32, 128,  128),
    "5a": InceptionWidths(256,  160, 320,   32, 128,  128),
    "5b": InceptionWidths(384,  192, 384,   48, 128,  128),
}
# fmt: on

# Caffe's training means of the ImageNet channels, 0 to 255, in the order blue, green, red.
CAFFE_MEAN_BGR = (104.0, 117.0, 123.0)

PAPER = GoogLeNetSpec(
    variant="paper",
    inception=TABLE_1,
    local_response_norm=LocalResponseNorm(),
    aux=AuxHeads(pooling="average", dropout=0.7),
    dropout=0.4,
    preprocessing=Preprocessing(scale=1.0, mean=CAFFE_MEAN_BGR[::-1], std=(1.0, 1.0, 1.0)),
    source="Szegedy et al. 2014, arXiv 1409.4842, Table 1, figure 3 and sections 5 and 6",
    differences=(
        "The paper draws local response normalization and gives no constants; Caffe's are used.",
        "The paper states no initialization; Caffe's is used.",
    ),
)

CAFFE = replace(
    PAPER,
    variant="caffe",
    preprocessing=Preprocessing(
        resize_mode="squash",
        channel_order="bgr",
        scale=1.0,
        mean=CAFFE_MEAN_BGR,
        std=(1.0, 1.0, 1.0),
    ),
    source="BVLC/caffe: models/bvlc_googlenet/train_val.prototxt, include/caffe/filler.hpp",
    differences=(
        "Channels are blue, green, red, as OpenCV decodes them.",
        "Images are warped to a square before the crop, whatever their aspect ratio.",
    ),
)

BN = replace(
    PAPER,
    variant="bn",
    batch_norm=BatchNorm(eps=1e-3, momentum=0.1),
    local_response_norm=None,
    aux=AuxHeads(pooling="adaptive", dropout=0.7),
    preprocessing=Preprocessing(),
    source="the tutorial's network: Table 1 with batch normalization; Caffe's initialization",
    differences=(
        "Batch normalization after every convolution takes the place of its bias.",
        "There is no local response normalization.",
        "The auxiliary heads pool adaptively to 4x4, so they train at any input size.",
        "No published weights have true 5x5 kernels together with batch normalization.",
    ),
)

TORCHVISION = replace(
    BN,
    variant="torchvision",
    kernel_5x5=3,
    last_pool_kernel=2,
    dropout=0.2,
    initialization=Initialization(
        weights="normal", std=0.01, conv_bias=0.0, hidden_bias=None, classifier_bias=None
    ),
    source="pytorch/vision: torchvision/models/googlenet.py; weights ported from TF-slim",
    differences=(
        "Batch normalization after every convolution takes the place of its bias.",
        "There is no local response normalization.",
        'The "5x5" branch has 3x3 kernels, a slip in TF-slim that its weights made permanent.',
        "The pool after 4e is 2x2.",
        "The auxiliary heads pool adaptively to 4x4, and were never trained in published weights.",
        "Dropout before the classifier is 0.2.",
    ),
)

VARIANTS = {spec.variant: spec for spec in (BN, PAPER, CAFFE, TORCHVISION)}


def variant(name: str) -> GoogLeNetSpec:
    """Return the spec of a variant.

    Raises:
        UsageError: There is no variant of this name.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        raise UsageError(
            f"there is no variant {name!r}", None, f"Choose one of: {', '.join(VARIANTS)}."
        ) from None
