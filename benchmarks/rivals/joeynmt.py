"""Joey NMT 2.3.0: its own training loop, its data loader and its translation interface.

Two repairs let it run with current packages: `importlib_metadata`, which it imports but does not
ask for, and a scheduler whose factor is 1, since it does not start without one. It has no batches
of similar length.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from rivals.job import Job, Meter, measure_decoding

if TYPE_CHECKING:
    from flops import Sizes, Work

PINS = [
    [
        "joeynmt==2.3.0",
        "torch==2.13.0",
        "importlib_metadata==10.2.0",
        "setuptools==80.9.0",
    ]
]
CONTENDERS: dict[str, dict[str, Any]] = {"joeynmt": {}}
NOTES = {"joeynmt": "2.3.0; batches at random"}
OFTEN = 10**6  # updates between logs and validations: none of them here


def train(job: Job) -> dict[str, Any]:
    """Run its `train` and count what `TrainManager._train_step` sees."""
    from joeynmt.training import TrainManager

    meter = Meter(job)
    step = TrainManager._train_step

    def counting(self: Any, batch: Any) -> Any:
        meter.see(batch.src_length.tolist(), batch.trg_mask.sum((1, 2)).tolist())
        meter.vocabulary = self.model.decoder.output_size
        return step(self, batch)

    TrainManager._train_step = counting
    meter.watch_optimizers()
    return meter.run(lambda: run_training(job, job.most_updates))


def prepare(job: Job) -> None:
    """Train for one update; it saves its model then."""
    run_training(job, 1)


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate through `TranslatorHubInterface`.

    Its `predict` does not hand on the shortest length that its search knows, so we do.
    """
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    from joeynmt import prediction
    from joeynmt.hub_interface import TranslatorHubInterface, _from_pretrained

    search = prediction.search
    prediction.search = lambda **told: search(**told, min_output_length=job.length)
    model, data, arguments = _from_pretrained(job.work)
    translator = TranslatorHubInterface(model, data, arguments)

    def translate(texts: list[str]) -> int:
        return sum(len(output.split()) for output in translator.translate(texts))

    return measure_decoding(job, translate)


def run_training(job: Job, updates: int) -> None:
    """Write the configuration and train."""
    from joeynmt.helpers import make_model_dir
    from joeynmt.training import train as run

    config = build_config(job, updates)
    make_model_dir(job.work, overwrite=True)
    (job.work / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    run(rank=0, world_size=None, cfg=config, skip_test=True)


def build_config(job: Job, updates: int) -> dict[str, Any]:
    """Return its configuration for the common sizes."""

    def side(name: str) -> dict[str, Any]:
        return {
            "lang": name,
            "level": "word",
            "lowercase": False,
            "normalize": False,
            "max_length": -1,
            "voc_file": str(job.data / f"{name}.vocabulary"),
        }

    def part(hidden: int, **told: Any) -> dict[str, Any]:
        embeddings = {"embedding_dim": job.embedding, "dropout": job.dropout}
        common = {"rnn_type": "lstm", "num_layers": 1, "dropout": job.dropout}
        return {**common, "hidden_size": hidden, "embeddings": embeddings, **told}

    return {
        "name": "benchmark",
        "model_dir": str(job.work),
        "use_cuda": False,
        "random_seed": job.seed,
        "data": {
            "train": str(job.data / "train"),
            "dev": str(job.data / "dev"),
            "dataset_type": "plain",
            "src": side("source"),
            "trg": side("target"),
        },
        "training": {
            "optimizer": "adam",
            "learning_rate": 3e-4,
            "learning_rate_min": 0.0,
            "scheduling": "exponential",
            "decrease_factor": 1.0,
            "clip_grad_norm": 1.0,
            "label_smoothing": job.label_smoothing,
            "normalization": "tokens",
            "batch_size": job.batch,
            "batch_type": "sentence",
            "epochs": OFTEN,
            "updates": updates,
            "logging_freq": OFTEN,
            "validation_freq": OFTEN,
        },
        "testing": {"beam_size": 1, "max_output_length": job.length},
        "model": {
            "initializer": "xavier_uniform",
            "encoder": {"type": "recurrent", "bidirectional": True, **part(job.hidden // 2)},
            "decoder": {
                "type": "recurrent",
                "attention": "bahdanau",
                "input_feeding": True,
                "init_hidden": "bridge",
                "hidden_dropout": job.dropout,
                **part(job.hidden),
            },
        },
    }


def work(settings: dict[str, Any], sizes: Sizes) -> Work:
    """Count the necessary products."""
    import flops

    return flops.input_feeding(sizes)
