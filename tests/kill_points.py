"""Disturb a real command at its N-th file-system event, go on, and compare with a quiet run.

    python tests/kill_points.py --stages                 one point of every stage: the long test
    python tests/kill_points.py --stages --scenario train --mode zero      some of them
    python tests/kill_points.py --sample 5               five points of every scenario
    python tests/kill_points.py --sample 5 --seed 7      five others, by chance
    python tests/kill_points.py                          all points, which takes half an hour
    python tests/kill_points.py --scenario test --mode cut --point 17

A child process runs `foveate.cli.main` on its own folder. An audit hook counts what it does to
files there: opening for writing, renaming, making and removing; a wrapper of `os.fsync` counts
syncs. Before the N-th event one of these things happens:

    kill    the process is killed
    torn    it is killed in the middle of its next write
    cut     power fails: names and contents that were not synced are gone
    zero    power fails: names are kept, contents that were not synced are gone
    full    the disk is full from now on: nothing more can be opened for writing or made
    short   the disk is full from now on: writes stop after some bytes

With `--moments 40` the command is killed at forty random moments instead. Then the same command
goes on with `--resume`, or begins anew where nothing had been saved. In the end there must be the
same files as after a quiet run, with the same bytes.

"""

from __future__ import annotations

import argparse
import errno
import hashlib
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEADLY = ("kill", "torn", "cut", "zero")
MODES = (*DEADLY, "full", "short")
TORN_BYTES = 50
VOLATILE = ("bundle.json", "README.md", "log.jsonl", "state.json")  # they tell how long it took
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NAMING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
UPDATE = re.compile(r"\b\d{8}\b")  # in the name of a state
Key = tuple[int, int]


class Disk:
    """What of a folder is on the disk for certain: names and contents as of their last sync."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents: dict[Key, bytes] = {}
        self.names: dict[Key, dict[str, Key]] = {}
        self._kept: list[int] = []  # open, so that no inode number is used again
        for place in (folder, *folder.rglob("*")):
            handle = os.open(place, os.O_RDONLY)
            self.sync(handle)
            os.close(handle)

    def sync(self, handle: int) -> None:
        """Note a file or folder as synced."""
        self._kept.append(os.dup(handle))
        found = os.fstat(handle)
        place = Path(f"/proc/self/fd/{handle}")
        if stat.S_ISDIR(found.st_mode):
            here = place.resolve()
            self.names[_key(found)] = {entry.name: self._keep(entry) for entry in here.iterdir()}
        else:
            self.contents[_key(found)] = place.read_bytes()

    def _keep(self, entry: Path) -> Key:
        self._kept.append(os.open(entry, os.O_RDONLY))
        return _key(entry.stat())

    def cut_power(self, is_name_kept: bool) -> None:
        """Leave what is certain, and nothing else; names that are not synced as is told."""
        after = self.folder.with_name("after")
        after.mkdir()
        if is_name_kept:
            self._empty_unsynced(after)
        else:
            self._rebuild(_key(self.folder.stat()), after)
        shutil.rmtree(self.folder)
        after.rename(self.folder)

    def _empty_unsynced(self, after: Path) -> None:
        for place in sorted(self.folder.rglob("*")):
            copied = after / place.relative_to(self.folder)
            if place.is_dir():
                copied.mkdir()
            else:
                copied.write_bytes(self.contents.get(_key(place.stat()), b""))

    def _rebuild(self, folder: Key, after: Path) -> None:
        kinds = {_key(os.fstat(handle)): os.fstat(handle).st_mode for handle in self._kept}
        for name, key in self.names.get(folder, {}).items():
            if stat.S_ISDIR(kinds[key]):
                (after / name).mkdir()
                self._rebuild(key, after / name)
            else:
                (after / name).write_bytes(self.contents.get(key, b""))


def _key(found: os.stat_result) -> Key:
    return found.st_dev, found.st_ino


class Watcher:
    """Count the events of this process in a folder, and disturb one of them.

    Args:
        folder: where events count.
        mode: what happens, one of `MODES`; None only counts.
        point: before which event, from 1.
    """

    def __init__(self, folder: Path, mode: str | None, point: int) -> None:
        self.folder, self.mode, self.point = folder.resolve(), mode, point
        self.events: list[str] = []
        self.is_over = self.is_busy = False
        self.disk = Disk(self.folder) if mode in ("cut", "zero") else None

    def install(self) -> None:
        """Begin to watch; there is no end but that of the process."""
        sys.addaudithook(self._hear)
        sync = os.fsync

        def watched_sync(handle: Any) -> None:
            number = handle if isinstance(handle, int) else handle.fileno()
            place = Path(f"/proc/self/fd/{number}").readlink()
            if self._is_ours(place):
                self._count("fsync", place)
            sync(number)
            if self.disk is not None and self._is_ours(place):
                self.disk.sync(number)

        os.fsync = watched_sync

    def _hear(self, event: str, told: tuple[Any, ...]) -> None:
        if self.is_busy or (event != "open" and event not in NAMING):
            return
        self.is_busy = True  # what is done here makes events, too
        try:
            if event == "open" and (not isinstance(told[2], int) or not told[2] & WRITING):
                return
            place = _resolve(event, told)
            if place is not None and self._is_ours(place):
                self._count(event.removeprefix("os."), place)
        finally:
            self.is_busy = False

    def _is_ours(self, place: Path) -> bool:
        return self.folder == place or self.folder in place.parents

    def _count(self, event: str, place: Path) -> None:
        self.events.append(f"{event} {place.relative_to(self.folder)}")
        if len(self.events) == self.point and self.mode is not None:
            self.is_over = True
            self.is_busy = True
            self._disturb()
            self.is_busy = False
        if self.is_over and self.mode == "full" and event in ("open", "mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))

    def _disturb(self) -> None:
        if self.mode == "torn":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        if self.mode in ("torn", "short"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (TORN_BYTES, TORN_BYTES))
        if self.disk is not None:
            self.disk.cut_power(is_name_kept=self.mode == "zero")
        if self.mode in ("kill", "cut", "zero"):
            os.kill(os.getpid(), signal.SIGKILL)


def _resolve(event: str, told: tuple[Any, ...]) -> Path | None:
    """Return the place that an event is about; of a rename, where it goes."""
    named = told[1] if event == "os.rename" else told[0]
    if not isinstance(named, str | bytes | os.PathLike):
        return None
    place = Path(os.fsdecode(named))
    at = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 2, "os.rename": 3}.get(event)
    if not place.is_absolute():
        is_relative = at is not None and isinstance(told[at], int) and told[at] >= 0
        handle = Path(f"/proc/self/fd/{told[at]}") if is_relative and at else None
        place = (handle.readlink() if handle else Path.cwd()) / place
    return Path(os.path.normpath(place))


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit status (negative: by that signal), its messages, its events."""

    status: int
    said: str
    events: list[str] = field(default_factory=list)


def call(argv: list[str], folder: Path, mode: str | None = None, point: int = 0) -> Outcome:
    """Run the command line in a child process that is watched in `folder`."""
    with tempfile.TemporaryFile() as record:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _be_the_child(argv, folder, mode, point, writer, record.fileno())
        os.close(writer)
        with open(reader, "rb") as stream:  # noqa: PTH123 (a file descriptor)
            said = stream.read().decode("utf-8", errors="replace")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        record.seek(0)
        events = record.read().decode("utf-8").splitlines()
    return Outcome(status, said, events)


def _be_the_child(
    argv: list[str], folder: Path, mode: str | None, point: int, said: int, record: int
) -> None:
    status = 70  # of a traceback
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number, handle in enumerate((null, null, said)):
            os.dup2(handle, number)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        from foveate.cli import main

        if mode == "moment":
            signal.setitimer(signal.ITIMER_REAL, point / 1000)  # SIGALRM ends the process
        watcher = Watcher(folder, mode, point)
        watcher.install()
        try:
            status = main(argv)
        finally:
            if mode is None:
                os.write(record, "\n".join(watcher.events).encode())
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


@dataclass(frozen=True)
class Scenario:
    """A command that is disturbed.

    Attributes:
        name: what to call it.
        argv: the command; MODEL, PAIRS and so on stand for places.
        prepare: makes what has to be there before, in the folder.
        goes_on: whether the command can `--resume`.
        made: name of the model in the folder.
        is_exact: whether it ends with the same bytes; what has minutes depends on the clock.
    """

    name: str
    argv: tuple[str, ...]
    prepare: Callable[[Path, Path], None] = lambda folder, data: None
    goes_on: bool = True
    made: str = "model"
    is_exact: bool = True


SIZES = """--hidden-size 8 --embedding-size 8 --num-layers 2 --batch-tokens 64
    --num-validations 2 --threads 1 --memory
    --source-tokens characters --target-tokens characters""".split()  # noqa: SIM905
UNTIL = ("train", "PAIRS", "--out", "MODEL", "--dev", "DEV", *SIZES)
TRAIN = (*UNTIL, "--max-updates", "6")
OVERWRITE = "--overwrite"


def _stop_half_way(folder: Path, data: Path) -> None:
    """Leave a run that was killed after its first state, and once more after it was resumed."""
    argv = fill_in(TRAIN, folder, data)
    quiet = call(fill_in(TRAIN, copied := _copy(folder), data), copied)
    after = next(i for i, event in enumerate(quiet.events) if _is_state(event)) + 4
    assert call(argv, folder, "kill", after).status == -signal.SIGKILL
    assert call([*argv, "--resume"], folder, "kill", 2).status == -signal.SIGKILL


def _train_another(folder: Path, data: Path) -> None:
    """Leave a whole model with the same number of updates, an edited card and its run."""
    argv = fill_in((*TRAIN, "--seed", "2", "--models", "2"), folder, data)
    assert call(argv, folder).status == 0
    with (folder / "model" / "README.md").open("a") as card:
        card.write("of another model")


def _is_state(event: str) -> bool:
    return event.startswith("rename") and "state" in event and event.split("/")[-1].isdigit()


def _copy(folder: Path) -> Path:
    """Return a copy of a folder beside it, of an equally long name."""
    return Path(shutil.copytree(folder, Path(tempfile.mkdtemp(dir=folder.parent)) / folder.name))


def warm_up(data: Path, is_exported: bool) -> None:
    """Train the model that is exported, in this process: children need not load things again."""
    from foveate.cli import main

    with open(os.devnull, "w") as null, redirect_stdout(null), redirect_stderr(null):  # noqa: PTH123
        assert main(fill_in(TRAIN, data, data)) == 0
        if is_exported:
            assert main(fill_in(("export", "TRAINED", "MODEL"), data / "exported", data)) == 0


SCENARIOS = (
    Scenario("train", TRAIN),
    Scenario("resume", TRAIN, _stop_half_way),
    Scenario("overwrite", (*TRAIN, OVERWRITE), _train_another),
    Scenario("test", (*TRAIN, "--test", "DEV")),
    Scenario("learning curve", (*TRAIN, "--learning-curve")),
    Scenario("ensemble", (*TRAIN, "--models", "2")),
    Scenario("distillation", (*TRAIN, "--models", "2", "--distill", "--test", "DEV")),
    Scenario("minutes", (*UNTIL, "--minutes", "0.01", "--test", "DEV"), is_exact=False),
    Scenario("export", ("export", "TRAINED", "MODEL"), goes_on=False),
)


# One disturbance of every stage: scenario, mode, and the event that it comes before (how often
# there were events like it before; -1 for the last of them).
STAGES = (
    ("train", "kill", "mkdir model/state", 0),  # the first milliseconds
    ("train", "zero", "rename model/state/run.json", 0),
    ("train", "cut", r"rename model/state/\d+", 0),  # a state
    ("train", "short", "open model/log.jsonl", 3),  # a validation
    ("train", "torn", "open .*/tensors.safetensors", 1),  # the last update
    ("resume", "kill", r"rename model/state/\d+", 0),
    ("overwrite", "kill", "remove model/state/run.json", 0),  # the old run
    ("overwrite", "cut", "rename model/state/run.json", 0),
    ("overwrite", "kill", "rename model/bundle.json", -1),
    ("test", "full", "open model/.saving.*/weights.safetensors", 0),  # the first save
    ("test", "kill", "rename model/bundle.json", -1),  # the second
    ("test", "cut", "rmdir model/.saving.*", -1),  # tidying
    ("ensemble", "zero", "rename .*/bundle.json", 1),
    ("export", "kill", "rename model", 0),
)


def fill_in(argv: tuple[str, ...], folder: Path, data: Path) -> list[str]:
    """Put the places into a command."""
    places = {
        "MODEL": folder / "model",
        "TRAINED": data / "model",
        "PAIRS": data / "pairs.tsv",
        "DEV": data / "dev.tsv",
    }
    return [str(places.get(part, part)) for part in argv]


def write_data(data: Path) -> None:
    """Write pairs to learn from, and train the model that is exported."""
    data.mkdir()
    words = ["".join(letters) for letters in itertools.permutations("abcde", 2)]
    (data / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words[:17]))
    (data / "dev.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words[17:]))


class Trial:
    """A scenario, what its quiet run leaves, and the check of one point after the other."""

    def __init__(self, scenario: Scenario, data: Path, room: Path) -> None:
        self.scenario, self.data, self.room = scenario, data, room
        self.room.mkdir()
        self.before = self._new_folder()
        scenario.prepare(self.before, data)
        begin = time.perf_counter()
        quiet, self.expected = self._run_quietly()
        self.milliseconds = 1000 * (time.perf_counter() - begin)
        self.events = quiet.events
        assert any(digest for name, digest in self.expected.items() if _computes(name))

    def _new_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self.room)) / "work"
        folder.mkdir()
        return folder

    def _start(self) -> tuple[Path, list[str]]:
        folder = self._new_folder()
        shutil.copytree(self.before, folder, dirs_exist_ok=True)
        argv = fill_in(self.scenario.argv, folder, self.data)
        is_begun = (folder / "model" / "state").is_dir() and OVERWRITE not in argv
        return folder, [*argv, "--resume"] if is_begun else argv

    def _run_quietly(self) -> tuple[Outcome, dict[str, str]]:
        folder, argv = self._start()
        outcome = call(argv, folder)
        assert outcome.status == 0, outcome.said
        return outcome, take_stock(folder)

    def choose_moments(self, count: int, seed: int) -> list[tuple[str, int]]:
        """Return random moments of the quiet run, in milliseconds, the same for a seed."""
        chance = random.Random(f"{self.scenario.name} {seed}")
        return [("moment", 1 + int(chance.random() * self.milliseconds)) for _ in range(count)]

    def choose_stages(self) -> list[tuple[str, int]]:
        """Return mode and point of the stages of `STAGES` that are this scenario's."""
        return [
            (mode, [n for n, one in enumerate(self.events, 1) if re.fullmatch(event, one)][place])
            for name, mode, event, place in STAGES
            if name == self.scenario.name
        ]

    def disturb(self, mode: str, point: int) -> str:
        """Return what is wrong after a disturbance, or nothing."""
        folder, argv = self._start()
        try:
            return self._disturb(folder, argv, mode, point)
        finally:
            shutil.rmtree(folder.parent)

    def _disturb(self, folder: Path, argv: list[str], mode: str, point: int) -> str:
        outcome = call(argv, folder, mode, point)
        if mode in ("kill", "cut", "zero") and outcome.status != -signal.SIGKILL:
            return f"was not killed: {outcome.status} {_last(outcome)}"
        if wrong := _check_words(outcome):
            return wrong
        model = folder / self.scenario.made
        if (model / "bundle.json").exists():
            info = call(["info", str(model)], folder)
            if info.status != 0:
                return f"the model is damaged: {_last(info)}"
        return self._go_on(folder) or self._compare(take_stock(folder))

    def _go_on(self, folder: Path) -> str:
        argv = fill_in(self.scenario.argv, folder, self.data)
        model = folder / self.scenario.made
        if not self.scenario.goes_on:
            if (model / "bundle.json").exists():
                return ""
            again = call(argv, folder)
            return "" if again.status == 0 else f"cannot be done again: {_last(again)}"
        has_state = any(path.name.isdigit() for path in model.rglob("*") if path.is_dir())
        again = call([*argv, "--resume"], folder)
        may_begin = not has_state or OVERWRITE in argv
        if again.status == 2 and may_begin and "Traceback" not in again.said:
            again = call(argv, folder)
        return "" if again.status == 0 else f"cannot go on: {_last(again)}"

    def _compare(self, found: dict[str, str]) -> str:
        expected = self.expected
        if not self.scenario.is_exact:
            found, expected = (
                {UPDATE.sub("00000000", name): "" for name in one} for one in (found, expected)
            )
        left = sorted(found.keys() - expected.keys())
        missing = sorted(expected.keys() - found.keys())
        other = [name for name, one in expected.items() if one and found.get(name) != one]
        said = []
        said += [f"left over: {', '.join(left)}"] * bool(left)
        said += [f"missing: {', '.join(missing)}"] * bool(missing)
        said += [f"other bytes: {', '.join(other)}"] * bool(other)
        return "; ".join(said)


def _computes(name: str) -> bool:
    return name.endswith((".safetensors", ".onnx"))


def _check_words(outcome: Outcome) -> str:
    if "Traceback" in outcome.said:
        return f"traceback: {_last(outcome)}"
    if outcome.status > 0 and not outcome.said.strip():
        return f"exit status {outcome.status} without a word"
    return ""


def _last(outcome: Outcome) -> str:
    return (outcome.said.strip().splitlines() or [f"exit status {outcome.status}"])[-1]


def take_stock(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file in a folder, and of the scores of a model."""
    found = {}
    for place in sorted(folder.rglob("*")):
        name = place.relative_to(folder).as_posix()
        if place.name in VOLATILE:
            found[name] = ""
        elif place.is_file():
            found[name] = hashlib.sha256(place.read_bytes()).hexdigest()
        elif not any(place.iterdir()):
            found[f"{name}/"] = "empty"
    for manifest in folder.glob("*/bundle.json"):
        scores = json.dumps(json.loads(manifest.read_text(encoding="utf-8"))["scores"])
        found[f"scores of {manifest.parent.name}"] = hashlib.sha256(scores.encode()).hexdigest()
    return found


def choose_points(
    count: int, sample: int | None, modes: list[str], turn: Iterator[str], seed: int | None
) -> list[tuple[str, int]]:
    """Return (mode, point): a sample over the whole run, the first and the last among it, or all.

    With a seed the sample is a random one. Every point has all the modes that are asked for, or
    else one of them in turn.
    """
    points = list(range(1, count + 1))
    if sample is not None and sample < count and seed is not None:
        points = sorted(random.Random(seed).sample(points, sample))
    elif sample is not None and sample < count:
        points = [1 + round(number * (count - 1) / (sample - 1)) for number in range(sample)]
    return [(mode, point) for point in points for mode in modes or [next(turn)]]


def run_trials(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for every point."""
    with tempfile.TemporaryDirectory() as room:
        data = Path(room) / "data"
        write_data(data)
        warm_up(data, not asked.scenario or "export" in asked.scenario)
        turn = itertools.cycle(MODES)
        for scenario in SCENARIOS:
            if asked.scenario and scenario.name not in asked.scenario:
                continue
            if asked.stages and not any(scenario.name == name for name, *_ in STAGES):
                continue
            trial = Trial(scenario, data, Path(room) / scenario.name.replace(" ", "-"))
            chosen = choose_points(len(trial.events), asked.sample, asked.mode, turn, asked.seed)
            if asked.stages:
                chosen = trial.choose_stages()
                chosen = [one for one in chosen if not asked.mode or one[0] in asked.mode]
            if asked.point is not None:
                chosen = [(mode, asked.point) for mode in asked.mode or MODES]
            if asked.moments:
                chosen = trial.choose_moments(asked.moments, asked.seed or 0)
            for mode, number in chosen:
                row = {"scenario": scenario.name, "mode": mode, "point": number}
                if mode != "moment":
                    row |= {"of": len(trial.events), "event": trial.events[number - 1]}
                yield {**row, "wrong": trial.disturb(mode, number)}


def main(argv: list[str] | None = None) -> int:
    """Run the points that are asked for, print a JSON line for each; 1 when one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenario", action="append", default=[])
    parser.add_argument("--mode", action="append", default=[], choices=MODES)
    parser.add_argument("--stages", action="store_true", help="one point of every stage")
    parser.add_argument("--sample", type=int, help="so many points of each scenario, not all")
    parser.add_argument("--seed", type=int, help="of the sample, or of the moments")
    parser.add_argument("--moments", type=int, help="random moments instead of points")
    parser.add_argument("--point", type=int, help="this one only")
    count = failed = 0
    for row in run_trials(parser.parse_args(argv)):
        print(json.dumps(row, ensure_ascii=False), flush=True)
        count += 1
        failed += bool(row["wrong"])
    print(f"{failed} of {count} points are wrong", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
