"""Train Phonetisaurus on pairs as Foveate reads them, and score it by the metrics of Foveate.

    pip install phonetisaurus==0.3.0
    python benchmarks/score_phonetisaurus.py nl_train.tsv nl_test.tsv

Prints the word and the phoneme error rate, and the seconds of training and of answering. The
package has its own programs for Linux; its settings are those that it comes with: a joint n-gram
model of letters and phones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from foveate.data.readers import read_pairs
from foveate.metrics import exact_match, token_error_rate


def main() -> None:
    """Score every pair of files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    options = parser.parse_args()
    import phonetisaurus

    lexicon: dict[str, list[list[str]]] = {}
    for pair in read_pairs(options.train):
        lexicon.setdefault(pair.source, []).append(pair.target.split())
    accepted: dict[str, list[str]] = {}
    for pair in read_pairs(options.test):
        accepted.setdefault(pair.source, []).append(pair.target)
    words, references = list(accepted), list(accepted.values())
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.fst"
        begin = time.perf_counter()
        phonetisaurus.train(lexicon, model)
        trained = time.perf_counter()
        found = {word: " ".join(phones) for word, phones in phonetisaurus.predict(words, model)}
        answered = time.perf_counter()
    outputs = [found.get(word, "") for word in words]
    print(
        f"{options.test.name}: word error rate {1 - exact_match(outputs, references).value():.1%}, "
        f"phoneme error rate {token_error_rate(outputs, references).value():.1%}, "
        f"{trained - begin:.0f} s and {answered - trained:.0f} s"
    )


if __name__ == "__main__":
    main()
