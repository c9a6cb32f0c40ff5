"""How right the confidence of outputs is: calibration error, and what 90 % sure is worth.

    foveate train train.tsv --dev dev.tsv --out model --max-updates 900 --seed 1 --threads 1
    python benchmarks/confidence.py model test.tsv

The confidence was fitted on dev, so the test pairs say nothing to it. Outputs that have none (of
a memory without an own number) are counted apart.
"""

from __future__ import annotations

import argparse

import numpy as np

from foveate import Translator, read_pairs
from foveate.confidence import describe_reliability
from foveate.metrics import count_shares, estimate_share_interval
from foveate.text.matching import Matching

LOW, HIGH = 0.85, 0.95  # what counts as 90 % sure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--columns")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    translator = Translator.load(arguments.model, threads=arguments.threads)
    matching = Matching(translator.source_codec, translator.target_codec)
    pairs = read_pairs(arguments.pairs, columns=arguments.columns, report=print)
    sources, accepted = matching.group_references((pair.source, pair.target) for pair in pairs)
    found = list(translator.translate(sources))
    rows = [
        (one.confidence, matching.is_right(one.text, right))
        for one, right in zip(found, accepted, strict=True)
        if one.confidence is not None
    ]
    said, right = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    reliability = describe_reliability(said, right)
    print(f"{len(sources):,} sources, {len(sources) - len(rows):,} without a confidence")
    print(f"right: {100 * right.mean():.1f} %, said: {100 * said.mean():.1f} %")
    print(f"expected calibration error {reliability['expected_calibration_error']:.4f}")
    for row in reliability["bins"]:
        print(f"  said {row['said']:.3f}  right {row['right']:.3f}  in {row['sources']:,}")
    is_sure = (said >= LOW) & (said < HIGH)
    low, high = estimate_share_interval(count_shares([(one, 1) for one in right[is_sure]], ""))
    print(
        f"said {LOW:.0%} to {HIGH:.0%}, on average {said[is_sure].mean():.1%}: "
        f"{right[is_sure].mean():.1%} right ({low:.1%} to {high:.1%}) of {is_sure.sum():,}"
    )


if __name__ == "__main__":
    main()
