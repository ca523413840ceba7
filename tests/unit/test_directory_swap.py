"""Writing a directory: a kill at any moment leaves the old one or the new one, whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from googlenet.errors import UsageError
from googlenet.weights import directory_swap
from googlenet.weights.directory_swap import swap_directory

OLD: dict[str, bytes | str] = {"a.txt": "old", "inner/b.txt": "old too"}
NEW: dict[str, bytes | str] = {"a.txt": "new", "inner/c.bin": b"\x00new too"}

# Writes NEW over OLD again and again, in a forked process that dies at the first, second, third
# thing it asks of the file system and so on, until one lives; prints what each death left.
KILLS = """
import os, sys
from pathlib import Path
from googlenet.weights import directory_swap

exchange = sys.argv[2] == "exchange"
OLD = {"a.txt": "old", "inner/b.txt": "old too"}
NEW = {"a.txt": "new", "inner/c.bin": b"\\x00new too"}
WATCHED = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir",
           "ctypes.dlsym", "shutil.rmtree")
fsync = os.fsync

def content(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}

def die_at(number):
    count = 0
    def step():
        nonlocal count
        count += 1
        if count == number:
            os._exit(9)
    sys.addaudithook(lambda event, _: step() if event in WATCHED else None)
    os.fsync = lambda descriptor: (step(), fsync(descriptor))

for number in range(1, 1000):
    root = Path(sys.argv[1]) / str(number)
    target = root / "model"
    directory_swap.swap_directory(target, OLD)
    child = os.fork()
    if child == 0:
        if not exchange:
            directory_swap._exchange = lambda first, second: False
        die_at(number)
        directory_swap.swap_directory(target, NEW, replaces=["inner"])
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = content(target)
    kind = ("old" if found == {n: c.encode() for n, c in OLD.items()} else
            "new" if found == {"a.txt": b"new", "inner/c.bin": b"\\x00new too"} else
            "none" if not target.exists() else "broken")
    directory_swap.swap_directory(target, NEW, replaces=["inner"])
    left = sorted(os.listdir(root))
    print(number, status, kind, ",".join(left), len(content(target)))
    if status == 0:
        break
"""


def content(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("system", ["exchange", "two renames"])
def test_a_kill_at_any_step_leaves_one_whole_directory(system: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), system],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows = [line.split(" ") for line in done.stdout.splitlines()]
    assert len(rows) > 15
    assert [row[1] for row in rows] == ["9"] * (len(rows) - 1) + ["0"]
    kinds = [row[2] for row in rows]
    assert kinds[0] == "old"
    assert kinds[-1] == "new"
    allowed = {"old", "new"} if system == "exchange" else {"old", "none", "new"}
    assert set(kinds) == allowed
    # The next save went through and swept what the killed one had left.
    assert {(row[3], row[4]) for row in rows} == {("model", "2")}


def test_files_in_directories_and_missing_parents(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "here"
    swap_directory(target, OLD)
    assert content(target) == {"a.txt": b"old", "inner/b.txt": b"old too"}
    swap_directory(target, NEW)
    assert content(target) == {"a.txt": b"new", "inner/c.bin": b"\x00new too"}
    assert [path.name for path in target.parent.iterdir()] == ["here"]


def test_the_users_umask_decides_who_may_read(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        swap_directory(tmp_path / "m", OLD)
    finally:
        os.umask(old)
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "m" / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    swap_directory(tmp_path / "real", OLD)
    (tmp_path / "link").symlink_to("real")
    swap_directory(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    swap_directory(tmp_path / "m", OLD)
    assert len(content(tmp_path / "m")) == 2


def test_files_of_somebody_else_are_never_removed(tmp_path: Path) -> None:
    swap_directory(tmp_path / "m", OLD)
    (tmp_path / "m" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        swap_directory(tmp_path / "m", NEW)
    assert content(tmp_path / "m")["a.txt"] == b"old"
    swap_directory(tmp_path / "m", NEW, replaces=["thesis.tex"])
    assert set(content(tmp_path / "m")) == {"a.txt", "inner/c.bin"}
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="a file is in the way"):
        swap_directory(tmp_path / "file", NEW)


def test_only_leftovers_of_the_same_directory_are_swept(tmp_path: Path) -> None:
    mine = [".m.12.0a1b2c3d.tmp", ".m.12.0a1b2c3d.old.tmp"]
    others = [".m.v2.12.0a1b2c3d.tmp", ".mm.12.0a1b2c3d.tmp", ".m.tmp", "m.12.0a1b2c3d.tmp"]
    for name in [*mine, *others]:
        (tmp_path / name).mkdir()
    swap_directory(tmp_path / "m", OLD)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "m"])


def test_a_failed_write_leaves_the_old_one(tmp_path: Path) -> None:
    swap_directory(tmp_path / "m", OLD)
    with pytest.raises(OSError):  # noqa: PT011  a name too long for the file system
        swap_directory(tmp_path / "m", {**NEW, "x" * 300: "no"})
    assert content(tmp_path / "m")["a.txt"] == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_linux_exchanges_in_one_step(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems rename twice")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    assert directory_swap._exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "name").read_text() == "b"
