"""Train the tiny model that tests keep of every bundle format, and write down what it says.

    python scripts/make_golden_bundle.py tests/golden/format-1
    foveate export tests/golden/format-1 tests/golden-onnx/format-1

Run once for each new format number, and commit the folders: every later version has to load it and
translate the same. It is never made again for an old number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from foveate.config import Config
from foveate.data.table import PairTable
from foveate.training.run import train

TEXTS = ["abc", "eed", "cabbage", "", "xyz"]
SOURCES = ["abc", "bca", "cab", "ace", "bed", "dab", "dace", "ebb", "add", "bead"] * 4


def main(folder: Path) -> None:
    """Write the bundle and `expected.json` beside it."""
    table = PairTable.from_texts(SOURCES, [source[::-1] for source in SOURCES])
    config = Config(
        max_updates=150,
        num_validations=3,
        hidden_size=16,
        embedding_size=16,
        num_layers=2,
        dropout=0.0,
        learning_rate=0.01,
        threads=1,
    )
    translator = train(table, table, config).translator
    translator.save(folder)
    expected = [
        {
            "source": text,
            "text": found.text,
            "score": found.score,
            "attention": [] if found.attention is None else found.attention.tolist(),
        }
        for text, found in zip(TEXTS, translator.translate(TEXTS), strict=True)
    ]
    (folder.parent / f"{folder.name}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
