"""Run a model in Spark, and compare every row with `Translator`.

    pip install pyspark          # and a Java runtime
    python benchmarks/try_spark.py MODEL --rows 5000

Spark runs on this machine with two workers. Exit status 1 when a row differs.
"""

from __future__ import annotations

import argparse
import sys
import time

from pyspark.sql import SparkSession

from foveate import Translator
from foveate.engines import Translate


def main() -> int:
    """Translate made-up words in Spark and here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, default=5000)
    options = parser.parse_args()
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [
        f"{letters[n % 26]}{letters[n // 26 % 26]}{letters[n // 676]}" for n in range(options.rows)
    ]
    translate = Translate(options.model, beam_size=1)
    session = SparkSession.builder.master("local[2]").appName("foveate").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    rows = session.createDataFrame(list(enumerate(words)), "id long, text string").repartition(8)
    schema = "id long, text string, translation string"
    begin = time.perf_counter()
    found = rows.mapInPandas(lambda frames: map(translate, frames), schema).orderBy("id").collect()
    seconds = time.perf_counter() - begin
    session.stop()
    translator = Translator.load(options.model, threads=1)
    expected = [one.text for one in translator.translate(words, beam_size=1)]
    wrong = sum(
        (row.id, row.text, row.translation) != (number, word, text)
        for number, (row, word, text) in enumerate(zip(found, words, expected, strict=True))
    )
    print(f"{len(found)} rows in {seconds:.1f} s, {wrong} differ")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
