"""A snapshot as Caffe's solver writes it, with data, split, loss and accuracy layers around."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from googlenet.architecture.variants import variant
from googlenet.weights.formats import caffe
from googlenet.weights.formats.caffe_schema import (
    LayerParameter,
    NetParameter,
    StoredNet,
)
from googlenet.weights.formats.caffe_writer import caffemodel
from googlenet.weights.recognize import recognize

from .test_caffe_writer import arrays, caffe_spec, network_that_matters


def snapshot(data: bytes) -> bytes:
    """Put around a net what Caffe puts there: every value that several layers read is split."""
    stored = StoredNet.FromString(data)
    layers = [LayerParameter.FromString(each) for each in stored.layer]
    readers: Counter[bytes] = Counter(
        name for layer in layers for name in layer.bottom if list(layer.top) != [name]
    )
    result = StoredNet(name=b"GoogleNet")
    source = LayerParameter(name=b"data", type=b"Data", top=[b"data", b"label"])
    result.layer.append(source.SerializeToString())
    handed: defaultdict[bytes, int] = defaultdict(int)
    last: dict[bytes, int] = {}
    for index, layer in enumerate(layers):
        for name in layer.top:
            last[name] = index
    for index, layer in enumerate(layers):
        for place, name in enumerate(layer.bottom):
            if readers[name] > 1 and list(layer.top) != [name]:
                layer.bottom[place] = name + b"_split_%d" % handed[name]
                handed[name] += 1
        result.layer.append(layer.SerializeToString())
        for name in layer.top:
            if readers[name] > 1 and last[name] == index:
                tops = [name + b"_split_%d" % number for number in range(readers[name])]
                split = LayerParameter(
                    name=name + b"_split", type=b"Split", bottom=[name], top=tops
                )
                result.layer.append(split.SerializeToString())
    for number in (1, 2, 3):
        bottoms = [b"loss%d/classifier" % number, b"label"]
        loss = LayerParameter(
            name=b"loss%d/loss" % number,
            type=b"SoftmaxWithLoss",
            bottom=bottoms,
            top=[b"loss%d" % number],
        )
        result.layer.append(loss.SerializeToString())
    accuracy = LayerParameter(
        name=b"top-1", type=b"Accuracy", bottom=[b"loss3/classifier", b"label"], top=[b"top-1"]
    )
    result.layer.append(accuracy.SerializeToString())
    return result.SerializeToString()


def test_a_solvers_snapshot_is_read_as_what_it_holds(tmp_path: Path) -> None:
    network = network_that_matters(caffe_spec())
    path = tmp_path / "snapshot.caffemodel"
    path.write_bytes(snapshot(caffemodel(arrays(network), network.spec)))
    kinds = {each.type for each in NetParameter.FromString(path.read_bytes()).layer}
    assert {b"Data", b"Split", b"SoftmaxWithLoss", b"Accuracy"} <= kinds
    found = recognize(caffe.read(path))
    assert found.spec == caffe_spec()
    assert found.spec.differences == variant("caffe").differences
    assert len(found.arrays) == 128
    assert found.dropped == ()
