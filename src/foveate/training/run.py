"""A whole training run: from a table of pairs to a bundle, resumable at any moment."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from foveate.bundle import MANIFEST, Bundle, refuse_foreign, save_bundle
from foveate.config import Config, build_config
from foveate.data.batching import EncodedPairs, encode_table
from foveate.data.table import PairTable
from foveate.errors import BundleError, ConfigError, DataError, TrainingError
from foveate.files import replace_file
from foveate.models.build import build_model
from foveate.models.copying import LexicalPrior
from foveate.models.seq2seq import Seq2SeqModel
from foveate.records import SoftTargets
from foveate.text.codec import Codec
from foveate.text.detection import build_codecs
from foveate.text.matching import Matching
from foveate.torch_backend import TorchStepper, keep_kernels, use_threads
from foveate.training.appraisal import appraise
from foveate.training.defaults import DataFacts, choose_learning_rate, describe_plan, resolve
from foveate.training.interrupt import InterruptGate
from foveate.training.lexicon import Lexicon
from foveate.training.loop import Trainer, load_tensors
from foveate.training.report import Listener, Report, be_silent
from foveate.training.speed import measure_speed
from foveate.training.state import StateFolder
from foveate.training.validation import MOST_SOURCES, Validation, share_out
from foveate.translator import Translator

SAVE_SECONDS = 60.0
REPORT_SECONDS = 1.0
NUM_LOG_ROWS = 200
ROUND_TRIPS = 1000  # texts of each side that are checked
VALIDATION_SHARE = 0.1  # of the minutes, at most, by the calibration
TRIALS = (0.1, 0.3)  # of the updates, whose speed then decides how many the minutes hold
LARGEST_DEV = 2000
MOST_EXAMPLES = 64  # dev sources that a model carries, to check an export on


@dataclass
class Trained:
    """What a run leaves: a translator, resolved options, what happened, and the pairs it used."""

    translator: Translator
    config: Config
    summary: dict[str, Any]
    table: PairTable
    dev: PairTable
    was_interrupted: bool = False


def train(
    table: PairTable,
    dev: PairTable | None,
    config: Config,
    *,
    out: Path | None = None,
    resume: bool = False,
    report: Listener | None = None,
    words: Collection[str] = (),
    soft_targets: SoftTargets | None = None,
) -> Trained:
    """Train one model on pairs and return it; with `out`, leave it there as a bundle.

    Args:
        table: the pairs.
        dev: pairs to select the best weights by; None takes some from `table`.
        config: the options; None in it is found from the data.
        out: folder for the bundle, `state/` and `log.jsonl`.
        resume: go on with the run in `out`, which was stopped or killed.
        report: is told what happens.
        words: of the target language; where dev says so, outputs that are made of them are
            preferred.
        soft_targets: what a teacher finds likely at every step of `table`, with its vocabularies;
            learnt instead of the targets (training/distillation.py).

    Raises:
        ConfigError: options that do not go together, or another run's with `resume`.
        DataError: there is too little data.
        BundleError: `out` is taken, or there is nothing to resume.
        TrainingError: the loss is not a number.
    """
    if out is not None:
        refuse_foreign(out)
    if resume and out is not None and StateFolder(out).is_finished:
        (report or be_silent)(Report("note", f"{out}: this run has ended already"))
        translator = Translator.load(out, backend="torch", threads=config.threads)
        if dev is None:
            table, dev = hold_out(table, config.seed)
        return Trained(translator, translator.config, translator.summary, table, dev)
    begin = time.perf_counter()
    config = dataclasses.replace(config, models=1)  # several: training/ensemble.py
    run = _Run(table, dev, config, out, report or be_silent, words, soft_targets)
    run.resume() if resume else run.begin()
    run.calibrate(begin)
    return run.finish(was_interrupted=run.loop())


class _Run:
    """The parts of one run, tied together."""

    def __init__(
        self,
        table: PairTable,
        dev: PairTable | None,
        config: Config,
        out: Path | None,
        report: Listener,
        words: Collection[str] = (),
        soft_targets: SoftTargets | None = None,
    ) -> None:
        use_threads(config.threads)
        self.report, self.out, self.words = report, out, words
        self.soft_targets = soft_targets
        self.fingerprint = _fingerprint(table, dev)
        self.table, self.dev = (table, dev) if dev is not None else hold_out(table, config.seed)
        if dev is None and self.dev is not self.table:
            report(Report("note", f"dev: {len(self.dev):,} pairs held out of the training pairs"))
        self.config = config
        self.state = StateFolder(out) if out is not None else None
        self.device = choose_device(config.device)

    def begin(self) -> None:
        """Learn the vocabularies and build a new model."""
        if self.state is not None and self.state.exists:
            raise BundleError(
                f"{self.out}: holds a training run: add --resume to go on with it, or choose "
                "another folder"
            )
        if self.out is not None and (self.out / MANIFEST).exists():
            raise BundleError(f"{self.out}: holds a model already: choose another folder")
        codecs = build_codecs(self.table.sources, self.table.targets, len(self.table), self.config)
        self._set_text(*codecs)
        self._check_round_trip("source", codecs[0], self.table.sources())
        self._check_round_trip("target", codecs[1], self.table.targets())
        kinds: dict[str, Any] = {"source_tokens": codecs[0].kind, "target_tokens": codecs[1].kind}
        requested = dataclasses.asdict(self.config)
        config = dataclasses.replace(self.config, **kinds)
        is_timed = self.config.max_updates is None  # else nothing depends on the machine
        speed = measure_speed(self.device) if is_timed else 1.0
        self.config = resolve(config, self.facts, torch.get_num_threads(), speed)
        self._build()
        self.run: dict[str, Any] = {
            "requested": requested,
            "config": dataclasses.asdict(self.config),
            "data": self.fingerprint,
        }

    def resume(self) -> None:
        """Take up a run that was stopped."""
        if self.state is None or not self.state.exists:
            raise BundleError(f"{self.out}: there is no training run to resume")
        self.run = self.state.read_run()
        if self.run["data"] != self.fingerprint:
            raise DataError(
                f"{self.out}: was begun with other pairs: resume with the same files, or train "
                "into another folder"
            )
        requested = dataclasses.asdict(self.config)
        begun = {**dataclasses.asdict(Config()), **self.run["requested"]}  # may lack newer options
        changed = [name for name in requested if requested[name] != begun[name]]
        if changed:
            raise ConfigError(
                f"{self.out}: was begun with other options ({', '.join(changed)}): resume with "
                "the same, or train into another folder"
            )
        self.config = build_config(self.run["config"], origin=str(self.out))
        self._set_text(*self.state.read_codecs(self.config))
        self._build()
        saved = self.state.load()
        if saved is not None:
            self.trainer.restore(*saved)
        done = self.trainer.counters.update
        assert self.out is not None
        cut_log(self.out / "log.jsonl", done)
        self.report(
            Report("note", f"resumed after {done:,} of {self.run['total_updates']:,} updates")
        )

    def calibrate(self, begin: float) -> None:
        """Turn minutes into a number of updates, once, and write it down."""
        if "total_updates" not in self.run:
            self.run["num_validations"] = self.config.num_validations
            self.run["validation_sources"] = MOST_SOURCES
            if self.config.max_updates is None:
                assert self.config.minutes is not None
                self._plan_minutes(self.config.minutes * 60, begin)
            else:
                self.run["total_updates"] = self.config.max_updates
            if self.config.learning_rate is None:
                updates = int(self.run["total_updates"])
                rate = choose_learning_rate(self.config, self.facts, updates)
                self.config = dataclasses.replace(self.config, learning_rate=rate)
                self.run["config"] = dataclasses.asdict(self.config)
            if self.state is not None:
                self._write_state_folder()
        self.trainer.config = self.config
        self.trainer.total_updates = self.total = int(self.run["total_updates"])
        self.validation = Validation.build(
            self.dev, self._matching(), self.run["validation_sources"]
        )
        self.plan = describe_plan(self.config, self.facts, self.num_parameters)
        self.report(
            Report("plan", f"{self.plan}, {self.total:,} updates", total_updates=self.total)
        )

    def loop(self) -> bool:
        """Train to the last update; return whether the user stopped it.

        Raises:
            TrainingError: the loss is not a number; the best weights so far are kept.
        """
        with InterruptGate() as gate:
            try:
                self._train(gate)
                self._choose_last()
            except KeyboardInterrupt:
                if not gate.is_torn:  # else the state of the last validation stands
                    self._save_state()
                return True
            except TrainingError:
                if self.trainer.best:
                    self.finish(was_interrupted=True)
                raise
        return False

    def finish(self, was_interrupted: bool) -> Trained:
        """Score the best weights on the whole dev set and write the bundle."""
        counters = self.trainer.counters
        if not self.trainer.best:
            self.trainer.keep_best()
        summary = {
            "plan": self.plan,
            "pairs": len(self.table),
            "dev_pairs": len(self.dev),
            "parameters": self.num_parameters,
            "updates": counters.update,
            "epochs": round(self.trainer.epoch, 2),
            "minutes": round(counters.seconds / 60, 2),
            "best_update": counters.best_update,
            "seed": self.config.seed,
            "max_length_ratio": self.length_ratio,
            "was_interrupted": was_interrupted,
            "examples": self.validation.sources[:MOST_EXAMPLES],
        }
        weights = {name: tensor.cpu().numpy() for name, tensor in self.trainer.best.items()}
        bundle = Bundle(self.config, self.source_codec, self.target_codec, weights, summary)
        translator = appraise(
            bundle,
            self.table,
            self.dev,
            self.report,
            is_complete=not was_interrupted,
            words=self.words,
        )
        self._tell("end", dev=counters.best_scores)
        if self.out is not None:
            save_bundle(bundle, self.out)
        if self.state is not None and not was_interrupted:
            self.state.finish()
        return Trained(translator, self.config, summary, self.table, self.dev, was_interrupted)

    def _set_text(self, source_codec: Codec, target_codec: Codec) -> None:
        self.source_codec, self.target_codec = source_codec, target_codec
        pairs = encode_table(self.table, source_codec, target_codec)
        if not len(pairs):
            raise DataError("there are no pairs to train on")
        soft = self.soft_targets
        assert soft is None or len(soft) == pairs.num_steps, "soft targets of other pairs"
        self._pairs = pairs
        ratio = pairs.target_lengths / np.maximum(pairs.source_lengths, 1)
        largest = max(float(np.quantile(ratio, 0.999)), 2 * float(ratio.mean()))
        self.length_ratio = round(largest, 2)
        self.target_ids = target_codec.vocabulary.ids(source_codec.vocabulary.entries)
        self.facts = DataFacts(
            len(self.table),
            float(pairs.source_lengths.mean()),
            float(pairs.target_lengths.mean()),
            len(source_codec.vocabulary),
            len(target_codec.vocabulary),
            source_codec.kind,
            target_codec.kind,
        )

    def _check_round_trip(self, side: str, codec: Codec, texts: Iterator[str]) -> None:
        """Say so when tokens do not give the text back: of a target, that is what gets lost."""
        looked_at = list(islice(texts, ROUND_TRIPS))
        changed = [text for text in looked_at if not codec.round_trips(text)]
        if changed:
            example = codec.decode(codec.encode(changed[0]))
            self.report(
                Report(
                    "note",
                    f"{side}: {len(changed):,} of {len(looked_at):,} texts do not come back "
                    f"exactly from their {codec.kind} tokens: {changed[0]!r} as {example!r}",
                )
            )

    def _build(self) -> None:
        assert self.config.batch_tokens is not None
        keep_kernels(self.config.batch_tokens)
        torch.manual_seed(self.config.seed)
        model = build_model(
            self.config,
            self.facts.source_size,
            self.facts.target_size,
            self.source_codec is self.target_codec,
            self.target_ids,
        )
        lexicon = self._learn_lexicon(model)
        model = model.to(self.device)
        self.num_parameters = sum(parameter.numel() for parameter in model.parameters())
        self.trainer = Trainer(model, self.config, self._encode_epoch, lexicon, self.soft_targets)
        self.validation = Validation.build(self.dev, self._matching())

    def _learn_lexicon(self, model: Seq2SeqModel) -> Lexicon | None:
        """Learn the lexicon that the options ask for; a model that looks things up gets it."""
        if not (self.config.lexicon or self.config.guidance):
            return None
        lexicon = Lexicon(self._pairs, self.facts.source_size, self.facts.target_size)
        if isinstance(model.copying, LexicalPrior):
            model.copying.set_lexicon(*lexicon.likeliest(model.copying.words.shape[1]))
        return lexicon

    def _encode_epoch(self, epoch: int) -> EncodedPairs:
        """Return the pairs as ids; subwords are sampled afresh in every epoch.

        Not where there are soft targets: these are of one way to split the target.
        """
        sampling = self.config.subword_sampling or 0.0
        if sampling == 0 or not self.facts.has_subwords or self.soft_targets is not None:
            return self._pairs
        seed = int(np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0] >> 1)
        return encode_table(
            self.table, self.source_codec, self.target_codec, sampling=sampling, seed=seed
        )

    def _plan_minutes(self, seconds: float, begin: float) -> None:
        self.report(Report("note", "measuring how fast this machine trains"))
        num_sources = len(self.validation.sources)
        per_source = self._time_source()
        left = max(seconds - (time.perf_counter() - begin), 0.1 * seconds)
        count, sources = share_out(
            VALIDATION_SHARE * left, per_source, self.config.num_validations, num_sources
        )
        self.run["num_validations"], self.run["validation_sources"] = count, sources
        self.run["seconds"] = max(left - count * sources * per_source, 0.1)  # for updates alone
        self.run["total_updates"] = self.trainer.plan(self.run["seconds"])
        self.run["trials"] = list(TRIALS)

    def _plan_again(self, each: float) -> None:
        """Set the number of updates from the seconds that one has taken so far.

        The calibration was short, and other programs may have been busy in it, or in the first
        tenth.
        """
        done, before = self.trainer.counters.update, self.total
        self.total = max(int(self.run["seconds"] / each), done + 1)
        self.trainer.total_updates = self.run["total_updates"] = self.total
        del self.run["trials"][0]
        if abs(self.total - before) > 0.05 * before:
            self.report(Report("note", f"the time is enough for {self.total:,} updates"))
        if self.state is not None:
            self._write_state_folder()
        self._save_state()

    def _time_source(self) -> float:
        """Time greedy search for a dev source, held to the length of a real target."""
        some = self.validation.sources[:64]
        limit = round(self.facts.target_length) + 1
        begin = time.perf_counter()
        translator = self._translator()
        for _ in translator.translate(some, beam_size=1, attention=False, max_length=limit):
            pass
        return (time.perf_counter() - begin) / len(some)

    def _translator(self, model: Seq2SeqModel | None = None) -> Translator:
        """Return a translator by the average, or by another model."""
        summary = {"max_length_ratio": self.length_ratio}
        bundle = Bundle(self.config, self.source_codec, self.target_codec, {}, summary)
        stepper = TorchStepper(model or self.trainer.average, with_attention=False)
        return Translator(bundle, stepper)

    def _train(self, gate: InterruptGate) -> None:
        trainer, counters = self.trainer, self.trainer.counters
        begun, spent = counters.update, 0.0
        self._clock = last_save = last_report = time.perf_counter()
        while counters.update < self.total and not self._is_stale():
            gate.check()
            trainer.update()
            now = time.perf_counter()
            spent += now - self._clock
            counters.seconds += now - self._clock
            self._clock = now
            timed = counters.update - begun
            if self.run.get("trials") and timed >= self.run["trials"][0] * self.total:
                self._plan_again(spent / timed)
            validate_every = max(1, round(self.total / self.run["num_validations"]))
            log_every = max(1, self.total // NUM_LOG_ROWS)
            is_last = counters.update == self.total
            is_logged = counters.update % log_every == 0 or is_last
            if is_logged or now - last_report > REPORT_SECONDS:
                self._tell("progress", elapsed=now - last_report, is_logged=is_logged)
                last_report = now
            is_due = counters.update % validate_every == 0
            is_near_end = self.total - counters.update < validate_every / 2
            is_validation = is_last or (is_due and not is_near_end)
            if is_validation:
                self._validate()
                last_report = time.perf_counter()
            if is_validation or now - last_save > SAVE_SECONDS:
                self._save_state()
                last_save = time.perf_counter()

    def _is_stale(self) -> bool:
        return 0 < self.config.patience <= self.trainer.counters.stale

    def _matching(self) -> Matching:
        return Matching(self.source_codec, self.target_codec)

    def _validate(self) -> None:
        counters = self.trainer.counters
        outputs = self.validation.translate(self._translator())
        scores = self.validation.measure(outputs)
        is_top = self.validation.is_better(scores, counters.top_scores)
        if is_top:
            counters.top_scores, counters.top_outputs = scores, outputs
        is_kept = is_top or self.validation.is_as_good(outputs, counters.top_outputs)
        if is_kept:
            counters.best_update, counters.best_scores = counters.update, scores
            self.trainer.keep_best()
        counters.stale = 0 if is_top else counters.stale + 1
        counters.seconds += time.perf_counter() - self._clock
        self._clock = time.perf_counter()
        self._tell("validation", dev=scores, is_kept=is_kept)

    def _choose_last(self) -> None:
        """Keep the last weights after all, where the whole of dev finds them as good.

        The best of twenty scores of a sample is in part the luckiest one; most of the other
        sources had no part in choosing it.
        """
        counters = self.trainer.counters
        whole = Validation.build(self.dev, self._matching(), len(self.dev))
        num_sources = len(whole.sources)
        if counters.best_update == counters.update or num_sources == len(self.validation.sources):
            return
        kept = copy.deepcopy(self.trainer.average)
        load_tensors(kept, self.trainer.best)
        outputs, others = (whole.translate(self._translator(model)) for model in (None, kept))
        if whole.is_as_good(outputs, others):
            self.report(
                Report(
                    "note",
                    f"the last weights are kept: on all {num_sources:,} dev sources they are as "
                    f"good as those of update {counters.best_update:,}",
                )
            )
            counters.best_update = counters.update
            counters.best_scores = whole.measure(outputs)
            self.trainer.keep_best()

    def _tell(
        self,
        kind: Any,
        elapsed: float | None = None,
        dev: dict[str, float] | None = None,
        is_kept: bool = False,
        is_logged: bool = True,
    ) -> None:
        trainer, counters = self.trainer, self.trainer.counters
        loss, speed = None, None
        if elapsed is not None:
            loss, tokens = trainer.take_loss()
            speed = tokens / max(elapsed, 1e-9)
        left = counters.seconds / max(counters.update, 1) * (self.total - counters.update)
        report = Report(
            kind,
            update=counters.update,
            total_updates=self.total,
            epoch=round(trainer.epoch, 3),
            seconds=round(counters.seconds, 2),
            seconds_left=round(left, 1),
            loss=loss,
            learning_rate=trainer.learning_rate,
            target_tokens_per_second=speed,
            dev=dev,
            is_kept=is_kept,
        )
        self.report(report)
        if self.out is not None and is_logged:
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(report.to_log()) + "\n")

    def _save_state(self) -> None:
        if self.state is None:
            return
        try:
            self.state.save(self.trainer.counters, self.trainer.tensors())
        except OSError as error:
            self.report(Report("note", f"could not save the state: {error.strerror or error}"))

    def _write_state_folder(self) -> None:
        assert self.state is not None and self.out is not None
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.state.begin(self.run, self.source_codec, self.target_codec)
        except OSError as error:
            raise BundleError(f"{self.out}: cannot write there: {error.strerror}") from None


def hold_out(table: PairTable, seed: int, most: int = LARGEST_DEV) -> tuple[PairTable, PairTable]:
    """Split a dev set off: a twentieth of the pairs, at most `most`, a tenth if few.

    With fewer than ten pairs there is nothing to spare: dev is then the training pairs.
    """
    if len(table) < 10:
        return table, table
    count = min(max(len(table) // 20, min(50, len(table) // 10)), most)
    try:
        return table.split_off(max(count, 1), seed)
    except DataError:
        return table, table


def cut_log(path: Path, update: int) -> None:
    """Drop the rows that a killed run wrote after the state that it goes on from."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the kill came while it was written
            continue
        if row.get("update", 0) <= update and row.get("kind") != "end":
            kept.append(line + "\n")
    replace_file(path, "".join(kept))


def choose_device(name: str) -> torch.device:
    """Return the device that an option names.

    Raises:
        ConfigError: PyTorch does not know it or cannot use it here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError):
        raise ConfigError(f"device: {name!r} cannot be used here; cpu can") from None


def _fingerprint(table: PairTable, dev: PairTable | None) -> str:
    digest = hashlib.sha256()
    for part in (table, dev):
        if part is not None:
            for text in (*part.sources(), "", *part.targets(), ""):
                digest.update(text.encode("utf-8") + b"\n")
    return digest.hexdigest()
