"""What options of other toolkits are called here: a message that leads to ours."""

from __future__ import annotations

_UPDATES = "--max-updates N, or --minutes X"
_SIZES = "--hidden-size N"
_BEGINNING = "--from MODEL, to go on from a trained model; --resume for a run that was stopped"

OURS = {
    "lr": "--learning-rate X",
    "eta": "--learning-rate X",
    "epochs": _UPDATES,
    "num-epochs": _UPDATES,
    "n-epochs": _UPDATES,
    "max-epochs": _UPDATES,
    "num-train-epochs": _UPDATES,
    "steps": _UPDATES,
    "max-steps": _UPDATES,
    "train-steps": _UPDATES,
    "iterations": _UPDATES,
    "max-time": "--minutes X",
    "time": "--minutes X",
    "batch-size": "--batch-tokens N (source and target tokens of a batch, padding included)",
    "batch": "--batch-tokens N",
    "mini-batch": "--batch-tokens N",
    "bs": "--batch-tokens N",
    "max-tokens": "--batch-tokens N",
    "init": _BEGINNING,
    "init-from": _BEGINNING,
    "finetune": _BEGINNING,
    "pretrained": _BEGINNING,
    "checkpoint": "--resume, which goes on with a run that was stopped",
    "continue": "--resume",
    "restore": "--resume",
    "valid": "--dev PAIRS",
    "val": "--dev PAIRS",
    "validation": "--dev PAIRS",
    "valid-set": "--dev PAIRS",
    "validation-file": "--dev PAIRS",
    "train": "PAIRS, without a flag before it",
    "train-file": "PAIRS, without a flag before it",
    "train-set": "PAIRS, without a flag before it",
    "data": "PAIRS, without a flag before it",
    **dict.fromkeys(
        ("src", "train-src", "train-tgt", "source-file", "target-file"),
        "SOURCE,TARGET as one argument",
    ),
    **dict.fromkeys(
        ("references", "refs", "ref", "hypotheses", "hyp"),
        "MODEL PAIRS: evaluate translates by itself; foveate.measure in Python scores outputs",
    ),
    **dict.fromkeys(("valid-src", "valid-tgt", "dev-src", "dev-tgt"), "--dev SOURCE,TARGET"),
    "tgt": "SOURCE,TARGET as one argument",
    "trg": "SOURCE,TARGET as one argument",
    "source": "SOURCE,TARGET as one argument",
    "input": "the file, without a flag before it",
    "model": "the folder of the model, without a flag before it",
    "model-dir": "--out MODEL",
    "save": "--out MODEL",
    "save-dir": "--out MODEL",
    "save-model": "--out MODEL",
    "output": "--out",
    "output-dir": "--out MODEL",
    "beam": "--beam-size K",
    "beam-width": "--beam-size K",
    "num-beams": "--beam-size K",
    "nbest": "--n-best N",
    "num-return-sequences": "--n-best N",
    "lenpen": "--length-penalty X",
    "normalize": "--length-penalty X",
    "max-len": "--max-length N",
    "max-new-tokens": "--max-length N",
    "topk": "--top-k K",
    "topp": "--top-p P",
    "hidden": _SIZES,
    "hidden-dim": _SIZES,
    "rnn-size": _SIZES,
    "dim-rnn": _SIZES,
    "d-model": _SIZES,
    "units": _SIZES,
    "embed-dim": "--embedding-size N",
    "emb-size": "--embedding-size N",
    "dim-emb": "--embedding-size N",
    "word-vec-size": "--embedding-size N",
    "layers": "--num-layers N",
    "n-layers": "--num-layers N",
    "enc-layers": "--num-layers N",
    "dec-layers": "--num-layers N",
    "heads": "--num-heads N",
    "vocab-size": "--vocabulary-size N",
    "vocab": "--vocabulary-size N",
    "bpe": "--source-tokens bpe --target-tokens bpe",
    "tokenizer": "--source-tokens and --target-tokens",
    "tokenization": "--source-tokens and --target-tokens",
    "clip": "--clip-norm X",
    "grad-clip": "--clip-norm X",
    "max-grad-norm": "--clip-norm X",
    "warmup-steps": "--warmup X (a share of the updates)",
    "wd": "--weight-decay X",
    "ema": "--average-decay X",
    "early-stopping": "--patience N",
    "eval-every": "--num-validations N (how many in the whole run)",
    "valid-freq": "--num-validations N (how many in the whole run)",
    "random-seed": "--seed N",
    "gpu": "--device cuda",
    "cuda": "--device cuda",
    "num-workers": "--threads N",
    "cpu-threads": "--threads N",
    "ensemble": "--models N",
    "arch": "--architecture",
    "type": "--architecture",
    "attn": "--attention-score",
}

_PREPARES = "train, which prepares the pairs by itself"
COMMANDS = {
    "score": "evaluate MODEL PAIRS for metrics; align --format table for weights; in Python "
    "Translator.score_pairs for the probability of given targets",
    **dict.fromkeys(("fit", "learn", "finetune", "fine-tune", "tune"), "train PAIRS --out MODEL"),
    **dict.fromkeys(
        ("predict", "infer", "inference", "generate", "decode", "interactive", "apply", "run"),
        "translate MODEL FILE",
    ),
    **dict.fromkeys(("g2p", "transcribe", "phonemize", "transliterate"), "translate MODEL FILE"),
    **dict.fromkeys(("test", "eval", "validate", "bleu", "wer", "metrics"), "evaluate MODEL PAIRS"),
    **dict.fromkeys(("preprocess", "prepare", "binarize", "tokenize", "build-vocab"), _PREPARES),
    **dict.fromkeys(("build_vocab", "vocab", "learn-bpe", "spm"), _PREPARES),
    **dict.fromkeys(("visualize", "visualise", "plot", "attention", "draw"), "attend MODEL TEXT"),
    **dict.fromkeys(("explain", "heatmap"), "attend MODEL TEXT"),
    **dict.fromkeys(("convert", "onnx", "quantize", "release"), "export MODEL OUT"),
    **dict.fromkeys(("server", "web", "api", "rest"), "serve MODEL"),
    **dict.fromkeys(("diff", "significance", "bootstrap"), "compare MODEL MODEL PAIRS"),
    **dict.fromkeys(("describe", "show", "summary", "inspect"), "info MODEL"),
    **dict.fromkeys(("clean", "lint", "filter", "stats"), "check PAIRS"),
    "resume": "train PAIRS --out MODEL --resume",
    "average": "train, whose weights are a moving average already",
}


def find_command(name: str) -> str:
    """Return how a command of another toolkit is called here, or an empty string.

    Example:
        >>> find_command("predict"), find_command("translate")
        ('translate MODEL FILE', '')
    """
    return COMMANDS.get(name.lower(), "")


def find_ours(flag: str) -> str:
    """Return what a flag of another toolkit is called here, or an empty string.

    Example:
        >>> find_ours("--batch_size=64")
        '--batch-tokens N (source and target tokens of a batch, padding included)'
        >>> find_ours("--dropout")
        ''
    """
    return OURS.get(flag.lstrip("-").partition("=")[0].replace("_", "-").lower(), "")
