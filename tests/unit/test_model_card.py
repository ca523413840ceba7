"""The model card: front matter that hubs read, and facts that people need."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from googlenet.errors import ModelError
from googlenet.evaluation.metrics import Evaluation, measure
from googlenet.weights.model_card import model_card, write_model_card
from googlenet.weights.model_config import ModelConfig
from googlenet.weights.model_directory import save_model
from tests.narrow import narrow_network, narrow_spec

HOSTILE = "<img src=x>|**b**`\n---\n"


def evaluation(classes: tuple[str, ...], split: str = "test") -> Evaluation:
    labels = np.array([0, 0, 1, 2, 2, 2])
    probabilities = np.full((6, 3), 0.1, np.float32)
    probabilities[np.arange(6), [0, 1, 1, 2, 2, 0]] = 0.8
    measures = measure(probabilities, labels, classes)
    return Evaluation(
        model="m",
        variant="bn",
        weights="averaged",
        data="photos",
        split=split,
        unreadable=2,
        **{name: getattr(measures, name) for name in measures.__dataclass_fields__},
    )


def front_matter(card: str) -> dict[str, str]:
    start, block, _ = card.split("---\n", 2)
    assert start == ""
    return dict(line.split(": ", 1) for line in block.splitlines())


def test_the_front_matter_is_what_hubs_read() -> None:
    spec = narrow_spec()
    config = ModelConfig(
        spec=spec,
        classes=("a", "b", "c"),
        preprocessing=spec.preprocessing,
        metadata={"license": "apache-2.0", "weights": "averaged"},
    )
    found = front_matter(model_card(config, evaluation(config.classes).to_json()))
    assert found["license"] == '"apache-2.0"'
    assert found["library_name"] == "googlenet"
    assert found["pipeline_tag"] == "image-classification"
    index = json.loads(found["model-index"])
    result = index[0]["results"][0]
    assert index[0]["name"] == "googlenet-bn"
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {"name": "photos", "type": "imagefolder", "split": "test"}
    metrics = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert set(metrics) == {"accuracy", "f1", "balanced_accuracy"}


def test_the_text_holds_what_is_on_record() -> None:
    spec = narrow_spec()
    metadata = {"weights": "averaged", "data": "photos", "images": {"train": 40}, "epochs": 5}
    config = ModelConfig(
        spec=spec, classes=("a", "b", "c"), preprocessing=spec.preprocessing, metadata=metadata
    )
    card = model_card(config, evaluation(config.classes, "validation").to_json())
    for text in (
        "| Images, train | 40 |",
        "| Epochs | 5 |",
        "| Top-1 accuracy | 0.6667 |",
        "| Balanced accuracy | 0.7222 |",
        "6 images. 2 could not be read and are not counted.",
        "| c | 3 | 1.0000 | 0.6667 | 0.8000 |",
        "| Mean | 0.485, 0.456, 0.406 |",
        "may have guided training",
        "No licence is chosen yet",
        "googlenet predict",
    ):
        assert text in card, text
    without = model_card(config)
    assert "were not evaluated" in without
    assert "model-index" not in without
    assert front_matter(without)["license"] == '"unknown"'


def test_names_cannot_break_out_of_the_card() -> None:
    spec = narrow_spec()
    config = ModelConfig(
        spec=spec,
        classes=(HOSTILE, "caf\udce9", "c"),
        preprocessing=spec.preprocessing,
        metadata={"license": "mit\n---\nevil: true", "data": HOSTILE, "note": HOSTILE},
    )
    card = model_card(config, evaluation(config.classes).to_json())
    card.encode("utf-8")
    assert "<img" not in card
    assert "**b**" not in card.split("---\n", 2)[2]
    found = front_matter(card)
    assert "evil" not in found
    assert json.loads(found["license"]) == "mit\\n---\\nevil: true"


def test_the_card_in_a_model_directory_is_written_anew(tmp_path: Path) -> None:
    classes = ("a", "b", "c")
    save_model(tmp_path / "m", narrow_network(), classes=classes, metadata={"data": "photos"})
    card = tmp_path / "m" / "README.md"
    assert "were not evaluated" in card.read_text()
    write_model_card(tmp_path / "m", evaluation(classes).to_json())
    assert "| Top-1 accuracy | 0.6667 |" in card.read_text()
    assert "Batch normalization after every convolution" in card.read_text()
    save_model(tmp_path / "m", narrow_network(), classes=classes, card="# Mine\n")
    assert card.read_text() == "# Mine\n"
    with pytest.raises(ModelError):
        write_model_card(tmp_path)
