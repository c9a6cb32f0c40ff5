"""OpenNMT-py 3.5.1: its own trainer and inference engine.

It asks for an older PyTorch than there is, so it is installed without its dependencies, and those
that it needs beside it. Its checkpoints hold Python objects, which current PyTorch loads only when
told to. It imports the libraries of all its transforms at its start; for two large ones, which
nothing here uses, an empty module stands in.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rivals.job import Job, Meter, measure_decoding

if TYPE_CHECKING:
    from pathlib import Path

    from flops import Sizes, Work

PINS = [
    [
        "torch==2.13.0",
        "configargparse==1.9.0",
        "ctranslate2==4.8.5",
        "numpy==2.4.6",
        "pyahocorasick==2.3.1",
        "pyonmttok==1.38.1",
        "pyyaml==6.0.3",
        "rapidfuzz==3.14.6",
        "regex==2026.11.15",
        "sacrebleu==2.6.0",
        "setuptools==80.9.0",
        "six==1.17.0",
        "tensorboard==2.21.0",
    ],
    ["--no-deps", "OpenNMT-py==3.5.1"],
]
CONTENDERS: dict[str, dict[str, Any]] = {"opennmt": {}}
NOTES = {"opennmt": "OpenNMT-py 3.5.1; batches of similar length"}


def train(job: Job) -> dict[str, Any]:
    """Run its `train` and count the batches that its trainer takes."""
    leave_out_transforms()
    from onmt.trainer import Trainer

    meter = Meter(job)
    accumulate = Trainer._gradient_accumulation

    def counting(self: Any, batches: Any, *rest: Any) -> Any:
        for batch in batches:
            wanted = batch["tgt"][:, 1:, 0].ne(
                self.train_loss.padding_idx
            )  # without the begin mark
            meter.see(batch["srclen"].tolist(), wanted.sum(1).tolist())
        meter.vocabulary = self.model.generator.out_features
        return accumulate(self, batches, *rest)

    Trainer._gradient_accumulation = counting
    meter.watch_optimizers()
    return meter.run(lambda: run_training(job, job.most_updates))


def prepare(job: Job) -> None:
    """Train for one update; it saves its model then."""
    leave_out_transforms()
    run_training(job, 1)


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate through `InferenceEnginePY`, every output as long as all others."""
    engine = load_engine(job, job.work / "model_step_1.pt", job.length, job.length)

    def translate(texts: list[str]) -> int:
        _, outputs = engine.infer_list(texts)
        return sum(len(output[0].split()) for output in outputs)

    return measure_decoding(job, translate)


def learn(job: Job) -> dict[str, Any]:
    """Train for `job.updates`, and translate the test sources with every model saved on the way.

    Returns:
        `checkpoints`: for each the updates, the seconds since the process began, and the outputs.
    """
    leave_out_transforms()
    run_training(job, job.updates)
    sources, rows = job.lines("test.source"), []
    for path in job.work.glob("model_step_*.pt"):
        engine = load_engine(job, path, 0, 2 * job.length + max(map(len, sources)))
        outputs = [output[0] for output in engine.infer_list(sources)[1]]
        updates = int(path.stem.rpartition("_")[2])
        seconds = path.stat().st_mtime - job.started
        row = {"updates": updates, "seconds": seconds, "outputs": outputs, "path": str(path)}
        rows.append(row)
    return {"checkpoints": sorted(rows, key=lambda row: row["updates"])}


def convert(job: Job) -> None:
    """Write the model that `job.engine` names for CTranslate2, into `job.work`."""
    import shutil
    from argparse import Namespace

    import torch
    from ctranslate2.converters import OpenNMTPyConverter

    torch.serialization.add_safe_globals([Namespace])  # its options are in the checkpoint
    shutil.rmtree(job.work, ignore_errors=True)
    OpenNMTPyConverter(job.engine).convert(str(job.work))


def load_engine(job: Job, model: Path, shortest: int, longest: int) -> Any:
    """Return an `InferenceEnginePY` that searches greedily."""
    leave_out_transforms()
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    from onmt.inference_engine import InferenceEnginePY
    from onmt.opts import translate_opts
    from onmt.utils.parse import ArgumentParser

    parser = ArgumentParser()
    translate_opts(parser)
    arguments = ["-model", str(model), "-src", "none", "-gpu", "-1"]
    arguments += ["-beam_size", "1", "-batch_size", str(job.decode_batch), "-batch_type", "sents"]
    arguments += ["-min_length", str(shortest), "-max_length", str(longest)]
    options = parser.parse_args([*arguments, "-output", str(job.work / "output.txt")])
    ArgumentParser.validate_translate_opts(options)
    ArgumentParser._get_all_transform_translate(options)
    ArgumentParser._validate_transforms_opts(options)
    ArgumentParser.validate_translate_opts_dynamic(options)
    return InferenceEnginePY(options)


def leave_out_transforms() -> None:
    """Let an empty module stand for each library that is not installed."""
    for name in ("fasttext", "spacy"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        sys.modules.setdefault(name, module)


def run_training(job: Job, updates: int) -> None:
    """Write the configuration and train."""
    from onmt.bin.train import _get_parser
    from onmt.bin.train import train as run

    job.work.mkdir(parents=True, exist_ok=True)
    told = job.work / "options.yaml"
    told.write_text(json.dumps(build_config(job, updates)), encoding="utf-8")  # JSON is YAML
    options, _ = _get_parser().parse_known_args(["-config", str(told)])
    run(options)


def build_config(job: Job, updates: int) -> dict[str, Any]:
    """Return its options for the common sizes; `job.settings` win over them."""
    corpus = {
        "path_src": str(job.data / "train.source"),
        "path_tgt": str(job.data / "train.target"),
        "transforms": [],
        "weight": 1,
    }
    return {
        "data": {"corpus": corpus},
        "save_data": str(job.work),
        "src_vocab": str(job.data / "source.vocabulary"),
        "tgt_vocab": str(job.data / "target.vocabulary"),
        "save_model": str(job.work / "model"),
        "overwrite": True,
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "enc_layers": 1,
        "dec_layers": 1,
        "word_vec_size": job.embedding,
        "hidden_size": job.hidden,
        "global_attention": "mlp",
        "input_feed": 1,
        "dropout": [job.dropout],
        "label_smoothing": job.label_smoothing,
        "optim": "adam",
        "learning_rate": 3e-4,
        "max_grad_norm": 1.0,
        "batch_type": "sents",
        "batch_size": job.batch,
        "bucket_size": len(job.lines("train.source")),  # more would repeat pairs before it begins
        "normalization": "tokens",
        "num_workers": 0,  # more would take the cores that are measured
        "train_steps": updates,
        "save_checkpoint_steps": updates,
        "valid_steps": 10**6,
        "report_every": 10**6,
        "world_size": 1,
        "gpu_ranks": [],
        "seed": job.seed,
        **job.settings,
    }


def work(settings: dict[str, Any], sizes: Sizes) -> Work:
    """Count the necessary products."""
    import flops

    return flops.input_feeding(sizes)
