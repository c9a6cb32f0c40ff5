"""Yoyodyne 0.5: its data module, its model and its trainer, which is Lightning's.

It is installed without its dependencies, since it asks for sound and picture libraries that the
model does not use. It has no batches of similar length. Its tables are `csv`, so they are written
as such.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rivals.job import Job, Meter, measure_decoding

if TYPE_CHECKING:
    from flops import Sizes, Work

PINS = [
    [
        "torch==2.13.0",
        "PyYAML==6.0.3",
        "jsonargparse[signatures]==4.53.0",
        "lightning==2.6.6",
        "maxwell==0.2.6",
        "numpy==2.4.6",
        "omegaconf==2.4.0",
        "rich==15.0.0",
        "torchmetrics==1.9.0",
        "wandb==0.31.0",
    ],
    ["--no-deps", "yoyodyne==0.5.27"],
]
CONTENDERS: dict[str, dict[str, Any]] = {"yoyodyne": {}}
NOTES = {"yoyodyne": "0.5.27; batches at random; the context enters the cell, no input feeding"}
NEVER = -1e4  # bias of an end mark that no output may have
os.environ.setdefault("WANDB_MODE", "disabled")


def train(job: Job) -> dict[str, Any]:
    """Fit with its trainer and count what `training_step` sees."""
    from yoyodyne import special
    from yoyodyne.models.base import BaseModel
    from yoyodyne.trainers import Trainer

    meter = Meter(job)
    step = BaseModel.training_step

    def counting(self: Any, batch: Any, batch_idx: int) -> Any:
        lengths = [
            side.tensor.ne(special.PAD_IDX).sum(1).tolist() for side in (batch.source, batch.target)
        ]
        meter.see(*lengths)
        meter.vocabulary = self.target_vocab_size
        return step(self, batch, batch_idx)

    BaseModel.training_step = counting
    meter.watch_optimizers()
    data = build_data(job, is_training=True)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        limit_val_batches=0,
        default_root_dir=str(job.work),
    )
    return meter.run(lambda: trainer.fit(build_model(job, data), data))


def prepare(job: Job) -> None:
    """Save a random model that writes no end marks."""
    import torch
    from yoyodyne import special

    torch.manual_seed(job.seed)
    model = build_model(job, build_data(job, is_training=True))
    with torch.no_grad():
        model.classifier.bias[special.END_IDX] = NEVER
    torch.save(model.state_dict(), job.work / "weights.pt")


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate with its greedy search.

    Its `forward` asks a trainer what it is doing; these are the lines of it that translate.
    """
    import torch
    from yoyodyne.data import batches, mappers

    data = build_data(job, is_training=False)
    model = build_model(job, data).eval()
    model.load_state_dict(torch.load(job.work / "weights.pt", weights_only=True))
    mapper = mappers.Mapper(data.index)

    @torch.inference_mode()
    def translate(texts: list[str]) -> int:
        symbols = [data.parser.source_symbols(text) for text in texts]
        source = batches.PaddedTensor([mapper.encode_source(row) for row in symbols])
        encoded = model.source_encoder(source, model.embeddings)
        context = model.decoder.get_context(source.tensor, encoded)
        logits = model.greedy_decode_predict_test(context, source.mask)
        return logits.argmax(dim=1).numel()

    return measure_decoding(job, translate)


def build_data(job: Job, is_training: bool) -> Any:
    """Return its data module; training data makes the vocabulary, and writes it down."""
    from yoyodyne.data import DataModule

    job.work.mkdir(parents=True, exist_ok=True)
    table = write_table(job) if is_training else None
    shared = job.lines("source.vocabulary") == job.lines("target.vocabulary")
    return DataModule(
        model_dir=str(job.work),
        train=None if table is None else str(table),
        source_sep=" ",
        target_sep=" ",
        tie_embeddings=shared,
        batch_size=job.batch,
    )


def write_table(job: Job) -> Path:
    """Write the training pairs as it reads them."""
    path = job.work / "train.tsv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = zip(job.lines("train.source"), job.lines("train.target"), strict=True)
        csv.writer(stream, delimiter="\t", lineterminator="\n").writerows(rows)
    return path


def build_model(job: Job, data: Any) -> Any:
    """Return its attention LSTM in the common sizes."""
    from yoyodyne.models import SoftAttentionLSTMModel
    from yoyodyne.models.modules import LSTMEncoder

    encoder = LSTMEncoder(
        embedding_size=job.embedding,
        hidden_size=job.hidden // 2,
        bidirectional=True,
        layers=1,
        dropout=job.dropout,
    )
    return SoftAttentionLSTMModel(
        source_encoder=encoder,
        decoder_hidden_size=job.hidden,
        decoder_layers=1,
        decoder_dropout=job.dropout,
        embedding_size=job.embedding,
        label_smoothing=job.label_smoothing,
        max_target_length=job.length,  # of an output; training goes by the targets
        target_vocab_size=data.target_vocab_size,
        vocab_size=data.vocab_size,
    )


def work(settings: dict[str, Any], sizes: Sizes) -> Work:
    """Count the necessary products."""
    import flops

    return flops.context_in_cell(sizes)
