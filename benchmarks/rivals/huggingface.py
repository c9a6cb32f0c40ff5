"""Hugging Face Transformers: a small Marian-like Transformer in its `Seq2SeqTrainer`.

Another kind of model than ours: three layers each, of half our decoder's width, as one would choose
it for such data. It is what people who come from there would train instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rivals.job import Job, Meter, measure_decoding

PINS = [["torch==2.13.0", "transformers==5.23.0", "accelerate==1.15.0"]]
CONTENDERS: dict[str, dict[str, Any]] = {"huggingface": {}}
NOTES = {"huggingface": "5.23; a Transformer, 3 + 3 layers; batches of similar length"}
LAYERS, HEADS, WIDER = 3, 4, 4
PAD, UNK, EOS, NUM_RESERVED = 0, 1, 2, 3
IGNORED = -100  # label of padding
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def train(job: Job) -> dict[str, Any]:
    """Train with `Seq2SeqTrainer` and count the batches of its loss."""
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

    meter = Meter(job)

    class Trainer(Seq2SeqTrainer):
        """Its trainer, counting."""

        def compute_loss(self, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
            lengths = [inputs["attention_mask"], inputs["labels"].ne(IGNORED)]
            meter.see(*(mask.sum(1).tolist() for mask in lengths))
            return super().compute_loss(model, inputs, *rest, **more)

    model = build_model(job)
    meter.vocabulary = model.config.decoder_vocab_size
    meter.watch_optimizers()
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(job.work),
        max_steps=job.most_updates,
        per_device_train_batch_size=job.batch,
        train_sampling_strategy="group_by_length",
        label_smoothing_factor=job.label_smoothing,
        max_grad_norm=1.0,
        use_cpu=True,
        dataloader_pin_memory=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=job.seed,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=read_pairs(job), data_collator=collate
    )
    return meter.run(trainer.train)


def prepare(job: Job) -> None:
    """Save a random model."""
    import torch

    torch.manual_seed(job.seed)
    build_model(job).save_pretrained(job.work)


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate with `generate`, every output as long as all others."""
    import torch
    from transformers import MarianMTModel

    model = MarianMTModel.from_pretrained(job.work).eval()
    ids = read_ids(job, "source")

    @torch.inference_mode()
    def translate(texts: list[str]) -> int:
        source = pad([encode(text, ids) for text in texts], PAD)
        outputs = model.generate(
            input_ids=source,
            attention_mask=source.ne(PAD).long(),
            num_beams=1,
            do_sample=False,
            min_new_tokens=job.length,
            max_new_tokens=job.length,
        )
        return outputs.shape[0] * (outputs.shape[1] - 1)  # the first is the begin mark

    return measure_decoding(job, translate)


def build_model(job: Job) -> Any:
    """Build a Transformer with sinusoids, as Marian has them."""
    from transformers import MarianConfig, MarianMTModel

    D = job.hidden // 2
    both = {
        name.format(side): value
        for side in ("encoder", "decoder")
        for name, value in {
            "{}_layers": LAYERS,
            "{}_attention_heads": HEADS,
            "{}_ffn_dim": WIDER * D,
        }.items()
    }
    config = MarianConfig(
        vocab_size=len(read_ids(job, "source")) + NUM_RESERVED,
        decoder_vocab_size=len(read_ids(job, "target")) + NUM_RESERVED,
        share_encoder_decoder_embeddings=False,
        d_model=D,
        dropout=job.dropout,
        attention_dropout=0.0,
        activation_function="relu",
        max_position_embeddings=512,
        pad_token_id=PAD,
        eos_token_id=EOS,
        forced_eos_token_id=None,
        decoder_start_token_id=PAD,
        **both,
    )
    return MarianMTModel(config)


def read_pairs(job: Job) -> list[dict[str, list[int]]]:
    """Return the training pairs as ids."""
    sides = [
        [encode(line, ids) for line in job.lines(f"train.{side}")]
        for side in ("source", "target")
        for ids in [read_ids(job, side)]
    ]
    return [{"input_ids": s, "labels": t} for s, t in zip(*sides, strict=True)]


def read_ids(job: Job, side: str) -> dict[str, int]:
    """Return the number of every token of a side."""
    return {token: k for k, token in enumerate(job.lines(f"{side}.vocabulary"), NUM_RESERVED)}


def encode(text: str, ids: dict[str, int]) -> list[int]:
    """Return the ids of a text, with an end mark."""
    return [*(ids.get(token, UNK) for token in text.split()), EOS]


def collate(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Pad a batch."""
    source = pad([row["input_ids"] for row in rows], PAD)
    labels = pad([row["labels"] for row in rows], IGNORED)
    return {"input_ids": source, "attention_mask": source.ne(PAD).long(), "labels": labels}


def pad(rows: Iterable[list[int]], value: int) -> Any:
    """Return rows of ids as a tensor, padded on the right."""
    import torch

    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)
