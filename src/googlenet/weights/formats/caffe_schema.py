"""Caffe's messages, as far as a GoogLeNet needs them.

Source of the field numbers and the defaults: BVLC/caffe: src/caffe/proto/caffe.proto.
"""

from __future__ import annotations

from googlenet.weights.formats.schema import Fields, message_types

# What a layer of either generation says of itself; the numbers differ, the names do not.
_LAYER: Fields = {
    "name": (1, "bytes"),
    "type": (2, "bytes"),
    "bottom": (3, "bytes*"),
    "top": (4, "bytes*"),
    "include": (8, "NetStateRule*"),
    "transform_param": (100, "TransformationParameter"),
    "convolution_param": (106, "ConvolutionParameter"),
    "dropout_param": (108, "DropoutParameter"),
    "inner_product_param": (117, "InnerProductParameter"),
    "lrn_param": (118, "LRNParameter"),
    "pooling_param": (121, "PoolingParameter"),
    "relu_param": (123, "ReLUParameter"),
    "input_param": (143, "InputParameter"),
}
_LEGACY_LAYER: Fields = {
    "name": (4, "bytes"),
    "type": (5, "LayerType"),
    "bottom": (2, "bytes*"),
    "top": (3, "bytes*"),
    "include": (32, "NetStateRule*"),
    "transform_param": (36, "TransformationParameter"),
    "convolution_param": (10, "ConvolutionParameter"),
    "dropout_param": (12, "DropoutParameter"),
    "inner_product_param": (17, "InnerProductParameter"),
    "lrn_param": (18, "LRNParameter"),
    "pooling_param": (19, "PoolingParameter"),
    "relu_param": (30, "ReLUParameter"),
}

_MESSAGES: dict[str, Fields] = {
    # A net without its blobs: what a prototxt holds.
    "NetParameter": {
        "name": (1, "bytes"),
        "layers": (2, "V1LayerParameter*"),
        "input": (3, "bytes*"),
        "input_dim": (4, "int32*"),
        "input_shape": (8, "BlobShape*"),
        "layer": (100, "LayerParameter*"),
    },
    "LayerParameter": _LAYER,
    "V1LayerParameter": _LEGACY_LAYER,
    "NetStateRule": {"phase": (1, "Phase")},
    "TransformationParameter": {
        "scale": (1, "float"),
        "crop_size": (3, "uint32"),
        "mean_file": (4, "bytes"),
        "mean_value": (5, "float*"),
    },
    "ConvolutionParameter": {
        "num_output": (1, "uint32"),
        "pad": (3, "uint32*"),
        "kernel_size": (4, "uint32*"),
        "stride": (6, "uint32*"),
        "pad_h": (9, "uint32"),
        "pad_w": (10, "uint32"),
        "kernel_h": (11, "uint32"),
        "kernel_w": (12, "uint32"),
        "stride_h": (13, "uint32"),
        "stride_w": (14, "uint32"),
    },
    "DropoutParameter": {"dropout_ratio": (1, "float")},
    "InnerProductParameter": {"num_output": (1, "uint32")},
    "InputParameter": {"shape": (1, "BlobShape*")},
    "LRNParameter": {
        "local_size": (1, "uint32"),
        "alpha": (2, "float"),
        "beta": (3, "float"),
        "norm_region": (4, "NormRegion"),
        "k": (5, "float"),
    },
    "PoolingParameter": {
        "pool": (1, "PoolMethod"),
        "kernel_size": (2, "uint32"),
        "stride": (3, "uint32"),
        "pad": (4, "uint32"),
        "kernel_h": (5, "uint32"),
        "kernel_w": (6, "uint32"),
        "stride_h": (7, "uint32"),
        "stride_w": (8, "uint32"),
        "pad_h": (9, "uint32"),
        "pad_w": (10, "uint32"),
        "global_pooling": (12, "bool"),
        "round_mode": (13, "RoundMode"),
    },
    "ReLUParameter": {"negative_slope": (1, "float")},
    "BlobShape": {"dim": (1, "int64[]")},
    # A caffemodel, opened one layer and one blob at a time. What is small in a file may be large as
    # a message; so nothing becomes one before its size and number are known.
    "StoredNet": {"name": (1, "bytes"), "layers": (2, "bytes*"), "layer": (100, "bytes*")},
    "StoredLayer": {"blobs": (7, "bytes*")},
    "StoredV1Layer": {"blobs": (6, "bytes*")},
    "BlobProto": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "bytes*"),
        "diff": (6, "bytes*"),
        "shape": (7, "bytes"),
        "double_data": (8, "bytes*"),
        "double_diff": (9, "bytes*"),
    },
}

# A prototxt spells these out, so all must be known. The first of each is Caffe's default.
_ENUMERATIONS = {
    "Phase": {"TRAIN": 0, "TEST": 1},
    "PoolMethod": {"MAX": 0, "AVE": 1, "STOCHASTIC": 2},
    "RoundMode": {"CEIL": 0, "FLOOR": 1},
    "NormRegion": {"ACROSS_CHANNELS": 0, "WITHIN_CHANNEL": 1},
    "LayerType": {
        "NONE": 0,
        "ACCURACY": 1,
        "BNLL": 2,
        "CONCAT": 3,
        "CONVOLUTION": 4,
        "DATA": 5,
        "DROPOUT": 6,
        "EUCLIDEAN_LOSS": 7,
        "FLATTEN": 8,
        "HDF5_DATA": 9,
        "HDF5_OUTPUT": 10,
        "IM2COL": 11,
        "IMAGE_DATA": 12,
        "INFOGAIN_LOSS": 13,
        "INNER_PRODUCT": 14,
        "LRN": 15,
        "MULTINOMIAL_LOGISTIC_LOSS": 16,
        "POOLING": 17,
        "RELU": 18,
        "SIGMOID": 19,
        "SOFTMAX": 20,
        "SOFTMAX_LOSS": 21,
        "SPLIT": 22,
        "TANH": 23,
        "WINDOW_DATA": 24,
        "ELTWISE": 25,
        "POWER": 26,
        "SIGMOID_CROSS_ENTROPY_LOSS": 27,
        "HINGE_LOSS": 28,
        "MEMORY_DATA": 29,
        "ARGMAX": 30,
        "THRESHOLD": 31,
        "DUMMY_DATA": 32,
        "SLICE": 33,
        "MVN": 34,
        "ABSVAL": 35,
        "SILENCE": 36,
        "CONTRASTIVE_LOSS": 37,
        "EXP": 38,
        "DECONVOLUTION": 39,
    },
}

LEGACY_TYPES = {number: name for name, number in _ENUMERATIONS["LayerType"].items()}

_TYPES = message_types("googlenet.caffe", _MESSAGES, _ENUMERATIONS)
NetParameter = _TYPES["NetParameter"]
LayerParameter = _TYPES["LayerParameter"]
V1LayerParameter = _TYPES["V1LayerParameter"]
StoredNet = _TYPES["StoredNet"]
StoredLayer = _TYPES["StoredLayer"]
StoredV1Layer = _TYPES["StoredV1Layer"]
BlobProto = _TYPES["BlobProto"]
BlobShape = _TYPES["BlobShape"]
