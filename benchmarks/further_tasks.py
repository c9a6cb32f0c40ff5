"""Write pairs of tasks that nothing here was tuned on, from packages on PyPI.

    pip install --no-deps --target packages num2words==0.5.14 mlconjug3==4.0.1 simplemma==2.0.0 \
        pypinyin==0.55.0 pretix==2026.8.0
    python benchmarks/further_tasks.py packages

Writes TASK_LANGUAGE_train.tsv, and the same of dev and test: numbers and their words, in both
directions (num2words, LGPL); a verb with tense and person, and its form (mlconjug3, MIT); a form
and its lemma (simplemma, MIT); Chinese phrases and their pinyin (pypinyin, MIT); the texts of a
program and their translations (pretix, AGPL). Verbs and lemmas of dev and test are in no pair of
train. The packages are only read.
"""

from __future__ import annotations

import argparse
import gettext
import importlib
import json
import random
import sys
from pathlib import Path

NUMBER_LANGUAGES = ("de", "fr")
WORDS_LANGUAGES = ("fi",)
VERB_LANGUAGES = ("es", "ro")
LEMMA_LANGUAGES = ("fi", "ka", "pl")
TEXT_LANGUAGES = ("de", "ja", "tr")
HELD_VERBS = 500  # each of dev and test
MOST_WORDS = 40  # of a text

Pair = tuple[str, str]


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("packages", type=Path, help="folder that they were installed in")
    parser.add_argument("--out", type=Path, default=Path(), help="folder")
    options = parser.parse_args()
    sys.path.insert(0, str(options.packages))
    tasks = {f"num_{one}": split(count(one), 1000, 500, 500) for one in NUMBER_LANGUAGES}
    for one in WORDS_LANGUAGES:
        pairs = [(words, number) for number, words in count(one)]
        tasks[f"unnum_{one}"] = split(pairs, 1000, 500, 500)
    for one in VERB_LANGUAGES:
        tasks[f"verb_{one}"] = conjugate(options.packages, one)
    for one in LEMMA_LANGUAGES:
        tasks[f"lemma_{one}"] = find_lemmas(one)
    tasks["pinyin"] = split(read_pinyin(options.packages), 10_000, 500, 1000)
    for one in TEXT_LANGUAGES:
        texts = read_texts(options.packages, one)
        tasks[f"ui_{one}"] = split(texts, len(texts) - 1000, 500, 500)
    for name, parts in tasks.items():
        for part, pairs in parts.items():
            lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
            (options.out / f"{name}_{part}.tsv").write_text(lines, encoding="utf-8")
        print(name, *(f"{len(pairs):,} {part}" for part, pairs in parts.items()))


def split(pairs: list[Pair], train: int, dev: int, test: int) -> dict[str, list[Pair]]:
    """Draw the three parts from the pairs."""
    random.Random(1).shuffle(pairs)
    rest = pairs[train:]
    return {"train": pairs[:train], "dev": rest[:dev], "test": rest[dev : dev + test]}


def count(language: str) -> list[Pair]:
    """Return 3,000 numbers below a million, short ones as often as long ones, and their words."""
    to_words = importlib.import_module("num2words").num2words
    draw = random.Random(2)
    numbers = sorted({int(10 ** draw.uniform(0, 6)) for _ in range(6000)})
    random.Random(3).shuffle(numbers)
    return [(str(number), to_words(number, lang=language)) for number in numbers[:3000]]


def conjugate(packages: Path, language: str) -> dict[str, list[Pair]]:
    """Return forms of verbs; those of dev and test are of verbs that train has not."""
    folder = packages / "mlconjug3/data/conjug_manager"
    verbs = json.loads((folder / f"verbs-{language}.json").read_text(encoding="utf-8"))
    endings = json.loads((folder / f"conjugation-{language}.json").read_text(encoding="utf-8"))
    names = sorted(verbs)
    random.Random(5).shuffle(names)
    held = {"dev": names[:HELD_VERBS], "test": names[HELD_VERBS : 2 * HELD_VERBS]}
    parts = {"train": names[2 * HELD_VERBS :], **held}
    sizes = {"train": 3000, "dev": 500, "test": 500}
    found: dict[str, list[Pair]] = {}
    for seed, (part, some) in enumerate(parts.items(), start=6):
        draw, found[part] = random.Random(seed), []
        while len(found[part]) < sizes[part]:
            verb = draw.choice(some)
            moods = endings[verbs[verb]["template"]]
            forms = [
                (f"{verb} {tense.replace(' ', '_')} {person + 1}", verbs[verb]["root"] + ending)
                for tenses in moods.values()
                for tense, persons in tenses.items()
                if isinstance(persons, list)
                for person, ending in persons
                if ending
            ]
            if forms:
                form = draw.choice(forms)
                found[part] += [form] if " " not in verb else []
    return found


def find_lemmas(language: str) -> dict[str, list[Pair]]:
    """Return forms and their lemmas; those of dev and test are of lemmas that train has not."""
    name = "simplemma.strategies.dictionaries.dictionary_factory"
    forms = importlib.import_module(name).DefaultDictionaryFactory().get_dictionary(language)
    every = ((decode(form), decode(lemma)) for form, lemma in forms.items())
    pairs = sorted(pair for pair in every if pair[0].isalpha() and len(pair[0]) > 3)
    lemmas = sorted({lemma for _, lemma in pairs})
    random.Random(3).shuffle(lemmas)
    held_lemmas = set(lemmas[: len(lemmas) // 5])
    train = [pair for pair in pairs if pair[1] not in held_lemmas]
    held = [pair for pair in pairs if pair[1] in held_lemmas]
    random.Random(1).shuffle(train)
    random.Random(2).shuffle(held)
    return {"train": train[:5000], "dev": held[:500], "test": held[500:1000]}


def decode(text: str | bytes) -> str:
    """Return the text, of bytes or not."""
    return text.decode() if isinstance(text, bytes) else text


def read_pinyin(packages: Path) -> list[Pair]:
    """Return the phrases that have a syllable for every character."""
    phrases = json.loads((packages / "pypinyin/phrases_dict.json").read_text(encoding="utf-8"))
    return sorted(
        (phrase, " ".join(readings[0] for readings in syllables))
        for phrase, syllables in phrases.items()
        if len(phrase) == len(syllables)
    )


def read_texts(packages: Path, language: str) -> list[Pair]:
    """Return the texts of one line, English, and their translations."""
    texts: dict[str, str] = {}
    folder = packages / "pretix/locale" / language / "LC_MESSAGES"
    for path in sorted(folder.glob("*.mo")):
        with path.open("rb") as file:
            catalog = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for key, translation in catalog.items():
            message = key[0] if isinstance(key, tuple) else key  # a tuple is of a plural
            source = message.split("\x04")[-1]  # what stands before is its context
            has_breaks = set("\n\t") & set(source + translation)
            if source and translation and not has_breaks and len(source.split()) <= MOST_WORDS:
                texts[source.strip()] = translation.strip()
    return sorted(texts.items())


if __name__ == "__main__":
    main()
