"""Bundles of strangers, with right hashes: what commands make of them.

    python tests/hostile_bundles.py                 1,500 of them, in some minutes
    python tests/hostile_bundles.py --count 40
    python tests/hostile_bundles.py --seed 17       this one, and what was done to it

A seed chooses a good model, a kind of change and the change. All commands then run on the changed
model in a child process. They may refuse it in one line, or work. Wrong are a traceback, another
exit status, a death, more than ten seconds or 500 MB, a file that is read outside of the model,
and raw control characters in a message.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CORPUS = HERE / "corpus" / "bundles"
SECONDS = 10  # of a processor
MOST_WAITED = 60  # seconds, on a machine that has others to do
MEGABYTES = 500
SLOW = (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
COMMANDS = {
    "info": ("info", "MODEL"),
    "info as JSON": ("info", "MODEL", "--json"),
    "translate": ("translate", "MODEL", "LINES", "--format", "jsonl", "--beam-size", "2"),
    "evaluate": ("evaluate", "MODEL", "PAIRS"),
    "attend": ("attend", "MODEL", "abc"),
    "export": ("export", "MODEL", "OUT"),
}

Change = Callable[[Path, random.Random], str]


def rehash(model: Path) -> None:
    """Give the manifest the hashes of the files as they are now."""
    path = model / "bundle.json"
    if not path.is_file():  # to read a FIFO would wait for ever
        return
    try:
        manifest = json.loads(path.read_bytes())
        listed = manifest["files"]
        for name in listed:
            if (model / name).is_file() and (model / name).stat().st_size < 10**8:
                listed[name] = hashlib.sha256((model / name).read_bytes()).hexdigest()
        lines = "".join(f"{listed[name]}  {name}\n" for name in sorted(listed))
        manifest["id"] = hashlib.sha256(f"foveate 2\n{lines}".encode()).hexdigest()
    except (ValueError, TypeError, KeyError, RecursionError, OSError):
        return  # it is the manifest that was changed
    path.write_text(json.dumps(manifest, ensure_ascii=True))


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat or replace some bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0 if at < len(changed):
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.choice((1, 8, 1000))]
            case 2:
                changed[at:at] = changed[at : at + chance.choice((1, 8, 1000))]
            case 3:
                changed[at : at + 8] = struct.pack("<q", chance.choice((-1, 2**40, 2**62)))
            case 4:
                changed[at : at + 4] = chance.choice(
                    (b"\xff" * 4, b"\0" * 4, b"nan ", b"\x80" * 10)
                )
    return bytes(changed)


ODD_TOML = r"""-1 0 1 2 7 99999999 1000000000000000000 99999999999999999999999999 1e308 -1e308
    nan inf -0.0 true false "" "x" "auto" [1] [] {} {a=1} 1979-05-27 0.5 3.5
    "\u0000" "\u001b[31m" "\u202e" """.split()  # noqa: SIM905


def change_option(model: Path, chance: random.Random) -> str:
    """Give an option an odd value."""
    path = next(iter(sorted(model.glob("*.toml"))))
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [index for index, line in enumerate(lines) if "=" in line]
    index = chance.choice(told)
    name = lines[index].split("=")[0].strip()
    value = chance.choice(
        (*ODD_TOML, '"' + "x" * 100_000 + '"', "[" * 50_000, "[" * 900 + "]" * 900)
    )
    match chance.randrange(8):
        case 0:
            lines.append(f"{chance.choice(('evil', '__class__', 'self', name))} = {value}")
        case 1:
            del lines[index]
        case _:
            lines[index] = f"{name} = {value}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{name} = {value[:40]}"


SIZES = (
    "hidden_size", "embedding_size", "num_layers", "num_heads", "models", "ngram_rows",
    "source_ngrams", "source_window", "location_window",
)  # fmt: skip


def change_size(model: Path, chance: random.Random) -> str:
    """Ask for a model that is far larger, or of another kind."""
    path = next(iter(sorted(model.glob("*.toml"))))
    text = path.read_text(encoding="utf-8")
    name = chance.choice(SIZES)
    value = chance.choice((1, 2, 3, 5, 12, 20, 64, 1000, 10**5, 10**7, 2**22, 2**31))
    text = re.sub(rf"(?m)^{name} = .*\n", "", text) + f"{name} = {value}\n"
    kinds = {"architecture": ("attention", "traditional", "transformer"), "cell": ("lstm", "gru")}
    kinds |= {"layout": ("gnmt", "luong", "bahdanau"), "copy": ("true", "false")}
    if chance.random() < 0.3:
        other = chance.choice(tuple(kinds))
        told = chance.choice(kinds[other])
        written = told if told in ("true", "false") else f'"{told}"'
        text = re.sub(rf"(?m)^{other} = .*\n", "", text) + f"{other} = {written}\n"
        name = f"{other} = {told}, {name}"
    path.write_text(text, encoding="utf-8")
    return f"{name} = {value}"


def change_bytes(pattern: str) -> Change:
    """Change bytes of a file of some name."""

    def change(model: Path, chance: random.Random) -> str:
        path = chance.choice(sorted(model.glob(pattern)))
        path.write_bytes(mutate(path.read_bytes(), chance))
        return f"bytes of {path.name}"

    return change


ODD_TOKENS = (
    "\\u0000", "\\ud800", "\\u001b[31mred", "\\u202e", "<pad>", "</s>", "a", "", "\\x", "\\",
    "\\ud83d\\ude00", "\u202eabc", "x" * 200_000, "\\u000a", "😀", "\ufeff", "a\u0301",
)  # fmt: skip


def change_vocabulary(model: Path, chance: random.Random) -> str:
    """Put odd tokens into a vocabulary, or take some away."""
    path = chance.choice(sorted(model.glob("*.vocabulary.txt")))
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    match chance.randrange(8):
        case 0:
            lines = lines[: chance.randrange(len(lines))]
        case 1:
            lines += [f"t{number}" for number in range(chance.choice((1, 10, 1_500_000)))]
        case 2:
            chance.shuffle(lines)
        case 3:
            lines = []
        case _:
            for _ in range(chance.choice((1, 3))):
                lines[chance.randrange(len(lines))] = chance.choice(ODD_TOKENS)
    text = "\n".join(lines) + chance.choice(("\n", "\n", "", "\r\n"))
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    return f"tokens of {path.name}"


def change_weights(model: Path, chance: random.Random) -> str:
    """Write weights with another header, or other numbers."""
    path = model / "weights.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])
    name = chance.choice([one for one in header if one != "__metadata__"])
    tensor = header[name]
    what = chance.choice(
        ("dtype", "shape", "offsets", "name", "less", "numbers", "deep", "length", "many")
    )
    match what:
        case "dtype":
            tensor["dtype"] = chance.choice(
                ("F64", "I64", "BF16", "F16", "BOOL", "U8", "X", None, 7)
            )
        case "shape":
            tensor["shape"] = chance.choice(
                ([], [1], [-1], [2**62, 4], tensor["shape"][::-1], [0], "x", [[1]], [1] * 5000)
            )
        case "offsets":
            tensor["data_offsets"] = chance.choice(([0, 4], [4, 0], [0, 2**60], [-4, 0], [0], "x"))
        case "name":
            header[chance.choice(("", "\x1b[31m", "\u202e", "0/x", "x" * 99_999))] = header.pop(
                name
            )
        case "less":
            del header[name]
        case "numbers":
            begin, end = tensor["data_offsets"]
            number = chance.choice((float("nan"), float("inf"), -float("inf"), 3e38, 1e-45))
            body[begin:end] = struct.pack("<f", number) * ((end - begin) // 4)
        case "deep":
            header = {"__metadata__": {"x": "[" * 100_000}, **header}
        case "many":
            header |= {
                f"extra{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                for n in range(9999)
            }
    written = json.dumps(header).encode()
    length = (
        chance.choice((0, 2**40, 2**63, len(written) + 9)) if what == "length" else len(written)
    )
    path.write_bytes(struct.pack("<Q", length) + written + body)
    return f"weights: {what} of {name}"


def odd_value(chance: random.Random) -> Any:
    """Return a value that JSON can have and nobody expects."""
    return chance.choice(
        (None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x", "\x1b[31m",
         "\u202e", "\ud800", [], {}, [None], [[[]]], {"x": None}, {"value": "x", "low": []},
         ["a", 1], "x" * 100_000, {"": ""}, 0.5)
    )  # fmt: skip


def replace_inside(value: Any, chance: random.Random) -> Any:
    """Replace one value somewhere in JSON."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {**value, chance.choice(("\x1b[31m", "", "\u202e", "x\ny")): odd_value(chance)}
        if chance.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: replace_inside(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        at = chance.randrange(len(value))
        return [*value[:at], replace_inside(value[at], chance), *value[at + 1 :]]
    return odd_value(chance)


def change_json(name: str) -> Change:
    """Change values of a JSON file; it is made when it is not there."""

    def change(model: Path, chance: random.Random) -> str:
        path = model / name
        value = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else MADE.get(name, {})
        )
        if name not in ("bundle.json", "runtime.json"):
            list_file(model, name)
        text = json.dumps(replace_inside(value, chance), ensure_ascii=chance.random() < 0.5)
        if chance.random() < 0.1:
            deep = chance.choice((1000, 100_000))
            text = chance.choice(
                ("[" * deep, '{"a":' * deep, "[" * deep + "]" * deep, text[:-9], "9" * 5000)
            )
        path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        return f"values of {name}"

    return change


MADE = {
    "memory.json": {"abc": "cba", "b": "b"},
    "words.json": {"bonus": 1.0, "rarity": 0.1, "words": ["cba", "ab"]},
}


def list_file(model: Path, name: str) -> None:
    """Let the manifest know a file."""
    manifest = json.loads((model / "bundle.json").read_text(encoding="utf-8"))
    manifest["files"][name] = ""
    (model / "bundle.json").write_text(json.dumps(manifest))


def change_kind(model: Path, chance: random.Random) -> str:
    """Put what is no regular file in the place of a file."""
    path = chance.choice([one for one in sorted(model.rglob("*")) if one.is_file()])
    secret = model.parent / "secret"
    what = chance.choice(
        ("fifo", "folder", "link", "zero", "socket", "loop", "dangling", "huge", "gone")
    )
    moved = path.read_bytes()
    path.unlink()
    match what:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link":
            secret.write_bytes(moved)
            path.symlink_to(secret)
        case "zero":
            path.symlink_to("/dev/zero")
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                os.chdir(path.parent)  # a path of a socket may not be long
                made.bind(path.name)
        case "loop":
            path.symlink_to(path)
        case "dangling":
            path.symlink_to("/nowhere")
        case "huge":
            with path.open("wb") as stream:
                stream.truncate(2**40)
    return f"{path.name} is a {what}"


def change_graph(model: Path, chance: random.Random) -> str:
    """Make one of the changes of test_graph_check.py to a graph."""
    import onnx

    import test_graph_check

    path = model / "onnx" / "step.onnx"
    graphs = {one.stem: one.read_bytes() for one in (model / "onnx").iterdir()}
    if b"loop.one" not in graphs["step"]:
        from foveate.graphs import repeat_steps

        graphs = repeat_steps(graphs)
    graph = onnx.load_from_string(graphs["step"])
    change = chance.choice(list(test_graph_check.HOSTILE))
    change(graph)
    path.write_bytes(graph.SerializeToString())
    return f"graph: {change.__name__}"


def change_nodes(model: Path, chance: random.Random) -> str:
    """Exchange operators, inputs and numbers of a graph."""
    import onnx

    path = chance.choice(sorted((model / "onnx").iterdir()))
    graph = onnx.load_from_string(path.read_bytes())
    nodes = graph.graph.node
    for _ in range(chance.choice((1, 2, 5))):
        one, other = chance.choice(nodes), chance.choice(nodes)
        match chance.randrange(5):
            case 0:
                one.op_type = other.op_type
            case 1 if one.input and other.output:
                one.input[0] = other.output[0]
            case 2:
                nodes.remove(one)
            case 3 if one.attribute and one.attribute[0].type == 2:
                one.attribute[0].i = chance.choice((-1, 0, 1, 7, 2**20, 2**62))
            case 4:
                tensor = chance.choice(graph.graph.initializer)
                if tensor.dims:
                    tensor.dims[0] = chance.choice((0, 1, 2, 2**40))
    path.write_bytes(graph.SerializeToString())
    return f"nodes of {path.name}"


CHANGES: dict[str, tuple[Change, ...]] = {
    "torch": (
        change_option, change_option, change_size, change_bytes("*.toml"), change_vocabulary,
        change_bytes("*.vocabulary.txt"), change_weights, change_weights,
        change_bytes("weights.safetensors"), change_json("bundle.json"), change_json("bundle.json"),
        change_bytes("bundle.json"), change_json("memory.json"), change_json("words.json"),
        change_json("runtime.json"), change_kind,
    ),
    "onnx": (
        change_option, change_vocabulary, change_json("bundle.json"), change_json("memory.json"),
        change_json("runtime.json"), change_json("words.json"), change_bytes("onnx/*.onnx"),
        change_graph, change_nodes, change_kind,
    ),
    "subwords": (
        change_bytes("*.sentencepiece.model"), change_bytes("*.sentencepiece.model"),
        change_vocabulary, change_option, change_kind,
    ),
}  # fmt: skip


SMALL = """--hidden-size 8 --embedding-size 8 --max-updates 3
    --num-validations 1""".split()  # noqa: SIM905


def call_quietly(argv: list[str], status: int = 0) -> None:
    """Run a command in this process; it must end as it is told."""
    from foveate.cli import main

    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        ended = main(argv)
    assert ended == status, f"{argv}: {ended}: {said.getvalue()}"


def keep_change(good: Path, changed: Path) -> dict[str, Any]:
    """Return what a changed model has that the good one has not, as JSON."""
    names = {one.relative_to(changed).as_posix() for one in changed.rglob("*")}
    names |= {one.relative_to(good).as_posix() for one in good.rglob("*") if one.is_file()}
    kept: dict[str, Any] = {}
    for name in sorted(names):
        path = changed / name
        if path.is_symlink():
            kept[name] = {"link": str(path.readlink())}
        elif path.is_fifo():
            kept[name] = {"fifo": True}
        elif not path.exists():
            kept[name] = {"gone": True}
        elif path.is_file() and path.stat().st_size > 10**8:
            kept[name] = {"huge": path.stat().st_size}
        elif path.is_file():
            data = path.read_bytes()
            if not (good / name).is_file() or data != (good / name).read_bytes():
                kept[name] = {"bytes": base64.b64encode(zlib.compress(data, 9)).decode()}
    return kept


def restore_change(model: Path, kept: dict[str, Any]) -> None:
    """Change a good model into one that was kept."""
    for name, told in kept.items():
        path = model / name
        path.unlink(missing_ok=True)
        if "link" in told:
            path.symlink_to(told["link"])
        elif "fifo" in told:
            os.mkfifo(path)
        elif "huge" in told:
            with path.open("wb") as stream:
                stream.truncate(told["huge"])
        elif "bytes" in told:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.decompress(base64.b64decode(told["bytes"])))


@dataclass
class Result:
    """What a seed did and what came of it."""

    seed: int
    change: str
    wrong: list[str]
    num_refused: int = 0


class Zoo:
    """Good models, and a room for changed ones."""

    def __init__(self, room: Path) -> None:
        self.room = room
        self.models = {
            "first torch": HERE / "golden" / "format-1",
            "first onnx": HERE / "golden-onnx" / "format-1",
            "torch": room / "trained",
            "onnx": room / "exported",
            "subwords": room / "subwords",
        }
        (room / "lines").write_text("abc\n\ncab b\n")
        (room / "pairs").write_text("abc\tcba\nba\tab\ncab\tbac\n")
        self._warm_up()

    def _warm_up(self) -> None:
        """Load everything once, and make the models of today's format."""
        words = [f"{a}{b}{c} {c}{a}" for a in "abcd" for b in "abcd" for c in "abcd"]
        (self.room / "train").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
        train = ["train", str(self.room / "train"), "--dev", str(self.room / "pairs"), *SMALL]
        subwords = """--vocabulary-size 32 --source-tokens unigram --target-tokens bpe
            --no-shared-vocabulary --models 2""".split()  # noqa: SIM905
        characters = """--source-tokens characters --target-tokens characters --memory
            --shared-vocabulary --words""".split()  # noqa: SIM905
        characters.append(str(self.room / "lines"))
        call_quietly([*train, *characters, "--out", str(self.models["torch"])])
        call_quietly([*train, *subwords, "--out", str(self.models["subwords"])])
        call_quietly(["export", str(self.models["torch"]), str(self.models["onnx"])])
        for name, model in self.models.items():
            for argv in COMMANDS.values():
                is_refused = "onnx" in name and argv[0] == "export"
                out = self.room / f"{name} out"
                call_quietly(self._fill_in(argv, model, out), status=2 * is_refused)

    def _fill_in(self, argv: tuple[str, ...], model: Path, out: Path) -> list[str]:
        places = {"MODEL": model, "OUT": out, "LINES": self.room / "lines"}
        places["PAIRS"] = self.room / "pairs"
        return [str(places.get(part, part)) for part in argv]

    def build(self, seed: int, folder: Path) -> tuple[str, Path]:
        """Make the changed model of a seed; return what was changed."""
        chance = random.Random(seed)
        kind = chance.choice(("torch", "torch", "onnx", "subwords", "first torch", "first onnx"))
        model = Path(shutil.copytree(self.models[kind], folder / "model"))
        changes = CHANGES[kind.removeprefix("first ")]
        told = chance.choice(changes)(model, chance)
        is_readable = all(one.is_file() or one.is_dir() for one in model.rglob("*"))
        if chance.random() < 0.1 and is_readable:
            told += "; " + chance.choice(changes[:4])(model, chance)
        rehash(model)
        return f"{kind}: {told}", model

    def try_seed(self, seed: int) -> Result:
        """Run every command on the model of a seed."""
        folder = Path(tempfile.mkdtemp(dir=self.room))
        try:
            changed, model = self.build(seed, folder)
            return self._run(seed, changed, model, folder)
        except (
            StopIteration,
            OSError,
            ValueError,
            MemoryError,
        ) as error:  # two changes that do not go together
            return Result(seed, f"nothing: {error}", [])
        finally:
            shutil.rmtree(folder)

    def keep(self, seed: int) -> Path:
        """Keep the model of a seed in the corpus, as the change of a good one."""
        folder = Path(tempfile.mkdtemp(dir=self.room))
        told, model = self.build(seed, folder)
        kind, change = told.split(": ", 1)
        kept = keep_change(self.models[kind], model)
        path = CORPUS / f"{re.sub('[^a-z]+', '-', told.lower())[:60].strip('-')}.json"
        row = {"model": kind, "change": change[:100], "files": kept}
        path.write_text(json.dumps(row, indent=1) + "\n")
        return path

    def try_kept(self, path: Path) -> Result:
        """Run every command on a model of the corpus."""
        row = json.loads(path.read_text())
        folder = Path(tempfile.mkdtemp(dir=self.room))
        model = Path(shutil.copytree(self.models[row["model"]], folder / "model"))
        restore_change(model, row["files"])
        return self._run(0, path.name, model, folder)

    def _run(self, seed: int, changed: str, model: Path, folder: Path) -> Result:
        result = Result(seed, changed, [])
        chosen = dict(COMMANDS)
        for name, argv in COMMANDS.items():
            if name not in chosen:
                continue
            status, said, megabytes = run_limited(self._fill_in(argv, model, folder / "out"), model)
            result.num_refused += status in (1, 2)
            result.wrong += [f"{name}: {one}" for one in judge(argv, status, said, megabytes)]
            if status in SLOW:
                break  # the others would wait as long
            if name == "info" and status == 2:  # all refuse it at the same place
                other = random.Random(seed).choice(list(COMMANDS))
                chosen = {other: COMMANDS[other]}
        return result


def judge(argv: tuple[str, ...], status: int, said: str, megabytes: float) -> Iterator[str]:
    """Yield what is wrong with the end of a command."""
    last = (said.strip().splitlines() or [""])[-1]
    if status in SLOW:
        yield f"took longer than {SECONDS} seconds"
    elif status < 0:
        yield f"died of signal {-status}"
    elif "Traceback" in said:
        yield f"traceback: {last[:150]}"
    elif status not in (0, 1, 2):
        yield f"exit status {status}: {last[:150]}"
    elif status and "error" not in said:
        yield f"exit status {status} without an error: {last[:150]}"
    if "OUTSIDE" in said:
        yield next(line for line in said.splitlines() if "OUTSIDE" in line)
    if megabytes > MEGABYTES:
        yield f"took {megabytes:.0f} MB more"
    if "--json" not in argv and (found := CONTROL.search(said)):
        yield f"raw {found[0]!r} in a message"


def run_limited(argv: list[str], model: Path) -> tuple[int, str, float]:
    """Return exit status, messages (of `info` all it writes) and memory of a command in a child."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            _be_the_child(argv, model, said.fileno())
        _, waited, used = os.wait4(child, 0)
        said.seek(0)
        text = said.read(10**6).decode("utf-8", errors="replace")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return os.waitstatus_to_exitcode(waited), text, (used.ru_maxrss - before) / 1024


def _be_the_child(argv: list[str], model: Path, said: int) -> None:
    status = 70
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number, handle in enumerate((null, said if argv[0] == "info" else null, said)):
            os.dup2(handle, number)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        signal.alarm(MOST_WAITED)  # SIGALRM and SIGXCPU end the process
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        room = 2**34
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        sys.addaudithook(lambda event, told: _watch(event, told, model))
        from foveate.cli import main

        status = main(argv)
        sys.stdout.flush()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _watch(event: str, told: tuple[Any, ...], model: Path) -> None:
    """Tell when a file is read that is neither of the model nor of a library."""
    if event == "open" and isinstance(told[0], str | bytes):
        name = os.fsdecode(told[0])
        if name.endswith("secret") or name in ("/etc/passwd", "/dev/zero"):
            os.write(2, f"OUTSIDE: reads {name}\n".encode())
        elif name.startswith(str(model)) and Path(name).resolve().name == "secret":
            os.write(2, f"OUTSIDE: reads through the link {name}\n".encode())


def main() -> int:
    """Try seeds, print a JSON line for each that went wrong; 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seed", type=int, action="append", help="these alone, and tell of all")
    parser.add_argument("--keep", action="store_true", help="put those of --seed into the corpus")
    parser.add_argument("--corpus", action="store_true", help="try what is in the corpus")
    asked = parser.parse_args()
    sys.path.insert(0, str(HERE))
    count = failed = refused = 0
    with tempfile.TemporaryDirectory() as room:
        zoo = Zoo(Path(room))
        seeds = asked.seed or range(asked.first, asked.first + asked.count)
        if asked.keep:
            print(*map(zoo.keep, seeds), sep="\n")
            return 0
        kept = sorted(CORPUS.glob("*.json"))
        results = map(zoo.try_kept, kept) if asked.corpus else map(zoo.try_seed, seeds)
        for result in results:
            count += 1
            failed += bool(result.wrong)
            refused += result.num_refused > 0
            if result.wrong or asked.seed or asked.corpus:
                print(json.dumps(vars(result), ensure_ascii=True), flush=True)
    print(f"{failed} of {count} bundles go wrong, {refused} are refused", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
