"""What reading a file takes of a process that does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Python's own count of memory misses what protobuf and NumPy take, so the system is asked.
_READ = """
import importlib, json, pathlib, sys, time
from googlenet.errors import GoogLeNetError
from googlenet.weights.formats.detect import read_weights

def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

formats = pathlib.Path(sys.modules["googlenet.weights.formats"].__path__[0])
for each in formats.glob("[a-z]*.py"):
    importlib.import_module(f"googlenet.weights.formats.{each.stem}")
before, began, said = peak(), time.process_time(), None
try:
    for array in read_weights(pathlib.Path(sys.argv[1])).arrays.values():
        array.sum()
except GoogLeNetError as error:
    said = str(error)
print(json.dumps([said, peak() - before, time.process_time() - began]))
"""


@dataclass(frozen=True)
class Reading:
    """Hold how reading a file went.

    Attributes:
        said: Our error, or nothing if the file was read.
        memory: Bytes that it took beyond what the process had before.
        seconds: Time of the processor.
    """

    said: str | None
    memory: int
    seconds: float


def read(path: Path) -> Reading:
    """Read a file of any format, and every number of it, in a process of its own.

    Raises:
        AssertionError: Another error than ours came out.
    """
    done = subprocess.run(
        [sys.executable, "-c", _READ, path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Reading(*json.loads(done.stdout))
