"""The table of names that ``googlenet inspect --names`` shows."""

from __future__ import annotations

from collections.abc import Mapping

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.name_table import activation_rows, layer_rows, parameter_rows
from googlenet.cli.console import aligned, markdown_table, write_document, write_result

SCHEMA = "googlenet.names/1"

# Dialects that fit beside each other.
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("caffe", "slim", "inception5h"),
    ("captum", "chainer", "lucent"),
    ("onnx", "keras", "matlab"),
)
_LAYER_GROUPS: tuple[tuple[str, ...], ...] = (
    *_GROUPS,
    ("captum-old", "caffe-torch", "gluoncv", "mxnet"),
)

# All modules are named alike; this one shows TF-slim's shift by a letter.
_SHOWN = ("4a",)


def show_names(chosen: str) -> int:
    """Print what each tool calls everything: an excerpt as text, all of it otherwise."""
    if chosen == "json":
        write_document(_document())
    elif chosen == "markdown":
        write_result(names_markdown())
    else:
        write_result(_text())
    return 0


def names_markdown() -> str:
    """Write every layer and activation of every dialect in Markdown."""
    parts = []
    for title, rows, groups in (
        ("Activations", activation_rows, _GROUPS),
        ("Layers with weights", layer_rows, _LAYER_GROUPS),
        ("Parameters, shown on two layers", parameter_rows, _LAYER_GROUPS),
    ):
        parts.append(f"## {title}")
        for group in groups:
            parts.append(markdown_table([("ours, torchvision", *group), *_quoted(rows(group))]))
    return "\n\n".join(parts)


def _text() -> str:
    parts = [
        "Any name of any tool is accepted wherever a layer is named; write DIALECT:NAME where two "
        "tools\nmean different things. Of the modules, 4a stands for all "
        "(--format markdown has every one).",
        "\n".join(aligned([(each.name, each.title) for each in DIALECTS.values()], numbers=False)),
        "ACTIVATIONS",
    ]
    for group in _GROUPS:
        rows = activation_rows(group, _SHOWN)
        parts.append("\n".join(aligned([("ours", *group), *rows], numbers=False)))
    parts.append("PARAMETERS: what follows a layer's name, for convolution units and linear layers")
    rows = [
        (each.name, *(_endings(patterns) for patterns in (each.linear, each.unit)))
        for each in DIALECTS.values()
    ]
    parts.append("\n".join(aligned([("", "linear", "unit"), *rows], numbers=False)))
    return "\n\n".join(parts)


def _endings(patterns: Mapping[str, str]) -> str:
    return "  ".join(pattern.removeprefix("{}") for pattern in patterns.values())


def _document() -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "dialects": [
            {
                "name": each.name,
                "title": each.title,
                "source": each.source,
                "layers": dict(each.layers),
                "activations": dict(each.activations),
                "parameters": {ours: theirs for theirs, ours in each.parameters.items()},
            }
            for each in DIALECTS.values()
        ],
    }


def _quoted(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [tuple(f"`{cell}`" if cell else "" for cell in row) for row in rows]
