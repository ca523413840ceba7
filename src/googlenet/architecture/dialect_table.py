"""The dialects: what each tool calls the layers, parameters and activations of a GoogLeNet."""

from __future__ import annotations

from collections.abc import Mapping

from googlenet.architecture.dialect import (
    BRANCHES,
    LINEAR_LEAVES,
    LINEARS,
    MODULE_UNITS,
    STEM,
    UNIT_LEAVES,
    UNITS,
    Dialect,
    activation_names,
    layer_names,
)
from googlenet.architecture.spec import AUX_PLACES, MODULES

# TF-slim numbers its modules by the stage that they begin in, one letter later.
_SLIM_MODULES = dict(
    zip(MODULES, ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"), strict=True)
)

_OURS = layer_names(
    STEM,
    tuple(f"inception{{b}}.{branch}" for branch in BRANCHES),
    ("aux{i}.conv", "aux{i}.fc1", "aux{i}.fc2"),
    "fc",
)
_TORCH_UNIT = {leaf: f"{{}}.{leaf}" for leaf in UNIT_LEAVES}
_TORCH_PLAIN = {"conv.weight": "{}.weight", "conv.bias": "{}.bias"}
_TORCH_LINEAR = {leaf: f"{{}}.{leaf}" for leaf in LINEAR_LEAVES}

_CAFFE_BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
_CAFFE_POOLS = (
    *("pool1/3x3_s2", "pool1/norm1", "conv2/norm2"),
    *("pool2/3x3_s2", "pool3/3x3_s2", "pool4/3x3_s2"),
)
_CAFFE = layer_names(
    ("conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3"),
    tuple(f"inception_{{b}}/{branch}" for branch in _CAFFE_BRANCHES),
    ("loss{i}/conv", "loss{i}/fc", "loss{i}/classifier"),
    "loss3/classifier",
)
_CAFFE_ACTIVATIONS = activation_names(
    _CAFFE,
    stem=_CAFFE_POOLS,
    module="inception_{b}/output",
    pool="inception_{b}/pool",
    average="pool5/7x7_s1",
    head_pool="loss{i}/ave_pool",
)


def _rewritten(names: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    return {ours: theirs.replace(old, new) for ours, theirs in names.items()}


_SLIM = layer_names(
    ("Conv2d_1a_7x7", "Conv2d_2b_1x1", "Conv2d_2c_3x3"),
    (
        "Mixed_{b}/Branch_0/Conv2d_0a_1x1",
        "Mixed_{b}/Branch_1/Conv2d_0a_1x1",
        "Mixed_{b}/Branch_1/Conv2d_0b_3x3",
        "Mixed_{b}/Branch_2/Conv2d_0a_1x1",
        "Mixed_{b}/Branch_2/Conv2d_0b_3x3",
        "Mixed_{b}/Branch_3/Conv2d_0b_1x1",
    ),
    (),
    "Logits/Conv2d_0c_1x1",
    modules=_SLIM_MODULES,
    # One scope of one module was spelt otherwise, and its checkpoint keeps it.
) | {"inception5a.branch3.1": "Mixed_5b/Branch_2/Conv2d_0a_3x3"}

_5H = layer_names(
    ("conv2d0", "conv2d1", "conv2d2"),
    (
        *("mixed{b}_1x1", "mixed{b}_3x3_bottleneck", "mixed{b}_3x3"),
        *("mixed{b}_5x5_bottleneck", "mixed{b}_5x5", "mixed{b}_pool_reduce"),
    ),
    ("head{i}_bottleneck", "nn{i}", "softmax{i}"),
    "softmax2",
    first_head=0,
)
_5H_ACTIVATIONS = {
    **activation_names(
        _5H,
        stem=(
            *("maxpool0", "localresponsenorm0", "localresponsenorm1"),
            *("maxpool1", "maxpool4", "maxpool10"),
        ),
        module="mixed{b}",
        pool="mixed{b}_pool",
        average="avgpool0",
        logits="softmax2_pre_activation",
        head_pool="head{i}_pool",
        first_head=0,
    ),
    # Before the rectifier; with a bias and no batch normalization, that is the convolution.
    **{
        f"{ours}.conv": f"{theirs}_pre_relu"
        for ours, theirs in _5H.items()
        if ours in (*STEM, *MODULE_UNITS)
    },
    "aux1": "softmax0_pre_activation",
    "aux2": "softmax1_pre_activation",
    **{f"aux{number + 1}.fc1": f"nn{number}_pre_relu" for number in (0, 1)},
    **{f"aux{number + 1}.conv.conv": f"head{number}_bottleneck_pre_relu" for number in (0, 1)},
}
_LUCENT = {ours: f"{theirs}_pre_relu_conv" for ours, theirs in _5H.items() if "aux" not in ours} | {
    "fc": "softmax2_pre_activation_matmul"
}

_CAPTUM_BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5")
_CAPTUM = layer_names(
    STEM,
    (*(f"mixed{{b}}.conv_{branch}" for branch in _CAPTUM_BRANCHES), "mixed{b}.pool_proj"),
    ("aux{i}.conv", "aux{i}.fc1", "aux{i}.fc2"),
    "fc",
)
_CAPTUM_OLD = _CAPTUM | {
    f"{head}.{part}": f"{head}.loss_{name}"
    for head in AUX_PLACES
    for part, name in (("conv", "conv"), ("fc1", "fc"), ("fc2", "classifier"))
}
_CAPTUM_STEM = (
    *("pool1", "local_response_norm1", "local_response_norm2"),
    *("pool2", "pool3", "pool4"),
)
_CAPTUM_ACTIVATIONS = {
    "conv1": "conv1_relu",
    "conv2": "conv2_relu",
    "conv3": "conv3_relu",
    **dict(
        zip(
            ("maxpool1", "norm1", "norm2", "maxpool2", "maxpool3", "maxpool4"),
            _CAPTUM_STEM,
            strict=True,
        )
    ),
    # Its modules concatenate first and rectify then; only the reductions are rectified inside.
    **{f"inception{module}": f"mixed{module}_relu" for module in MODULES},
    **{
        f"inception{module}.{branch}": f"mixed{module}.{reduction}_relu"
        for module in MODULES
        for branch, reduction in (
            ("branch2.0", "conv_3x3_reduce"),
            ("branch3.0", "conv_5x5_reduce"),
        )
    },
    **{f"{ours}.conv": _CAPTUM[ours] for ours in (*STEM, *MODULE_UNITS)},
    **{f"inception{module}.branch4.0": f"mixed{module}.pool" for module in MODULES},
    **{head: head for head in AUX_PLACES},
    "avgpool": "avgpool",
    "logits": "fc",
}

_CHAINER = layer_names(
    ("conv1", "conv2_reduce", "conv2"),
    tuple(f"inc{{b}}/{part}" for part in ("conv1", "proj3", "conv3", "proj5", "conv5", "projp")),
    ("loss{i}_conv", "loss{i}_fc1", "loss{i}_fc2"),
    "loss3_fc",
)

_GLUON = layer_names(
    STEM,
    tuple(f"inception{{b}}.{part}" for part in ("0.0", "1.0", "1.1", "2.0", "2.1", "3.1")),
    ("aux{i}.1", "aux{i}.3", "aux{i}.6"),
    "output",
)
_MXNET = layer_names(
    ("conv_conv1", "conv_conv2", "conv_conv3"),
    tuple(
        f"conv_in{{b}}_{part}" for part in ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "proj")
    ),
    (),
    "fullyconnected0",
)

_CHAINER_ACTIVATIONS = {
    **activation_names(
        {ours: theirs for ours, theirs in _CHAINER.items() if ours in (*STEM, "fc")},
        # Its functions of these names normalize too.
        stem=("", "pool1", "conv2", "pool2", "pool3", "pool4"),
        module="inception_{b}",
        average="pool5",
    ),
    # Its modules concatenate first and rectify then.
    **{f"{ours}.conv": _CHAINER[ours] for ours in MODULE_UNITS},
    "aux1": "loss1_fc2",
    "aux2": "loss2_fc2",
}
del _CHAINER_ACTIVATIONS["conv3"]


def _own(name: str, title: str, source: str) -> Dialect:
    return Dialect(
        name=name,
        title=title,
        layers=_OURS,
        activations={
            **activation_names(
                _OURS,
                stem=("maxpool1", "norm1", "norm2", "maxpool2", "maxpool3", "maxpool4"),
                module="inception{b}",
                pool="inception{b}.branch4.0",
                average="avgpool",
                logits="logits",
                head_pool="aux{i}.pool",
            ),
            **{f"{head}.relu": f"{head}.relu" for head in AUX_PLACES},
            **{head: head for head in AUX_PLACES},
        },
        unit=_TORCH_UNIT,
        linear=_TORCH_LINEAR,
        source=source,
    )


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        _own(
            "torchvision",
            "this package, torchvision, googlenet-pytorch",
            "pytorch/vision: torchvision/models/googlenet.py",
        ),
        Dialect(
            name="caffe",
            title="BVLC's Caffe, Places, and their heirs",
            layers=_CAFFE,
            activations=_CAFFE_ACTIVATIONS,
            unit={"conv.weight": "{}:0", "conv.bias": "{}:1"},
            linear={"weight": "{}:0", "bias": "{}:1"},
            source="BVLC/caffe: models/bvlc_googlenet/train_val.prototxt",
        ),
        Dialect(
            name="slim",
            title="TF-slim's inception_v1",
            layers=_SLIM,
            activations=activation_names(
                _SLIM,
                stem=(
                    *("MaxPool_2a_3x3", "", "", "MaxPool_3a_3x3"),
                    *("MaxPool_4a_3x3", "MaxPool_5a_2x2"),
                ),
                module="Mixed_{b}",
                pool="Mixed_{b}/Branch_3/MaxPool_0a_3x3",
                average="AvgPool_0a_7x7",
                logits="Logits",
                modules=_SLIM_MODULES,
            ),
            unit={
                "conv.weight": "{}/weights",
                "conv.bias": "{}/biases",
                "bn.weight": "{}/BatchNorm/gamma",
                "bn.bias": "{}/BatchNorm/beta",
                "bn.running_mean": "{}/BatchNorm/moving_mean",
                "bn.running_var": "{}/BatchNorm/moving_variance",
            },
            linear={"weight": "{}/weights", "bias": "{}/biases"},
            source="google-research/tf-slim: tf_slim/nets/inception_v1.py",
        ),
        Dialect(
            name="inception5h",
            title="the 5h graph: Lucid, DeepDream, the Circuits papers",
            layers=_5H,
            activations=_5H_ACTIVATIONS,
            unit={"conv.weight": "{}_w", "conv.bias": "{}_b"},
            linear={"weight": "{}_w", "bias": "{}_b"},
            flatten="hwc",
            source="tensorflow/lucid: lucid/modelzoo/other_models/InceptionV1.py",
        ),
        Dialect(
            name="lucent",
            title="Lucent and ProGamerGov's inception5h.pth",
            layers=_LUCENT,
            activations={
                ours: theirs
                for ours, theirs in _5H_ACTIVATIONS.items()
                if "aux" not in ours and ours not in ("avgpool", "logits", "norm1", "norm2")
            }
            | {f"{ours}.conv": theirs for ours, theirs in _LUCENT.items() if ours != "fc"}
            | {"logits": "softmax2_pre_activation_matmul"},
            unit=_TORCH_PLAIN,
            linear=_TORCH_LINEAR,
            source="greentfrapp/lucent: lucent/modelzoo/inceptionv1/InceptionV1.py",
        ),
        Dialect(
            name="captum",
            title="Captum's optim module: 5h and Places365",
            layers=_CAPTUM,
            activations=_CAPTUM_ACTIVATIONS,
            unit=_TORCH_PLAIN,
            linear=_TORCH_LINEAR,
            source="pytorch/captum: captum/optim/models/_image/inception_v1.py",
        ),
        Dialect(
            name="captum-old",
            title="Captum's names for the heads before they were shortened",
            layers=_CAPTUM_OLD,
            activations=_CAPTUM_ACTIVATIONS,
            unit=_TORCH_PLAIN,
            linear=_TORCH_LINEAR,
            source="pytorch/captum: captum/optim/models/_image/inception_v1.py",
        ),
        Dialect(
            name="onnx",
            title="ONNX's zoo: googlenet and inception-v1",
            layers=_CAFFE,
            # Caffe2 numbers what a blob holds in turn: the convolution, then what is rectified.
            activations={
                ours: f"{theirs}_2" if ours in UNITS else f"{theirs}_1"
                for ours, theirs in _CAFFE_ACTIVATIONS.items()
                if "aux" not in ours
            }
            | {f"{ours}.conv": f"{_CAFFE[ours]}_1" for ours in (*STEM, *MODULE_UNITS)},
            unit={"conv.weight": "{}_w_0", "conv.bias": "{}_b_0"},
            linear={"weight": "{}_w_0", "bias": "{}_b_0"},
            source="onnx/models: vision/classification/inception_and_googlenet",
        ),
        Dialect(
            name="chainer",
            title="Chainer's GoogLeNet",
            layers=_CHAINER,
            activations=_CHAINER_ACTIVATIONS,
            unit={"conv.weight": "{}/W", "conv.bias": "{}/b"},
            linear={"weight": "{}/W", "bias": "{}/b"},
            source="chainer/chainer: chainer/links/model/vision/googlenet.py",
        ),
        Dialect(
            name="keras",
            title="Keras ports of Caffe's network",
            layers=_CAFFE,
            activations=_CAFFE_ACTIVATIONS,
            unit={"conv.weight": "{}/kernel", "conv.bias": "{}/bias"},
            linear={"weight": "{}/kernel", "bias": "{}/bias"},
            convolves=True,
            source="the public ports of Caffe's network, whose layers keep Caffe's names",
        ),
        Dialect(
            name="caffe-torch",
            title="ProGamerGov's Caffe networks as .pth",
            layers={
                ours: f"{theirs.replace('/', '_')}{'_1' if ours in LINEARS else ''}"
                for ours, theirs in _CAFFE.items()
            },
            activations={},
            unit=_TORCH_PLAIN,
            linear=_TORCH_LINEAR,
            source="ProGamerGov/neural-dream: its bvlc_googlenet and places networks",
        ),
        Dialect(
            name="gluoncv",
            title="GluonCV's googlenet",
            layers=_GLUON,
            activations={},
            unit={
                "conv.weight": "{}.0.weight",
                "bn.weight": "{}.1.gamma",
                "bn.bias": "{}.1.beta",
                "bn.running_mean": "{}.1.running_mean",
                "bn.running_var": "{}.1.running_var",
            },
            linear=_TORCH_LINEAR,
            source="dmlc/gluon-cv: gluoncv/model_zoo/googlenet.py",
        ),
        Dialect(
            name="mxnet",
            title="MXNet's example symbol",
            layers=_MXNET,
            activations={},
            unit={"conv.weight": "{}_weight", "conv.bias": "{}_bias"},
            linear={"weight": "{}_weight", "bias": "{}_bias"},
            source="apache/mxnet: example/image-classification/symbols/googlenet.py",
        ),
        Dialect(
            name="matlab",
            title="MATLAB's googlenet",
            layers=_rewritten(_CAFFE, "/", "-"),
            activations=_rewritten(_CAFFE_ACTIVATIONS, "/", "-"),
            unit={"conv.weight": "{}.Weights", "conv.bias": "{}.Bias"},
            linear={"weight": "{}.Weights", "bias": "{}.Bias"},
            source="matlab-deep-learning/googlenet: googlenetLayers.m",
        ),
    )
}
