"""How the command ends: exit codes, three lines for a fault, and streams that go away."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from googlenet.architecture.variants import VARIANTS
from googlenet.cli.verbs import VERBS
from tests.cli.command import PROGRAM, assert_fails, environment, googlenet


@pytest.mark.parametrize(
    ("arguments", "what", "where"),
    [
        (
            ["inspct"],
            'Unknown command "inspct". Did you mean "inspect"? '
            f"Available commands: {', '.join(VERBS)}",
            "googlenet",
        ),
        (["inspect", "--sizee", "3"], "Unknown option: --sizee. Did you mean --size?", "inspect"),
        (
            ["inspect", "--size"],
            'Command "inspect" parameter --size requires an argument',
            "inspect",
        ),
        (
            ["inspect", "--size", "wide"],
            'Invalid value for --size: unable to convert "wide" into int',
            "inspect",
        ),
        (
            ["inspect", "--format", "yaml"],
            'Invalid value "yaml" for --format. Choose from: "text", "markdown", "json"',
            "inspect",
        ),
        (["inspect", "bn", "more"], "Unused Tokens: ['more']", "inspect"),
        (["predict"], 'Command "predict" parameter --model requires an argument', "predict"),
    ],
)
def test_usage_faults_exit_with_2(arguments: list[str], what: str, where: str) -> None:
    command = "googlenet" if where == "googlenet" else f"googlenet {where}"
    assert_fails(googlenet(*arguments), 2, what, command, f"See {command} --help.")


def test_a_variant_that_is_none_exits_with_2() -> None:
    assert_fails(
        googlenet("inspect", "vgg"),
        2,
        "there is no variant 'vgg'",
        "googlenet inspect",
        f"Choose one of: {', '.join(VARIANTS)}.",
    )


def test_a_model_that_is_none_exits_with_3(tmp_path: Path) -> None:
    where = tmp_path / "model"
    done = googlenet("inspect", where)
    assert_fails(
        done,
        3,
        "model directory does not exist",
        str(where),
        "Give a directory that holds model.safetensors, such as RUN/best, another tool's weights "
        "file, or a name of googlenet weights list.",
    )


def test_names_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    done = googlenet("inspect", tmp_path / "a\x1b[31m\nb")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 3
    assert "\x1b" not in done.stderr
    assert r"a\x1b[31m\nb" in done.stderr


def test_debug_shows_the_traceback_before_the_three_lines(tmp_path: Path) -> None:
    plain = googlenet("inspect", tmp_path / "model")
    assert "Traceback" not in plain.stderr
    for done in (
        googlenet("inspect", tmp_path / "model", "--debug"),
        googlenet("--debug", "inspect", tmp_path / "model"),
        googlenet("inspect", tmp_path / "model", env={"GOOGLENET_DEBUG": "1"}),
    ):
        assert done.stderr.startswith("Traceback (most recent call last):\n")
        assert done.stderr.endswith(plain.stderr)
        assert done.returncode == 3


def run_without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where importing a package fails as if it were not installed."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from googlenet.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    return subprocess.run(
        [PROGRAM[0], "-c", code, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", ["torch", "torchvision", "torchmetrics"])
def test_a_missing_extra_exits_with_4_and_names_the_command(package: str, folder: Path) -> None:
    assert_fails(
        run_without(package, "train", str(folder), "--epochs", "1"),
        4,
        f"googlenet train needs the package {package}, which is not installed",
        "googlenet train",
        "pip install 'googlenet[torch]'",
    )


def test_a_fault_of_ours_is_called_one() -> None:
    code = (
        "import sys, googlenet.architecture.table as broken\n"
        "def table(*_): raise RuntimeError('two\\nlines')\n"
        "broken.table = table\n"
        "from googlenet.cli.main import main\n"
        "sys.exit(main(['inspect']))\n"
    )
    done = subprocess.run(
        [PROGRAM[0], "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert_fails(
        done,
        1,
        "this is a fault of googlenet itself: RuntimeError: two; lines",
        "<string>, line 2",
        "Run again with --debug, and report what it prints.",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["inspect"], ["--help"], ["--version"], ["train", "--help"]])
def test_a_full_disk_is_told(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.stderr.decode() == (
        "error: the results could not be written: No space left on device\n"
        "  standard output\n"
        "  Free some space, or send the results elsewhere.\n"
    )
    assert done.returncode == 1


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], env=environment(), capture_output=True, text=True, check=False
    )


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    done = shell("googlenet inspect | head -n 1; echo ${PIPESTATUS[0]}")
    assert done.stderr == ""
    first, code = done.stdout.splitlines()
    assert first.startswith("GoogLeNet bn")
    # A table fits the pipe, unless head was gone before it was written.
    assert code in ("0", "141")
    # A reader that never was: every write fails.
    done = shell("googlenet inspect | true; echo ${PIPESTATUS[0]}")
    assert done.stderr == ""


def test_a_pipe_without_a_reader_exits_with_141() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as broken:
        done = subprocess.run(
            [*PROGRAM, "inspect"],
            env=environment(),
            stdout=broken,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_closed_streams() -> None:
    done = shell("googlenet inspect >&-")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        "error: the results have nowhere to go",
        "  standard output",
    ]
    done = shell("googlenet inspect 2>&-")
    assert (done.returncode, done.stdout[:9]) == (0, "GoogLeNet")
    done = shell("googlenet inspect nothing 2>&-")
    assert (done.returncode, done.stdout) == (2, "")
    if Path("/dev/full").exists():
        assert shell("googlenet inspect nothing 2>/dev/full").returncode == 2


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "")]
)
def test_signals_end_it_quietly(model: Path, number: int, code: int, said: str) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "predict", model, "-"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)  # long enough to be waiting for its list, and any moment before is as good
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", said)


def on_a_terminal(*arguments: str, **changes: str) -> str:
    """Run the command with a terminal for both streams, and return what it shows."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=environment(**changes), stdout=slave, stderr=slave, stdin=slave
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(master)
    process.wait(timeout=60)
    return shown.decode()


def test_colours_only_on_a_terminal_that_wants_them() -> None:
    assert "\x1b[1;31merror:\x1b[0m there is no variant" in on_a_terminal("inspect", "vgg")
    assert "\x1b" not in on_a_terminal("inspect", "vgg", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal("inspect", "vgg", TERM="dumb")
    assert "\x1b" not in googlenet("inspect", "vgg").stderr
    assert "\x1b[3" not in on_a_terminal("--help", NO_COLOR="1")
    assert "\x1b" not in googlenet("--help").stdout


def test_an_ascii_terminal_shows_escapes(tmp_path: Path) -> None:
    done = googlenet("inspect", tmp_path / "é", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 3
    assert r"\xe9" in done.stderr
