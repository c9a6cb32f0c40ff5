"""Foveate itself: its layouts, and for decoding its backends."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rivals.job import Job, Meter, measure_decoding, time_translation

if TYPE_CHECKING:
    from flops import Sizes, Work

PINS = None
CONTENDERS: dict[str, dict[str, Any]] = {
    "foveate-gnmt": {"layout": "gnmt", "num_layers": 1},
    "foveate-bahdanau": {"layout": "bahdanau", "num_layers": 1},
    "foveate-two-layers": {"layout": "gnmt", "num_layers": 2},
}
NOTES = {
    "foveate-gnmt": "one encoder layer, two decoder layers (the fewest of this layout)",
    "foveate-bahdanau": "one layer each",
    "foveate-two-layers": "the default depth: two layers each",
}
ENGINES = ("torch", "onnx", "onnx-int8")
NEVER = -1e4  # bias of an end mark that no output may have


def train(job: Job) -> dict[str, Any]:
    """Run `foveate train` on the corpus, in this process."""
    from foveate.models.seq2seq import Seq2SeqModel
    from foveate.training.optimizer import Optimizer
    from foveate.training.run import train as run_training

    meter = Meter(job)
    compute_loss, step = Seq2SeqModel.loss, Optimizer.step

    def counting(self: Any, source: Any, source_mask: Any, *rest: Any) -> Any:
        meter.see(source_mask.sum(1).tolist(), rest[2].sum(1).tolist())
        meter.vocabulary = self.target_embedding.num_embeddings
        return compute_loss(self, source, source_mask, *rest)

    def telling(self: Any, learning_rate: float) -> None:
        step(self, learning_rate)
        meter.parameters = sum(parameter.numel() for parameter in self.parameters.values())
        meter.update()

    Seq2SeqModel.loss, Optimizer.step = counting, telling
    table, dev, config = read_data(job)
    return meter.run(lambda: run_training(table, dev, config))


def prepare(job: Job) -> None:
    """Train for one update, forbid the end mark, and export in float and in 8 bits."""
    import shutil

    from foveate.bundle import save_bundle
    from foveate.export import export_bundle
    from foveate.text.vocabulary import EOS
    from foveate.training.run import train as run_training

    shutil.rmtree(job.work, ignore_errors=True)
    table, dev, config = read_data(job)
    config = dataclasses.replace(config, max_updates=1)
    bundle = run_training(table, dev.rows([0]), config).translator.bundle
    bundle.weights["output_bias"][EOS] = NEVER
    save_bundle(bundle, job.work / "torch")
    export_bundle(job.work / "torch", job.work / "onnx")
    export_bundle(job.work / "torch", job.work / "onnx-int8", int8=True)


def translate(job: Job) -> dict[str, Any]:
    """Translate plain text greedily by the trained model `job.engine`."""
    from foveate.translator import Translator

    translator = Translator.load(job.engine, threads=job.threads)

    def translate(texts: list[str]) -> list[str]:
        found = translator.translate(texts, beam_size=1, attention=False)
        return [one.text for one in found]

    return time_translation(job, translate)


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate with PyTorch, or with ONNX Runtime in float or in 8 bits."""
    from foveate.translator import Translator

    translator = Translator.load(job.work / job.engine, threads=job.threads)

    def translate(texts: list[str]) -> int:
        found = translator.translate(
            texts, beam_size=1, attention=False, max_length=job.length, batch_tokens=10**9
        )
        return sum(len(one.tokens) for one in found)

    return measure_decoding(job, translate)


def read_data(job: Job) -> tuple[Any, Any, Any]:
    """Return the training pairs, the dev pairs and the options."""
    from foveate.config import Config
    from foveate.data.table import PairTable

    def read(name: str) -> Any:
        return PairTable.from_texts(job.lines(f"{name}.source"), job.lines(f"{name}.target"))

    table = read("train")
    tokens = sum(
        len(text.split()) for texts in (table.sources(), table.targets()) for text in texts
    )
    shared = job.lines("source.vocabulary") == job.lines("target.vocabulary")
    config = Config(
        **job.settings,
        source_tokens="whitespace",
        target_tokens="whitespace",
        shared_vocabulary=shared,
        normalization="none",
        max_updates=job.most_updates,
        num_validations=1,
        embedding_size=job.embedding,
        hidden_size=job.hidden,
        dropout=job.dropout,
        source_ngrams=1,  # the others have none
        word_dropout=0.0,
        label_smoothing=job.label_smoothing,
        batch_tokens=round(job.batch * (tokens / len(table) + 1)),  # so many pairs of mean length
        threads=job.threads,
        seed=job.seed,
    )
    return table, read("dev"), config


def work(settings: dict[str, Any], sizes: Sizes) -> Work:
    """Count the necessary products."""
    import flops

    layers = settings["num_layers"]
    sizes = dataclasses.replace(sizes, encoder_layers=layers, decoder_layers=max(layers, 2))
    return flops.gnmt(sizes) if settings["layout"] == "gnmt" else flops.bahdanau(sizes)
