"""The package as a whole: its public names, its version, its house rules."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import googlenet

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 400


def test_public_names_are_sorted_and_all_there() -> None:
    # Constants, then classes, then the rest, as the linter sorts them.
    kinds = sorted(googlenet.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    assert kinds == googlenet.__all__
    for name in googlenet.__all__:
        assert getattr(googlenet, name) is not None
    assert set(googlenet.__all__) <= set(dir(googlenet))


def test_each_public_name_comes_from_where_type_checkers_see_it() -> None:
    tree = ast.parse(Path(googlenet.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "typing")
        for alias in node.names
        if alias.name in googlenet.__all__
    }
    assert set(seen) == set(googlenet.__all__)
    for name, module in seen.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(googlenet, name)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'googlenet' has no attribute 'alexnet'"):
        googlenet.alexnet  # noqa: B018


@pytest.mark.parametrize("name", ["GoogLeNet", "evaluate", "load", "train"])
def test_a_name_that_needs_torch_says_how_to_get_it(name: str) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"  # Python's own way to make an import fail
        "import googlenet\n"
        "try:\n"
        f"    googlenet.{name}\n"
        "except googlenet.errors.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"googlenet.{name} needs the package torch, which is not installed\n"
        "pip install 'googlenet[torch]'\n"
    )


def test_an_import_that_no_extra_mends_goes_on() -> None:
    from googlenet.extras import missing_extra

    assert missing_extra(ModuleNotFoundError("no", name="numpy"), "x") is None
    assert missing_extra(ImportError("broken", name="torch"), "x") is None


def test_every_extra_is_one_of_the_package() -> None:
    from googlenet.extras import EXTRAS

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for package, extra in EXTRAS.items():
        wanted = package.replace("_", "-")
        assert any(re.match(rf"{wanted}\b", requirement) for requirement in extras[extra])


def test_the_version_is_the_changelogs() -> None:
    newest = re.search(
        r"^## \[(\d+\.\d+\.\d+)\]",
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert newest is not None
    assert newest[1] == googlenet.__version__ == metadata.version("googlenet")


def test_the_package_is_typed() -> None:
    assert (Path(googlenet.__file__).with_name("py.typed")).exists()


def test_everything_installed_by_the_makefile_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {re.sub("[-_.]+", "-", line.split("==")[0]).lower() for line in lines if "==" in line}
    assert all("==" in line and "+" not in line for line in lines if not line.startswith("#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for extra in ("torch", "demo", "convert", "test", "check"):
        wanted += extras[extra]
    for requirement in wanted:
        assert re.split(r"[<>=;\[ ]", requirement)[0].lower() in pinned, requirement


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST_FILE
    assert ast.get_docstring(ast.parse(text))
