"""Ten thousand odd files, options, streams and models: not one of them may give a traceback.

    python tests/fuzz.py                              all, from fixed seeds
    python tests/fuzz.py --kind readers --seed 17     this one
    python tests/fuzz.py --first 100000               other seeds than yesterday's

What is found is put into `tests/corpus/`, where test_hostile.py replays it: the call and its file
(`--keep`), or a model (`tests/hostile_bundles.py --seed N --keep`).
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import random
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from hostile_bundles import CONTROL, HERE, Zoo, mutate

CORPUS = HERE / "corpus" / "calls"
GOLDEN = HERE / "golden" / "format-1"
SECONDS = 20

LINES = (
    "a\tb", "abc\tcba", "", "\t", "a", "a\tb\tc", '"a\tb"', "\ufeffa\tb", "a\u2028b\tc", "é\te",
    "a,b", '"a,b","c\nd"', "source,target", "id\tsource\ttarget", "1\tx\ty", "# note", ";;; note",
    '{"source": "a", "target": "b"}', '{"source": 1}', "[1, 2]", '{"translation": {"en": "a"}}',
    "sep=;", "a;b", "word 12", "WORD(2)  W ER D", "x" * 3000, "a\x00b\tc", "\x1b[31m\tred",
    "<tmx version='1.4'>", "\u202eabc\tx", "😀\t🙃", "a\r\tb",
)  # fmt: skip
NAMES = (
    "pairs.tsv", "pairs.csv", "pairs.txt", "pairs.jsonl", "pairs.json", "pairs.tsv.gz", "pairs",
    "pairs.parquet", "pairs.csv.gz", "pairs.dict",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "2", "3", "0.5", "1e-9", "1e308", "-1e308", "1e999", "nan", "inf", "-inf",
    "99999999999999999999", "-99999999999999999999", "²", "١", "0x10", "1_000", "1,5", "true",
    "auto", "None", "null", "x", " ", "\t", "\n", "é", "\ud800", "\x1b[31m", "\u202e", "a=b",
    "--out", "[1]", "{}", "x" * 5000, "lstm", "gnmt", "NFC", "cpu", "meta", "cuda:9", "characters",
)  # fmt: skip


@dataclass
class Input:
    """A call of the command line, and what it reads."""

    argv: list[str]
    stdin: bytes = b""


def make_reader(room: Path, chance: random.Random) -> Input:
    """Return a call that reads a file of odd lines."""
    name = chance.choice(NAMES)
    text = chance.choice(("\n", "\n", "\r\n", "\r")).join(
        chance.choices(LINES, k=chance.choice((0, 1, 3, 9)))
    )
    data = text.encode("utf-8", errors="surrogatepass")
    if name.endswith(".parquet"):
        data = (HERE / "corpus" / "good.parquet").read_bytes()
    if chance.random() < 0.5 or name.endswith(".parquet"):
        data = mutate(data, chance)
    if name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
        data = mutate(data, chance) if chance.random() < 0.3 else data
    if chance.random() < 0.1:
        data = data.decode("utf-8", errors="replace").encode(chance.choice(("utf-16", "utf-32")))
    (room / name).write_bytes(data)
    return chance.choice(
        (
            Input(["check", str(room / name), "--rules-only"]),
            Input(
                [
                    "train",
                    str(room / name),
                    "--out",
                    str(room / "taken"),
                    "--config",
                    str(room / name),
                ]
            ),
            Input(["evaluate", str(GOLDEN), str(room / name)]),
            Input(["translate", str(GOLDEN), str(room / name), "--beam-size", "1"]),
            Input(["align", str(GOLDEN), str(room / name)]),
        )
    )


def make_options(room: Path, chance: random.Random) -> Input:
    """Return a call of `train` with odd options; no pairs are there, so that nothing is trained."""
    names = flag_names()
    argv = ["train", str(room / "nothing.tsv"), "--out", str(room / "taken")]
    for _ in range(chance.choice((1, 2, 4))):
        name, value = chance.choice(names), chance.choice(VALUES)
        argv += chance.choice(
            ([f"--{name}", value], [f"--{name}={value}"], [f"--no-{name}"], [f"--{name}"])
        )
    if chance.random() < 0.3:
        lines = [
            f"{chance.choice(names).replace('-', '_')} = {chance.choice(VALUES)}" for _ in "ab"
        ]
        text = "\n".join(lines)
        (room / "options.toml").write_bytes(text.encode("utf-8", errors="surrogatepass"))
        argv += ["--config", str(room / "options.toml")]
    if chance.random() < 0.1:
        argv[0] = chance.choice(("trian", "", "-", "--help", "info", "attend", "demo", "\x1b[31m"))
    return Input(argv)


def flag_names() -> list[str]:
    """Return the names of the flags of all options."""
    from foveate.config import field_names

    return [name.replace("_", "-") for name in field_names()]


def make_stream(room: Path, chance: random.Random) -> Input:
    """Return a call that translates odd bytes of standard input, or attends to an odd text."""
    data = "\n".join(chance.choices(LINES, k=chance.choice((0, 1, 3)))).encode()
    data = mutate(data, chance) if chance.random() < 0.7 else data
    flags = []
    for _ in range(chance.choice((0, 1, 2))):
        name = chance.choice(
            ("beam-size", "n-best", "length-penalty", "max-length", "format", "threads")
        )
        flags += [f"--{name}", chance.choice(VALUES[:30])]
    if chance.random() < 0.3:
        text = data.decode("utf-8", errors="surrogateescape").replace("\0", "")
        out = ["--out", str(room / f"x.{chance.choice(('svg', 'html', 'json', 'x', 'txt'))}")]
        return Input(["attend", str(GOLDEN), text[:200], *chance.choice(([], out))])
    return Input(["translate", str(GOLDEN), "-", *flags], data)


def make_subwords(room: Path, chance: random.Random) -> Input:
    """Return nothing to call, after a look at a damaged sentencepiece model."""
    from foveate.errors import BundleError
    from foveate.text.tokenizers import SentencepieceTokenizer

    model = chance.choice(SUBWORDS)
    with suppress(BundleError):
        tokenizer = SentencepieceTokenizer(mutate(model, chance), chance.choice(("unigram", "bpe")))
        tokenizer.split_many(["abc déf \u3000", "", "a" * 999])
        tokenizer.join(tokenizer.sample(["abc dab"], 0.5, 1)[0])
    return Input([])


def make_graph(room: Path, chance: random.Random) -> Input:
    """Return nothing to call, after a look at a damaged graph."""
    from foveate.errors import BundleError
    from foveate.graph_check import check_graph

    with suppress(BundleError):
        check_graph(mutate(chance.choice(GRAPHS), chance), "graph")
    return Input([])


SUBWORDS: list[bytes] = []
GRAPHS: list[bytes] = []
KINDS: dict[str, tuple[int, Callable[[Path, random.Random], Input]]] = {
    "readers": (3000, make_reader),
    "options": (2500, make_options),
    "streams": (1000, make_stream),
    "subwords": (1000, make_subwords),
    "graphs": (1000, make_graph),
}
NUM_BUNDLES = 1500


def call(given: Input) -> tuple[int, str]:
    """Return exit status and messages of a call in this process."""
    from foveate.cli import main

    said = io.StringIO()
    stdin = io.TextIOWrapper(io.BytesIO(given.stdin), encoding="utf-8")
    before, sys.stdin = sys.stdin, stdin
    try:
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")), redirect_stderr(said):
            return (main(given.argv) if given.argv else 0), said.getvalue()
    except BaseException:
        return 70, said.getvalue() + traceback.format_exc()
    finally:
        sys.stdin = before


def judge(status: int, said: str) -> str:
    """Return what is wrong with the end of a call, or nothing."""
    last = (said.strip().splitlines() or [""])[-1][:200]
    if "Traceback" in said:
        return f"traceback: {last}"
    if status not in (0, 1, 2):
        return f"exit status {status}: {last}"
    if status and not re.search(r"error: .{8}", said):
        return f"exit status {status} without a message: {last}"
    found = CONTROL.search(said)
    return f"raw {found[0]!r} in a message" if found else ""


def try_one(kind: str, seed: int, room: Path) -> dict[str, object]:
    """Make the input of a seed, call, and say what came of it."""
    argv: list[str] = []
    try:
        given = KINDS[kind][1](room, random.Random(f"{kind} {seed}"))
        argv = given.argv
        wrong = judge(*call(given))
    except Exception:
        wrong = f"traceback: {traceback.format_exc().splitlines()[-1][:200]}"
    shown = [argument[:80] for argument in argv]
    return {"kind": kind, "seed": seed, "argv": shown, "wrong": wrong}


def keep(kind: str, seed: int, room: Path) -> Path:
    """Put the call of a seed and its file into the corpus."""
    given = KINDS[kind][1](room, random.Random(f"{kind} {seed}"))
    argv = [
        argument.replace(str(room), "ROOM").replace(str(GOLDEN), "GOLDEN")
        for argument in given.argv
    ]
    files = {
        path.name: path.read_bytes().decode("latin-1")
        for path in room.iterdir()
        if path.is_file() and f"ROOM/{path.name}" in argv
    }
    row = {"argv": argv, "stdin": given.stdin.decode("latin-1"), "files": files}
    path = CORPUS / f"{kind}-{seed}.json"
    path.write_text(json.dumps(row, indent=1) + "\n")
    return path


def try_kept(path: Path, room: Path) -> dict[str, object]:
    """Make a call of the corpus again."""
    row = json.loads(path.read_text())
    for name, text in row["files"].items():
        (room / name).write_bytes(text.encode("latin-1"))
    argv = [part.replace("ROOM", str(room)).replace("GOLDEN", str(GOLDEN)) for part in row["argv"]]
    wrong = judge(*call(Input(argv, row["stdin"].encode("latin-1"))))
    return {"kind": path.name, "argv": row["argv"], "wrong": wrong}


def try_many(kind: str, seeds: list[int], room: Path) -> Iterator[dict[str, object]]:
    """Yield a row a seed; a child does the work, and the next one goes on when it dies."""
    while seeds:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            for seed in seeds:
                signal.setitimer(signal.ITIMER_REAL, SECONDS)  # SIGALRM ends the process
                row = json.dumps(try_one(kind, seed, room)) + "\n"
                os.write(writer, row.encode("ascii"))
            os._exit(0)
        os.close(writer)
        with open(reader, encoding="ascii") as stream:  # noqa: PTH123 (a file descriptor)
            for line in stream:
                seeds = seeds[1:]
                yield json.loads(line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if seeds:
            yield {"kind": kind, "seed": seeds[0], "argv": [], "wrong": f"died: {status}"}
            seeds = seeds[1:]


def warm_up(room: Path) -> None:
    """Load what is used, and make the good files that are damaged."""
    from foveate.text.tokenizers import learn_sentencepiece

    texts = [f"{a}{b} {b}{a}" for a in "abcd" for b in "abcd"]
    SUBWORDS.extend(
        learn_sentencepiece(texts, kind, 24, 1).model_bytes for kind in ("unigram", "bpe")
    )
    GRAPHS.extend(
        path.read_bytes() for path in (HERE / "golden-onnx" / "format-1" / "onnx").iterdir()
    )
    (room / "good.tsv").write_text("abc\tcba\nab\tba\n")
    (room / "lines").write_text("abc\n")
    for argv in (
        ["check", str(room / "good.tsv"), "--rules-only"],
        ["evaluate", str(GOLDEN), str(room / "good.tsv")],
        ["translate", str(GOLDEN), str(room / "lines")],
        ["attend", str(GOLDEN), "abc"],
        ["align", str(GOLDEN), str(room / "good.tsv")],
    ):
        status, said = call(Input(argv))
        assert status == 0, said


def main() -> int:
    """Print a JSON line for each input that went wrong; 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kind", action="append", choices=[*KINDS, "bundles"])
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, help="of each kind")
    parser.add_argument("--seed", type=int, help="this one, and tell of it")
    parser.add_argument("--keep", action="store_true", help="put it into the corpus")
    asked = parser.parse_args()
    kinds = asked.kind or [*KINDS, "bundles"]
    tried = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        warm_up(room)
        for kind in kinds:
            count = asked.count or (NUM_BUNDLES if kind == "bundles" else KINDS[kind][0])
            seeds = list(range(asked.first, asked.first + count))
            seeds = seeds if asked.seed is None else [asked.seed]
            if asked.keep:
                print(*(keep(kind, seed, room) for seed in seeds), sep="\n")
                continue
            if kind == "bundles":
                zoo = Zoo(room)
                rows: Iterator[dict[str, object]] = (vars(zoo.try_seed(seed)) for seed in seeds)
            else:
                rows = try_many(kind, seeds, room)
            for row in rows:
                tried += 1
                failed += bool(row["wrong"])
                if row["wrong"] or asked.seed is not None:
                    print(json.dumps(row), flush=True)
    print(f"{failed} of {tried} inputs go wrong", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
