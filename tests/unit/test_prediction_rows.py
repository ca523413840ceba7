"""Rows of predictions in every format, with names that mean harm."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import numpy as np
import pytest

from googlenet.errors import UsageError
from googlenet.prediction.rows import Prediction, Row, Unreadable, write_rows

ROWS: list[Row] = [
    Prediction("in/a.jpg", ("cat", "dog"), (0.75, 0.25)),
    Unreadable("in/b.jpg", "truncated", "JPEG image is cut off"),
    Prediction("in/c.jpg", ("dog", "cat"), (float(np.float32(0.6)), float(np.float32(0.4)))),
]


def written(rows: list[Row], row_format: str, top_k: int = 1, unreadable: int = 0) -> str:
    stream = io.StringIO()
    count = write_rows(rows, stream, row_format, top_k=top_k, model="m")  # type: ignore[arg-type]
    assert count == unreadable
    return stream.getvalue()


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(written(ROWS, "csv", 2, 1))))
    assert rows[0] == {
        "file": "in/a.jpg",
        "label": "cat",
        "probability": "0.75",
        "label_2": "dog",
        "probability_2": "0.25",
        "reason": "",
        "error": "",
    }
    assert rows[1]["file"] == "in/b.jpg"
    assert rows[1]["label"] == ""
    assert rows[1]["reason"] == "truncated"
    assert rows[1]["error"] == "JPEG image is cut off"
    # Nine digits tell every float32 from its neighbours, and no more are shown.
    assert rows[2]["probability"] == "0.600000024"
    assert np.float32(rows[2]["probability"]) == np.float32(0.6)
    head = written(ROWS, "csv", 1, 1).splitlines()[0]
    assert head == "file,label,probability,reason,error"


def test_json_is_one_document_with_a_schema() -> None:
    document = json.loads(written(ROWS, "json", 2, 1))
    assert document["schema"] == "googlenet.predict/1"
    assert document["model"] == "m"
    assert document["unreadable"] == 1
    assert document["predictions"][0] == {
        "file": "in/a.jpg",
        "label": "cat",
        "probability": 0.75,
        "top": [{"label": "cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}],
    }
    assert document["predictions"][1] == {
        "file": "in/b.jpg",
        "error": {"reason": "truncated", "message": "JPEG image is cut off"},
    }
    assert json.loads(written([], "json"))["predictions"] == []


def test_ndjson_comes_line_by_line() -> None:
    stream = io.StringIO()

    def rows() -> Iterator[Row]:
        for number, row in enumerate(ROWS):
            assert stream.getvalue().count("\n") == number  # the ones before are out already
            yield row

    assert write_rows(rows(), stream, "ndjson") == 1
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["file"] for line in lines] == ["in/a.jpg", "in/b.jpg", "in/c.jpg"]


def test_the_table_holds_whole_names() -> None:
    long = "deep/" * 60 + "name.jpg"
    table = written([*ROWS, Prediction(long, ("cat",), (1.0,))], "table", 2, 1)
    assert long in table
    assert "75.0%" in table
    assert "dog 25.0%" in table
    assert "unreadable: JPEG image is cut off" in table
    assert "\x1b" not in table
    assert "next" not in written(ROWS, "table", 1, 1)


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_spreadsheet_runs_no_cell(start: str) -> None:
    name = f'{start}HYPERLINK("x")'
    rows: list[Row] = [
        Prediction(name, (name, name), (0.5, 0.5)),
        Unreadable(name, "corrupt", name),
    ]
    found = list(csv.reader(io.StringIO(written(rows, "csv", 2, 1))))
    assert found[1][0] == found[1][1] == found[1][3] == f"'{name}"
    assert found[2][0] == found[2][-1] == f"'{name}"


def test_names_cannot_act_on_a_terminal_or_break_a_line() -> None:
    name = "[bold]a[/bold]\x1b[2J\nb\u202egpj.exe"
    table = written([Prediction(name, (name,), (1.0,))], "table")
    assert "[bold]a[/bold]\\x1b[2J\\nb\\u202egpj.exe" in table
    assert "\x1b" not in table
    lines = written([Prediction(name, (name,), (1.0,))], "ndjson").splitlines()
    assert json.loads(lines[0])["file"] == name
    assert len(lines) == 1
    assert next(csv.DictReader(io.StringIO(written([ROWS[0], ROWS[2]], "csv"))))["label"] == "cat"


def test_a_name_that_is_no_text_can_be_written() -> None:
    rows: list[Row] = [Prediction("caf\udce9.jpg", ("a\ud800",), (1.0,))]
    for row_format in ("table", "csv", "json", "ndjson"):
        text = written(rows, row_format)
        text.encode("utf-8")
        assert "caf\\udce9.jpg" in text.replace("\\\\", "\\")


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="table, csv, json, ndjson"):
        written(ROWS, "xml")


def test_titles_are_shown_where_classes_are_codes() -> None:
    row = Prediction("a.jpg", ("n02123045", "n1"), (0.75, 0.25), ("tabby, tabby cat", ""))
    assert row.label == "n02123045"
    assert row.title == "tabby, tabby cat"
    assert row.shown == ("tabby, tabby cat", "n1")
    assert row.to_json()["top"] == [
        {"label": "n02123045", "title": "tabby, tabby cat", "probability": 0.75},
        {"label": "n1", "title": "n1", "probability": 0.25},
    ]
    stream = io.StringIO()
    write_rows([row], stream, "csv", top_k=2, titled=True)
    assert stream.getvalue().splitlines() == [
        "file,label,title,probability,label_2,title_2,probability_2,reason,error",
        'a.jpg,n02123045,"tabby, tabby cat",0.75,n1,n1,0.25,,',
    ]
    stream = io.StringIO()
    write_rows([row], stream, "table", top_k=2)
    assert "tabby, tabby cat" in stream.getvalue()
    assert "n02123045" not in stream.getvalue()
