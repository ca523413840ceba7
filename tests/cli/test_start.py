"""How the command starts: quickly, without torch, and with help that helps."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import googlenet as package
from googlenet.cli.verbs import VERBS
from tests.cli.command import PROGRAM, environment, googlenet, process_seconds

HELPS = [(), *((verb,) for verb in VERBS)]
# What must not be imported to say what there is to say.
HEAVY = ("torch", "torchvision", "numpy", "PIL", "matplotlib", "jinja2", "onnxruntime")


def test_import_takes_less_than_200_ms_of_process_time() -> None:
    assert process_seconds([sys.executable, "-c", "import googlenet"]) < 0.2


@pytest.mark.parametrize("verb", HELPS)
def test_help_takes_less_than_300_ms_of_process_time(verb: tuple[str, ...]) -> None:
    assert process_seconds([*PROGRAM, *verb, "--help"]) < 0.3


@pytest.mark.parametrize("words", [*(f"{' '.join(verb)} --help" for verb in HELPS), "--version"])
def test_help_and_version_import_nothing_heavy(words: str) -> None:
    code = (
        "import sys; from googlenet.cli.main import main; code = main(sys.argv[1:]);"
        f"heavy = sorted(set(sys.modules) & set({HEAVY!r}));"
        "sys.exit(f'imported {heavy}' if heavy or code else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_inspect_works_without_torch() -> None:
    code = (
        "import sys; from googlenet.cli.main import main; code = main(['inspect', 'paper']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True, capture_output=True)


def test_help_lists_the_verbs_and_no_verb_gives_help() -> None:
    done = googlenet("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for verb in VERBS:
        assert re.search(rf"│ {verb} +\S", done.stdout)
    assert googlenet().stdout == done.stdout


@pytest.mark.parametrize("verb", HELPS)
def test_help_ends_in_examples_that_the_grammar_takes(verb: tuple[str, ...]) -> None:
    from googlenet.cli.app import build_app, split_words

    shown = googlenet(*verb, "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    examples = shown[shown.index("Examples:") :].splitlines()[1:]
    assert len(examples) >= 3
    for line in examples:
        # A comment, a redirection and what a pipe brings are the shell's.
        command = line[line.index("googlenet ") :]
        words = shlex.split(command.split(" > ")[0].split(" < ")[0], comments=True)[1:]
        _, rest = split_words(words)
        function, _, _ = build_app().parse_args(rest, exit_on_error=False, print_error=False)
        assert function.__module__ == f"googlenet.cli.{words[0]}"


def test_defaults_in_the_help_of_train_are_those_of_the_settings() -> None:
    from googlenet.training.settings import TrainSettings

    shown = " ".join(googlenet("train", "--help").stdout.replace("│", " ").split())
    for name, value in TrainSettings().to_config().items():
        flag = f"--{name.replace('_', '-')}"
        entry = re.search(rf" {flag} [A-Z]+ (.*?)(?= --|╰)", shown)
        assert entry is not None, flag
        if value is not None:
            assert f"[default: {value}]" in entry[1]


def test_version_names_what_decides_the_results() -> None:
    done = googlenet("--version")
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert lines["googlenet"] == package.__version__
    assert lines["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "torchvision", "numpy", "pillow", "onnxruntime"} <= set(lines)
    assert all(re.match(r"\d|not installed$", version) for version in lines.values())


def test_the_script_and_the_module_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("googlenet")
    done = subprocess.run(
        [script, "--version"], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == googlenet("--version").stdout
