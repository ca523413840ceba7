"""``googlenet weights``: published checkpoints by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from googlenet.cli.console import aligned, note, write_document, write_result
from googlenet.errors import ModelError

if TYPE_CHECKING:
    from googlenet.weights.published_entry import PublishedWeights

SCHEMA = "googlenet.weights/1"

HELP = "List, fetch and verify published checkpoints by name."

EXAMPLES = """\
They are kept in the user's cache, or in the folder that GOOGLENET_CACHE names.
Those with the status --from have no published checksum: give the file by hand.

Examples:
  googlenet weights list             # all that are known
  googlenet weights list caffe       # its address, checksums and licence
  googlenet weights get caffe        # fetch and verify it, print where it is
  googlenet weights get caffe --from bvlc_googlenet.caffemodel
  googlenet weights verify
"""

HEADINGS = ("name", "variant", "classes", "size", "top-1", "top-5", "licence", "status")

app = App(name="weights", help=HELP, help_epilogue=EXAMPLES)


@app.command(name="list")
def list_weights(name: str | None = None, /, *, json: bool = False) -> int:
    """Show the published checkpoints, or all that is known of one.

    Accuracies in per cent are the published ones. What has no known checksum has to be given by
    hand (--from).

    Args:
        name: One checkpoint [default: all].
        json: Write one JSON document with addresses, checksums and sources.
    """
    from googlenet.weights.published import PUBLISHED, find

    entries = list(PUBLISHED.values()) if name is None else [find(name)]
    if json:
        write_document({"schema": SCHEMA, "weights": [_to_json(entry) for entry in entries]})
    elif name is None:
        write_result("\n".join(aligned([HEADINGS, *(_cells(entry) for entry in entries)])))
    else:
        write_result("\n".join(_details(entries[0])))
    return 0


@app.command
def get(
    name: str,
    /,
    *,
    from_file: Annotated[Path | None, Parameter(name="--from")] = None,
) -> int:
    """Fetch a checkpoint where it is not in the cache, verify it, and print where it is.

    Args:
        name: The checkpoint.
        from_file: The published file, to be taken instead of a download.
    """
    from googlenet.weights.download import get as get_weights

    write_result(str(get_weights(name, from_file)))
    return 0


@app.command
def verify(*names: str) -> int:
    """Compare the files in the cache with their checksums.

    Args:
        names: Checkpoints [default: all that are in the cache].
    """
    from googlenet.weights.download import verify as verify_weights
    from googlenet.weights.published import PUBLISHED

    states = set()
    for name in names or PUBLISHED:
        found = verify_weights(name)
        if found.state != "absent":
            states.add(found.state)
            write_result(f"{name}: {', '.join(filter(None, (found.state, found.problem)))}")
        elif names:
            raise _absent(name, found.path)
    if not states:
        note("there are no published weights in the cache")
    return 1 if "damaged" in states else 0


@app.command
def path(name: str, /) -> int:
    """Print where a checkpoint is in the cache, without looking into it.

    Args:
        name: The checkpoint.
    """
    from googlenet.weights.download import path as path_of

    file = path_of(name)
    if not file.exists():
        raise _absent(name, file)
    write_result(str(file))
    return 0


def _absent(name: str, file: Path) -> ModelError:
    return ModelError(
        f"{name} is not in the cache", file, f"Fetch it: googlenet weights get {name}"
    )


def _cells(entry: PublishedWeights) -> Sequence[str]:
    return (
        entry.name,
        entry.variant,
        str(entry.classes),
        _megabytes(entry),
        _per_cent(entry.top1),
        _per_cent(entry.top5),
        entry.licence,
        _status(entry),
    )


def _details(entry: PublishedWeights) -> list[str]:
    from googlenet.weights.download import path as path_of

    rows = [
        ("name", entry.name),
        ("variant", entry.variant),
        ("classes", f"{entry.classes} ({entry.labels})"),
        ("format", entry.format),
        ("file", entry.file_name),
        ("in it", entry.member or ""),
        ("size", _megabytes(entry)),
        *(("address", address) for address in entry.addresses),
        *(("checksum", checksum) for checksum in entry.checksums),
        ("top-1", _per_cent(entry.top1)),
        ("top-5", _per_cent(entry.top5)),
        ("licence", entry.licence),
        ("cached", str(path_of(entry)) if _cached(entry) else "no"),
        *(("source", source) for source in entry.sources),
    ]
    width = max(len(label) for label, _ in rows)
    lines = [f"{label.ljust(width)}  {text}" for label, text in rows if text]
    return [entry.title, "", *lines, "", *(f"  - {each}" for each in entry.notes)]


def _to_json(entry: PublishedWeights) -> dict[str, Any]:
    from googlenet.weights.download import path as path_of

    return {**asdict(entry), "path": str(path_of(entry)), "cached": _cached(entry)}


def _status(entry: PublishedWeights) -> str:
    if _cached(entry):
        return "cached"
    return "download" if entry.checksums else "--from"


def _cached(entry: PublishedWeights) -> bool:
    from googlenet.weights.download import path as path_of

    return path_of(entry).exists()


def _megabytes(entry: PublishedWeights) -> str:
    return "" if entry.size is None else f"{entry.size / 1e6:.1f} MB"


def _per_cent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
