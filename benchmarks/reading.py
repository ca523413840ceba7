"""How long a weights file takes to read, beside OpenCV's importer of Caffe's files.

    python benchmarks/reading.py

Each tool reads the same 28 MB ``.caffemodel`` in turn; ours ends with the network recognized and
its arrays in our layout, OpenCV's with a network that is ready to run.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from googlenet.architecture.parameters import parameter_shapes
from googlenet.architecture.variants import variant
from googlenet.weights.formats.caffe import read
from googlenet.weights.formats.caffe_writer import caffemodel, deploy_prototxt
from googlenet.weights.recognize import recognize

RUNS = 15


def main() -> int:
    """Measure, and print a table."""
    import cv2

    spec = replace(variant("caffe"), aux=None)
    random = np.random.default_rng(0)
    arrays = {
        name: random.standard_normal(shape, np.float32)
        for name, shape in parameter_shapes(spec).items()
    }
    with tempfile.TemporaryDirectory() as folder:
        weights, net = Path(folder, "net.caffemodel"), Path(folder, "deploy.prototxt")
        weights.write_bytes(caffemodel(arrays, spec))
        net.write_text(deploy_prototxt(spec))
        readers: dict[str, Callable[[], object]] = {
            "googlenet": lambda: recognize(read(weights)),
            "OpenCV": lambda: cv2.dnn.readNetFromCaffe(str(net), str(weights)),
        }
        times: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(RUNS):
            for name, reader in readers.items():
                start = time.perf_counter()
                reader()
                times[name].append(time.perf_counter() - start)
        size = weights.stat().st_size
    if "torch" in sys.modules:
        print("torch was imported", file=sys.stderr)
        return 1
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(f"{size:,} bytes, median of {RUNS} (least, most); OpenCV {cv2.__version__}")
    for name, each in times.items():
        ratio = medians[name] / medians["OpenCV"]
        print(
            f"{name:10} {medians[name] * 1e3:6.0f} ms ({min(each) * 1e3:.0f}, "
            f"{max(each) * 1e3:.0f})  {ratio:.2f} of OpenCV's"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
