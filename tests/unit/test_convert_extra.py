"""Without the extra that reads other tools' files, one error names the command that brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracles import golden

GOLDEN = Path("tests/golden")
# A file, and the package that its reader needs.
NEEDS = {
    "inception5h.pb": ("google", "protobuf"),
    "slim_v1.ckpt": ("cramjam", "cramjam"),
    "keras.h5": ("pyfive", "pyfive"),
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_missing_package_is_named(name: str, tmp_path: Path) -> None:
    path = golden.unpack(GOLDEN / f"{name}.xz", tmp_path / name)
    module, package = NEEDS[name]
    code = (
        f"import sys; sys.modules[{module!r}] = None; sys.modules['google.protobuf'] = None\n"
        if module == "google"
        else f"import sys; sys.modules[{module!r}] = None\n"
    )
    code += f"from googlenet.cli.main import main; sys.exit(main(['inspect', {str(path)!r}]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 4
    assert done.stdout == ""
    assert f"needs the package {package}, which is not installed" in done.stderr
    assert "pip install 'googlenet[convert]'" in done.stderr
