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

# Places365's means of the channels, in the same order and units.
PLACES365_MEAN_BGR = (104.04, 112.60, 116.79)

PLACES365 = replace(
    CAFFE,
    variant="places365",
    num_classes=365,
    preprocessing=replace(CAFFE.preprocessing, mean=PLACES365_MEAN_BGR),
    source=(
        "CSAILVision/places365: deploy_googlenet_places365.prototxt; "
        "pytorch/captum: captum/optim/models/_image/inception_v1_places365.py"
    ),
    differences=(
        "Caffe's network, trained on 365 kinds of places.",
        "Channels are blue, green, red, less the means of Places.",
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
    # torchvision normalizes with the mean and deviation of ImageNet; its network turns that into
    # (x - 0.5) / 0.5, with which the weights were trained (``transform_input``): the two cancel.
    preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
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

SLIM = replace(
    TORCHVISION,
    variant="slim",
    stem_padding="same",
    pool_rounding="same",
    batch_norm=BatchNorm(eps=1e-3, momentum=0.0003, gamma=False),
    aux=None,
    num_classes=1001,
    initialization=Initialization(
        weights="truncated_normal",
        std=0.01,
        classifier_he=True,
        conv_bias=0.0,
        hidden_bias=0.0,
        classifier_bias=0.0,
    ),
    preprocessing=Preprocessing(resize_mode="squash", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    source=(
        "google-research/tf-slim: tf_slim/nets/inception_v1.py, inception_utils.py; "
        "tensorflow/models: research/slim/preprocessing/inception_preprocessing.py"
    ),
    differences=(
        "Batch normalization after every convolution takes the place of its bias, and has a shift "
        "but no scale.",
        "There is no local response normalization.",
        "The 7x7 convolution and the pools pad as TensorFlow's SAME does: at 224 the 7x7 gets 2 "
        "pixels before and 3 after.",
        'The "5x5" branch has 3x3 kernels: a slip that its published weights made permanent.',
        "The pool after 4e is 2x2.",
        "There are no auxiliary heads.",
        "Dropout before the classifier is 0.2.",
        "There are 1001 classes, the first of them background.",
        "Evaluation takes the central 87.5% of each side and squashes it to a square.",
    ),
)

INCEPTION5H = replace(
    PAPER,
    variant="inception5h",
    stem_padding="same",
    pool_rounding="same",
    inception=TABLE_1
    | {
        "4a": replace(TABLE_1["4a"], n3x3=204),
        "5a": replace(TABLE_1["5a"], n5x5_reduce=48),
    },
    local_response_norm=LocalResponseNorm(size=11, beta=0.5, k=2.0, divide_alpha=False),
    num_classes=1008,
    preprocessing=Preprocessing(scale=1.0, mean=(117.0, 117.0, 117.0), std=(1.0, 1.0, 1.0)),
    source=(
        "tensorflow/lucid: lucid/modelzoo/other_models/InceptionV1.py; "
        "the graph tensorflow_inception_graph.pb of inception5h.zip"
    ),
    differences=(
        "Module 4a has 204 channels in its 3x3 branch and 5a reduces to 48 before its 5x5; the ops "
        "column of Table 1 fits these widths, not those printed beside it.",
        "The 7x7 convolution and the pools pad as TensorFlow's SAME does.",
        "Local response normalization sums 11 channels, does not divide alpha by them, adds 2 and "
        "takes the square root.",
        "There are 1008 classes: the first is a dummy, the last seven are unused, and the thousand "
        "between them stand in an order of their own.",
        "Images are 0 to 255, less 117.",
        "No evaluation was published with the weights; the crop is the usual one.",
    ),
)

GLUONCV = replace(
    TORCHVISION,
    variant="gluoncv",
    preprocessing=Preprocessing(),
    aux=AuxHeads(pooling="average", dropout=0.7),
    dropout=0.4,
    source="dmlc/gluon-cv: gluoncv/model_zoo/googlenet.py",
    differences=(
        "Batch normalization after every convolution takes the place of its bias.",
        "There is no local response normalization.",
        'The "5x5" branch has 3x3 kernels, as in TF-slim.',
        "The pool after 4e is 2x2.",
        "The auxiliary heads are off unless asked for.",
    ),
)

ONNX_GOOGLENET = replace(
    CAFFE,
    variant="onnx-googlenet",
    pool_rounding="end",
    aux=None,
    source="onnx/models: vision/classification/inception_and_googlenet/googlenet",
    differences=(
        "Caffe's network without heads, exported through Caffe2.",
        "Channels are blue, green, red.",
        "The stride-2 pools pad two after each side in place of rounding up: the same at 224, one "
        "value more at odd sizes.",
    ),
)

ONNX_INCEPTION_V1 = replace(
    ONNX_GOOGLENET,
    variant="onnx-inception-v1",
    pool_rounding="floor",
    source="onnx/models: vision/classification/inception_and_googlenet/inception_v1",
    differences=(
        "Caffe's network without heads, exported through Caffe2.",
        "Channels are blue, green, red.",
        "The stride-2 pools round down: at 224 the maps have sides of 55, 27, 13 and 6 in place of "
        "56, 28, 14 and 7.",
    ),
)

VARIANTS = {
    spec.variant: spec
    for spec in (
        *(BN, PAPER, CAFFE, TORCHVISION, SLIM, INCEPTION5H),
        *(PLACES365, GLUONCV, ONNX_GOOGLENET, ONNX_INCEPTION_V1),
    )
}


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
