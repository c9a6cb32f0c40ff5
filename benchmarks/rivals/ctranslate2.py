"""CTranslate2: the fastest decoder of Transformers that we know of; it does not train.

Another kind of model than ours: a small Transformer, three layers each, of half our decoder's
width. In `compare_rivals.py` its weights are random, since its speed does not depend on them;
`compare_trained.py` has OpenNMT-py train one.
"""

from __future__ import annotations

import shutil
from typing import Any

from rivals.job import Job, measure_decoding, time_translation

PINS = [["ctranslate2==4.8.5", "numpy==2.4.6"]]
CONTENDERS: dict[str, dict[str, Any]] = {"ctranslate2": {}}
NOTES = {"ctranslate2": "4.8.5; a Transformer, 3 + 3 layers"}
ENGINES = ("float32", "int8")
LAYERS, HEADS, WIDER = 3, 4, 4
RESERVED = ["<blank>", "<unk>", "<s>", "</s>"]


def prepare(job: Job) -> None:
    """Write a random model."""
    import numpy as np
    from ctranslate2.specs import TransformerSpec

    generator = np.random.default_rng(job.seed)
    spec = TransformerSpec.from_config(LAYERS, HEADS)
    D = job.hidden // 2
    vocabularies = [RESERVED + job.lines(f"{side}.vocabulary") for side in ("source", "target")]

    def fill(layer: Any, outputs: int, inputs: int, has_bias: bool = True) -> None:
        shape = (outputs, inputs)
        layer.weight = (
            generator.standard_normal(shape, dtype=np.float32) / np.float32(inputs) ** 0.5
        )
        if has_bias:
            layer.bias = np.zeros(outputs, dtype=np.float32)

    def fill_norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(D, dtype=np.float32), np.zeros(D, dtype=np.float32)

    fill(spec.encoder.embeddings[0], len(vocabularies[0]), D, has_bias=False)
    fill(spec.decoder.embeddings, len(vocabularies[1]), D, has_bias=False)
    fill(spec.decoder.projection, len(vocabularies[1]), D)
    for part in (spec.encoder, spec.decoder):
        fill_norm(part.layer_norm)
        for layer in part.layer:
            fill(layer.self_attention.linear[0], 3 * D, D)
            fill(layer.self_attention.linear[1], D, D)
            fill(layer.ffn.linear_0, WIDER * D, D)
            fill(layer.ffn.linear_1, D, WIDER * D)
            fill_norm(layer.self_attention.layer_norm)
            fill_norm(layer.ffn.layer_norm)
    for layer in spec.decoder.layer:
        for linear, times in zip(layer.attention.linear, (1, 2, 1), strict=True):
            fill(linear, times * D, D)
        fill_norm(layer.attention.layer_norm)
    spec.register_source_vocabulary(vocabularies[0])
    spec.register_target_vocabulary(vocabularies[1])
    spec.validate()
    shutil.rmtree(job.work, ignore_errors=True)
    job.work.mkdir(parents=True)
    spec.save(str(job.work))


def translate(job: Job) -> dict[str, Any]:
    """Translate greedily, as long as the model finds right."""
    import ctranslate2

    translator = ctranslate2.Translator(
        str(job.work), compute_type=job.engine, inter_threads=job.threads, intra_threads=1
    )

    def translate(texts: list[str]) -> list[str]:
        found = translator.translate_batch(
            [text.split() for text in texts],
            beam_size=1,
            max_batch_size=job.decode_batch,
            max_decoding_length=200,
        )
        return [" ".join(one.hypotheses[0]) for one in found]

    return time_translation(job, translate)


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate greedily, every output as long as all others."""
    import ctranslate2

    translator = ctranslate2.Translator(
        str(job.work), compute_type=job.engine, inter_threads=1, intra_threads=job.threads
    )

    def translate(texts: list[str]) -> int:
        found = translator.translate_batch(
            [[*text.split(), "</s>"] for text in texts],
            beam_size=1,
            min_decoding_length=job.length,
            max_decoding_length=job.length,
        )
        return sum(len(one.hypotheses[0]) for one in found)

    return measure_decoding(job, translate)
