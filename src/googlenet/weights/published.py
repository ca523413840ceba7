"""The published checkpoints of GoogLeNet: where each is, how to know it, and what it holds.

Everything here is a fact of somebody else's; each entry names who says so in ``sources``. Where no
checksum was found there is none, and such a file is never downloaded: what cannot be verified has
to be given by hand.

Left out, since no reader here takes them: torchvision's quantized weights, the quantized ONNX
files, and the files of GluonCV, Paddle and MATLAB.
"""

from __future__ import annotations

from googlenet.errors import UsageError
from googlenet.weights.published_entry import PublishedWeights


def find(name: str) -> PublishedWeights:
    """Return the checkpoint of a name.

    Raises:
        UsageError: There is none of this name.
    """
    try:
        return PUBLISHED[name]
    except KeyError:
        raise UsageError(
            f"there are no published weights {name!r}", None, "See: googlenet weights list"
        ) from None


def _onnx(
    model: str, opset: int, digest: str, size: int, top1: float | None, top5: float | None
) -> PublishedWeights:
    """Describe a file of the ONNX model zoo, which names them all alike."""
    folder, licence, note = {
        "googlenet": (
            "googlenet",
            "BSD-3-Clause",
            "BVLC's weights by way of Caffe2, without the auxiliary heads.",
        ),
        "inception-v1": (
            "inception_v1",
            "MIT",
            "Caffe2's reproduction; its pools round down, and it has no auxiliary heads.",
        ),
    }[model]
    stem = f"{model}-{opset}"
    path = f"validated/vision/classification/inception_and_googlenet/{folder}"
    return PublishedWeights(
        name=f"onnx-{stem}",
        title=f"ONNX model zoo: {model}, opset {opset}",
        variant=f"onnx-{model}",
        format="onnx",
        file_name=f"{stem}.onnx",
        addresses=(
            # GitHub's own copies were announced to end in July 2025.
            f"https://huggingface.co/onnxmodelzoo/{stem}/resolve/main/{stem}.onnx",
            f"https://media.githubusercontent.com/media/onnx/models/main/{path}/model/{stem}.onnx",
        ),
        checksums=(f"sha256:{digest}",),
        size=size,
        licence=licence,
        top1=top1,
        top5=top5,
        notes=(note,),
        sources=(
            "onnx/models: ONNX_HUB_MANIFEST.json (checksum, size)",
            f"onnx/models: {path}/README.md (accuracy, licence)",
        ),
    )


_PROGAMERGOV = "ProGamerGov/neural-dream: neural_dream/dream_utils.py (addresses)"
_NO_CHECKSUM = "No checksum of it was found, so it has to be given by hand."
_IN_ARCHIVE = "The address is an archive that holds the file."

# fmt: off
_ONNX = (
    # model, opset, sha256, bytes, top-1, top-5
    ("googlenet", 3, "5725ccfd90845735ce5897faf7843c3f9b13acda3c4f3bff82cb21c9337c9de8",
     28_020_232, 68.7, 88.9),
    ("googlenet", 6, "bd979d99d10d9acf84c5a67252bcae4992bf4e1afdab046cb0ea370e6f01ee38",
     28_020_232, 68.7, 88.9),
    ("googlenet", 7, "5725ccfd90845735ce5897faf7843c3f9b13acda3c4f3bff82cb21c9337c9de8",
     28_020_232, 68.7, 88.9),
    ("googlenet", 8, "3d343d459199fbcc8cd43d45264180e3e1ef91d4908f3541b5b308995206362c",
     28_020_232, 68.7, 88.9),
    ("googlenet", 9, "bd979d99d10d9acf84c5a67252bcae4992bf4e1afdab046cb0ea370e6f01ee38",
     28_020_232, 68.7, 88.9),
    ("googlenet", 12, "c99c507058eaf41de8723408fdda7db8325cb57f0a89f2ee07a716d6e963e14e",
     28_021_836, 67.78, 88.34),
    ("inception-v1", 3, "6e6a6091a76dcc34b7afd68cec9355687278844b92fb0364b608e5c6f33067e8",
     28_020_217, None, None),
    ("inception-v1", 6, "9e7c4e026430fc055cb040dfe7f7978556b3af13cd618a7866841c00dd6d178f",
     28_020_390, None, None),
    ("inception-v1", 7, "eaa5c289961ef2134290ddd42852d818d1d40fce18ffbc876bc446483343af9c",
     28_020_356, None, None),
    ("inception-v1", 8, "ec956d393dd467b6d9e0b17b8c8227c534b936bfbcdc82343a3a7238375775f0",
     28_020_356, None, None),
    ("inception-v1", 9, "f8b7bb4040377b83089eef98800a15303325ed75ced468a8972a87e0bc23692e",
     28_020_356, None, None),
    ("inception-v1", 12, "814b31a6316873bd03d2d808415ce1f40a7bf48ad88eab5ecc3cdc8dc6cf38ec",
     28_021_958, 67.23, None),
)
# fmt: on

_ENTRIES = (
    PublishedWeights(
        name="torchvision",
        title="torchvision: GoogLeNet_Weights.IMAGENET1K_V1",
        variant="torchvision",
        format="torch",
        file_name="googlenet-1378be20.pth",
        addresses=("https://download.pytorch.org/models/googlenet-1378be20.pth",),
        checksums=("sha256:1378be20",),
        size=52_146_733,  # published as 49.731 MiB
        size_is_exact=False,
        licence="BSD-3-Clause",
        top1=69.778,
        top5=89.530,
        notes=(
            "The file's name holds the beginning of its checksum.",
            "Its auxiliary heads were never trained.",
            "The licence is that of torchvision, which says that weights may have further terms.",
        ),
        sources=("pytorch/vision: torchvision/models/googlenet.py; README (licence)",),
    ),
    PublishedWeights(
        name="caffe",
        title="BVLC Caffe: bvlc_googlenet, iteration 2,400,000",
        variant="caffe",
        format="caffemodel",
        file_name="bvlc_googlenet.caffemodel",
        addresses=(
            "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
            "https://www.deepdetect.com/downloads/platform/pretrained/caffe/googlenet/"
            "bvlc_googlenet.caffemodel",
        ),
        checksums=(
            "sha256:6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad",
            "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        ),
        size=53_533_754,
        licence="unrestricted",
        top1=68.7,
        top5=88.9,
        notes=("Both auxiliary heads are trained.",),
        sources=(
            "BVLC/caffe: models/bvlc_googlenet/readme.md (address, sha1, licence, accuracy)",
            "openvinotoolkit/open_model_zoo: models/public/googlenet-v1/model.yml (sha256, size)",
        ),
    ),
    PublishedWeights(
        name="caffe-torch",
        title="ProGamerGov's PyTorch port of BVLC's weights",
        variant="caffe",
        format="torch",
        file_name="bvlc_googlenet.pth",
        addresses=(
            "https://github.com/ProGamerGov/pytorch-old-caffemodels/raw/master/bvlc_googlenet.pth",
        ),
        notes=(_NO_CHECKSUM,),
        sources=(_PROGAMERGOV,),
    ),
    PublishedWeights(
        name="slim",
        title="TF-slim: inception_v1_2016_08_28",
        variant="slim",
        format="tensorflow-checkpoint",
        classes=1001,
        labels="imagenet-1001",
        file_name="inception_v1_2016_08_28.tar.gz",
        addresses=(
            "https://storage.googleapis.com/download.tensorflow.org/models/"
            "inception_v1_2016_08_28.tar.gz",
            "http://download.tensorflow.org/models/inception_v1_2016_08_28.tar.gz",
        ),
        checksums=("sha256:7a620c430fcaba8f8f716241f5148c4c47c035cce4e49ef02cfbe6cd1adf96a6",),
        size=24_642_554,
        member="inception_v1.ckpt",
        licence="Apache-2.0",
        top1=69.8,
        top5=89.6,
        notes=(
            "It has no auxiliary heads.",
            "The licence is that of tensorflow/models; the archive itself holds none.",
        ),
        sources=(
            "tensorflow/models: research/slim/README.md (address, accuracy)",
            "openvinotoolkit/open_model_zoo: models/public/googlenet-v1-tf/model.yml"
            " (sha256, size, licence)",
        ),
    ),
    PublishedWeights(
        name="slim-frozen",
        title="TF-slim's weights in a frozen graph",
        variant="slim",
        format="graphdef",
        classes=1001,
        labels="imagenet-1001",
        file_name="inception_v1_2016_08_28_frozen.pb",
        addresses=(
            "https://storage.googleapis.com/download.tensorflow.org/models/"
            "inception_v1_2016_08_28_frozen.pb.tar.gz",
        ),
        licence="Apache-2.0",
        notes=(_NO_CHECKSUM, _IN_ARCHIVE, "The licence is that of tensorflow/models."),
        sources=("tensorflow/tensorflow: tensorflow/contrib/lite/toco/g3doc (address)",),
    ),
    PublishedWeights(
        name="inception5h",
        title='Google\'s "Inception 5h", the network of DeepDream and Lucid',
        variant="inception5h",
        format="graphdef",
        classes=1008,
        labels="imagenet-1008",
        file_name="inception5h.zip",
        addresses=(
            "https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
            "http://download.tensorflow.org/models/inception5h.zip",
        ),
        checksums=(
            "sha256:d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364",
            "sha1:e3b84c7e240ce8025b30d868f5e840b4bba9761d",
        ),
        size=49_937_555,
        member="tensorflow_inception_graph.pb",
        member_checksums=(
            "sha256:a39b08b826c9d5a5532ff424c03a3a11a202967544e389aca4b06c2bd8aef63f",
            "sha1:c8a5a000ee8d8dd75886f152a50a9c5b53d726a5",
        ),
        licence="Apache-2.0",
        notes=(
            "Both auxiliary heads are trained.",
            "Its classes are in an order of their own; the first and the last seven are unused.",
            "The licence is the file LICENSE in the archive.",
        ),
        sources=(
            "tensorflow/tensorflow: WORKSPACE of 2017 (addresses, sha256)",
            "opencv/opencv_extra: testdata/dnn/download_models.py (sha1 of archive and graph)",
            "the archive itself, as described by several public users of it (size, members)",
        ),
    ),
    PublishedWeights(
        name="inception5h-torch",
        title="ProGamerGov's PyTorch port of Inception 5h, which Lucent uses",
        variant="inception5h",
        format="torch",
        classes=1008,
        labels="imagenet-1008",
        file_name="inception5h.pth",
        addresses=(
            "https://github.com/ProGamerGov/pytorch-old-tensorflow-models/raw/master/inception5h.pth",
        ),
        notes=(_NO_CHECKSUM, "It has no auxiliary heads."),
        sources=("greentfrapp/lucent: lucent/modelzoo/inceptionv1/InceptionV1.py (address)",),
    ),
    PublishedWeights(
        name="inception5h-captum",
        title="Captum's PyTorch port of Inception 5h",
        variant="inception5h",
        format="torch",
        classes=1008,
        labels="imagenet-1008",
        file_name="inception5h.pth",
        addresses=("https://pytorch.s3.amazonaws.com/models/captum/inception5h.pth",),
        notes=(_NO_CHECKSUM,),
        sources=(
            "pytorch/captum, branch optim-wip: captum/optim/models/_image/inception_v1.py"
            " (address)",
        ),
    ),
    PublishedWeights(
        name="places365",
        title="MIT: GoogLeNet trained on Places365-Standard",
        variant="places365",
        format="caffemodel",
        classes=365,
        labels="places365",
        file_name="googlenet_places365.caffemodel",
        addresses=("http://places2.csail.mit.edu/models_places365/googlenet_places365.caffemodel",),
        licence="CC BY",
        notes=(_NO_CHECKSUM, "Its accuracy was published as a picture only."),
        sources=("CSAILVision/places365: README.md (address, licence)",),
    ),
    PublishedWeights(
        name="places365-torch",
        title="ProGamerGov's PyTorch port of the Places365 weights",
        variant="places365",
        format="torch",
        classes=365,
        labels="places365",
        file_name="googlenet_places365.pth",
        addresses=(
            "https://github.com/ProGamerGov/pytorch-places/raw/master/googlenet_places365.pth",
        ),
        notes=(_NO_CHECKSUM,),
        sources=(_PROGAMERGOV,),
    ),
    PublishedWeights(
        name="places365-captum",
        title="Captum's PyTorch port of the Places365 weights",
        variant="places365",
        format="torch",
        classes=365,
        labels="places365",
        file_name="inceptionv1_places365.pth",
        addresses=(
            "https://pytorch-tutorial-assets.s3.amazonaws.com/captum/inceptionv1_places365.pth",
        ),
        notes=(_NO_CHECKSUM,),
        sources=(
            "pytorch/captum, branch optim-wip: captum/optim/models/_image/"
            "inception_v1_places365.py (address)",
        ),
    ),
    PublishedWeights(
        name="places205",
        title="MIT: GoogLeNet trained on Places205",
        variant="caffe",
        format="caffemodel",
        classes=205,
        labels="numbers",
        file_name="googlenet_places205.tar.gz",
        addresses=("http://places.csail.mit.edu/model/googlenet_places205.tar.gz",),
        checksums=("sha1:d767debf686fa15df1e05fbc9b4598076127134a",),
        member="googlenet_places205/googlelet_places205_train_iter_2400000.caffemodel",
        top1=55.67,
        top5=85.41,
        notes=("The checksum is a user's, not the publisher's.",),
        sources=(
            "cristina-romero/deepros_ws: src/deepros/models/caffe/places_googlenet/readme.md"
            " (address, sha1 of the archive, accuracy)",
        ),
    ),
    PublishedWeights(
        name="places205-torch",
        title="ProGamerGov's PyTorch port of the Places205 weights",
        variant="caffe",
        format="torch",
        classes=205,
        labels="numbers",
        file_name="googlenet_places205.pth",
        addresses=(
            "https://github.com/ProGamerGov/pytorch-places/raw/master/googlenet_places205.pth",
        ),
        notes=(_NO_CHECKSUM,),
        sources=(_PROGAMERGOV,),
    ),
    PublishedWeights(
        name="keras",
        title="Joe Marino's Keras port of BVLC's weights",
        variant="caffe",
        format="keras",
        file_name="googlenet_weights.h5",
        addresses=("http://joelouismarino.github.io/blog_posts/googlenet.zip",),
        notes=(_NO_CHECKSUM, _IN_ARCHIVE, "For Keras 1 on Theano, whose kernels are turned."),
        sources=("joelouismarino.github.io: blog_posts/blog_googlenet_keras.html (address)",),
    ),
)

PUBLISHED = {entry.name: entry for entry in (*_ENTRIES, *(_onnx(*row) for row in _ONNX))}
