"""Where settings come from: the flag, then the environment, then the file, then the default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from googlenet.cli.verbs import VERBS
from tests.cli.command import assert_fails, googlenet


def size(*arguments: str | Path, env: dict[str, str] | None = None) -> int:
    """The input size that inspect settled on."""
    done = googlenet("inspect", "--json", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)["size"]
    assert isinstance(shown, int)
    return shown


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text("[inspect]\nsize = 96\nmodel = 'caffe'\n\n[train]\nepochs = 3\n")
    return path


def test_flag_over_environment_over_file_over_default(file: Path) -> None:
    env = {"GOOGLENET_INSPECT_SIZE": "128"}
    assert size() == 224
    assert size("--config", file) == 96
    assert size(f"--config={file}") == 96
    assert size(env={"GOOGLENET_CONFIG": str(file)}) == 96
    assert size("--config", file, env=env) == 128
    assert size("--config", file, "--size", "160", env=env) == 160


def test_a_file_names_arguments_too(file: Path) -> None:
    shown = json.loads(googlenet("--config", file, "inspect", "--json").stdout)
    assert shown["variant"] == "caffe"


def test_flags_without_a_value_come_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[inspect]\njson = true\n")
    assert json.loads(googlenet("inspect", "--config", path).stdout)["variant"] == "bn"
    assert json.loads(googlenet("inspect", env={"GOOGLENET_INSPECT_JSON": "1"}).stdout)


def test_a_value_that_does_not_fit_names_its_source(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[inspect]\nsize = 'wide'\n")
    help_line = "See googlenet inspect --help."
    assert_fails(
        googlenet("inspect", "--config", path),
        2,
        f'Invalid value for [size] from {path}: unable to convert "wide" into int',
        "googlenet inspect",
        help_line,
    )
    assert_fails(
        googlenet("inspect", env={"GOOGLENET_INSPECT_SIZE": "wide"}),
        2,
        'Invalid value for GOOGLENET_INSPECT_SIZE from env: unable to convert "wide" into int',
        "googlenet inspect",
        help_line,
    )


def test_an_unknown_key_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[train]\nepocs = 3\n")
    assert_fails(
        googlenet("train", "photos", "--config", path),
        2,
        f'Unknown option: "[epocs]" from {path}. Did you mean --epochs?',
        "googlenet train",
        "See googlenet train --help.",
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[trian]\nepochs = 3\n", "'trian' is no command's name"),
        ("epochs = 3\n", "'epochs' is no command's name"),
        ("train = 3\n", "'train' is not a table"),
    ],
)
def test_settings_stand_in_the_table_of_a_verb(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    assert_fails(
        googlenet("inspect", "--config", path),
        2,
        what,
        str(path),
        f"Put the settings into a table: {', '.join(f'[{verb}]' for verb in VERBS)}.",
    )


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    assert_fails(
        googlenet("inspect", "--config", path),
        2,
        "the configuration cannot be read: No such file or directory",
        str(path),
        "Check --config.",
    )
    path.write_text("size = \n")
    done = googlenet("inspect", "--config", path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the configuration is no TOML: Invalid value")
    path.write_bytes(b"\xff\xfe")
    assert googlenet("inspect", "--config", path).returncode == 2
    assert_fails(
        googlenet("inspect", "--config"),
        2,
        "--config has no file",
        "--config",
        "Give the path of a TOML file.",
    )


def test_words_after_two_dashes_are_taken_as_they_are() -> None:
    done = googlenet("inspect", "--", "--debug")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no variant '--debug'")
