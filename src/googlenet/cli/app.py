"""The command's grammar: verbs, options that all of them share, and where settings come from."""

from __future__ import annotations

import os
import platform
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclopts import App, Parameter
from cyclopts.config import Dict, Env

from googlenet.cli.main import STANDARD_INPUT
from googlenet.cli.verbs import HOMES, VERBS
from googlenet.errors import UsageError

HELP = "GoogLeNet for your own images: train, measure, predict, inspect."

SHARED = """\
Options of every command:
  --config FILE.toml  Settings in tables: [train] with epochs = 5, and so on.
  --debug             Show the traceback of an error.
Any option can also be set in the environment, such as GOOGLENET_TRAIN_EPOCHS=5.
An option given here wins over the environment, and that over the file.
"""

EXAMPLES = """\
Examples:
  googlenet train photos/ --minutes 10 --out runs/photos
  googlenet evaluate runs/photos/best photos/
  googlenet predict runs/photos/best new.jpg
  googlenet inspect paper
"""

VERSIONED = (
    "torch",
    "torchvision",
    "torchmetrics",
    "numpy",
    "pillow",
    "simplejpeg",
    "safetensors",
    "onnxruntime",
)


def build_app(config: Path | None = None, *, whole: bool = True) -> App:
    """Build the command.

    Args:
        config: A TOML file with settings, or None.
        whole: Whether to import every verb, which the help of the command needs; otherwise each is
            imported when it runs.

    Raises:
        UsageError: The file is missing, is no TOML, or names no verb.
    """
    sources: list[Any] = [Env("GOOGLENET_", show=False)]
    if config is not None:
        sources.append(Dict(read_settings(config), source=str(config)))
    app = App(
        name="googlenet",
        help=HELP,
        help_epilogue=f"{SHARED}\n{EXAMPLES}",
        help_format="plaintext",
        version=version_text,
        version_format="plaintext",
        config=sources,
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
        # The errors go to ``main``, which prints them.
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for order, verb in enumerate(VERBS):
        app.command(HOMES[verb], name=verb, sort_key=order)
        if whole:
            app[verb]  # imports it
    return app


def split_words(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Take out the options that every verb shares, wherever they stand before a ``--``.

    A lone ``-`` becomes the path of standard input, which the grammar would take for an option.

    Returns:
        The configuration file, or None, and the words that are left.

    Raises:
        UsageError: ``--config`` has no file.
    """
    ours = list(words[: words.index("--")] if "--" in words else words)
    theirs = list(words[len(ours) :])
    config = os.environ.get("GOOGLENET_CONFIG") or None
    rest: list[str] = []
    remaining = iter(ours)
    for word in remaining:
        if word == "--config":
            config = next(remaining, "")
        elif word.startswith("--config="):
            config = word.partition("=")[2]
        elif word == "-":
            rest.append(STANDARD_INPUT)
        elif word != "--debug":
            rest.append(word)
    if config == "":
        raise UsageError("--config has no file", "--config", "Give the path of a TOML file.")
    return None if config is None else Path(config), [*rest, *theirs]


def read_settings(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Returns:
        The settings, a table for each verb.

    Raises:
        UsageError: The file is missing, is no TOML, or has a key that is no verb's name.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the configuration cannot be read: {error.strerror}", path, "Check --config."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the configuration is no TOML: {error}", path, "Mend the file, or leave out --config."
        ) from error
    for key, value in settings.items():
        if key not in VERBS or not isinstance(value, dict):
            problem = "is no command's name" if key not in VERBS else "is not a table"
            raise UsageError(
                f"{key!r} {problem}",
                path,
                f"Put the settings into a table: {', '.join(f'[{verb}]' for verb in VERBS)}.",
            )
    return settings


def version_text() -> str:
    """Return the versions that decide what the command computes, a line each."""
    lines = {"googlenet": _version("googlenet"), "python": platform.python_version()}
    lines |= {name: _version(name) for name in VERSIONED}
    return "\n".join(f"{name} {version}" for name, version in lines.items())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
