"""The bundle: a trained model as a folder of plain files, versioned and hashed, never a pickle.

    bundle.json          format, package version, sha256 of every file, training summary, scores
    config.toml          the whole configuration, defaults filled in
    source.*, target.*   vocabularies and sentencepiece models (shared.* when both sides share)
    weights.safetensors  what PyTorch computes with; an exported model has instead
    onnx/*.onnx          what ONNX Runtime computes with
    memory.json          training pairs that are recalled, where the model has a memory
    words.json           words of the target language that are preferred, where there is a list
    README.md            model card

Does not load PyTorch or ONNX Runtime. Knows nothing of how weights and graphs are used.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.config import Config, format_config, read_config, restore_config
from foveate.errors import BundleError, ConfigError
from foveate.files import hash_file, name_aside, sync_folder, write_synced
from foveate.printable import make_printable
from foveate.text.codec import Codec
from foveate.text.memory import Memory
from foveate.text.word_list import WordList

FORMAT = "foveate"
FORMAT_VERSION = 1
WEIGHTS = "weights.safetensors"
GRAPH = re.compile(r"onnx/((?:\d+\.)?(?:start|step))\.onnx")
MANIFEST = "bundle.json"
MEMORY = "memory.json"
WORDS = "words.json"


@dataclass
class Bundle:
    """Everything that a trained model is, as values.

    Attributes:
        config: resolved: nothing in it is "auto" that the model depends on.
        source_codec: text to ids of the source side.
        target_codec: the same object when both sides share a vocabulary.
        weights: parameter name to array; empty in an exported model. In an ensemble a name begins
            with the number of its member, `0/`.
        graphs: name to ONNX file; empty unless exported. In an ensemble `0.start` and so on.
        memory: source to target, where training pairs are recalled.
        words: of the target language, which outputs are preferred to be made of.
        summary: what training did: pairs, parameters, updates, minutes, seed.
        scores: metric name to value, interval and signature, on dev and perhaps test.
    """

    config: Config
    source_codec: Codec
    target_codec: Codec
    weights: dict[str, NDArray[np.float32]]
    summary: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    graphs: dict[str, bytes] = field(default_factory=dict)
    memory: Memory = field(default_factory=dict)
    words: WordList | None = None

    @property
    def is_shared(self) -> bool:
        """Say whether both sides use one vocabulary and one embedding table."""
        return self.source_codec is self.target_codec

    @property
    def members(self) -> list[dict[str, NDArray[np.float32]]]:
        """The weights of each model of an ensemble, or of the one model."""
        if self.config.models == 1:
            return [self.weights]
        return [
            {
                name.removeprefix(prefix): array
                for name, array in self.weights.items()
                if name.startswith(prefix)
            }
            for prefix in (f"{number}/" for number in range(self.config.models))
        ]

    @property
    def target_ids(self) -> list[int]:
        """For each id of the source vocabulary, the target id of the same token, or UNK."""
        return self.target_codec.vocabulary.ids(self.source_codec.vocabulary.entries)


def save_bundle(bundle: Bundle, path: str | Path) -> None:
    """Write a bundle aside, sync it, and rename it into place.

    A folder that is there keeps what is not ours (a run's `state/` and `log.jsonl`); its files
    are then replaced one by one, `bundle.json` last.

    Raises:
        BundleError: the path is taken by something that is not a bundle, or cannot be written.
    """
    path = Path(path)
    refuse_foreign(path)
    aside = name_aside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        _write_files(bundle, aside)
        _move_into_place(aside, path)
    except OSError as error:
        raise BundleError(f"{path}: cannot write the model: {error.strerror or error}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refuse_foreign(path: Path) -> None:
    """Raise a BundleError when `path` holds something that Foveate did not write."""
    if path.is_dir():
        ours = {MANIFEST, "state", "log.jsonl"}
        names = {entry.name for entry in path.iterdir()}
        if names and not names & ours:
            raise BundleError(f"{path}: is not empty and not a model: choose another folder")
    elif path.exists():
        raise BundleError(f"{path}: is a file; a model is a folder: choose another name")


def _write_files(bundle: Bundle, folder: Path) -> None:
    from safetensors.numpy import save

    write_synced(folder / "config.toml", format_config(bundle.config))
    if bundle.is_shared:
        bundle.source_codec.save(folder, "shared")
    else:
        bundle.source_codec.save(folder, "source")
        bundle.target_codec.save(folder, "target")
    if bundle.weights or not bundle.graphs:
        write_synced(folder / WEIGHTS, save(bundle.weights))
    if bundle.graphs:
        (folder / "onnx").mkdir()
        for name, graph in bundle.graphs.items():
            write_synced(folder / "onnx" / f"{name}.onnx", graph)
        sync_folder(folder / "onnx")
    if bundle.memory:
        write_synced(folder / MEMORY, json.dumps(bundle.memory, ensure_ascii=False, indent=0))
    if bundle.words:
        words = bundle.words
        listed = {"bonus": words.bonus, "rarity": words.rarity, "words": list(words.ranks)}
        write_synced(folder / WORDS, json.dumps(listed, ensure_ascii=False, indent=0))
    write_synced(folder / "README.md", format_card(bundle))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": _package_version(),
        "files": {name: hash_file(folder / name) for name in _list_files(folder)},
        "is_shared": bundle.is_shared,
        "summary": bundle.summary,
        "scores": bundle.scores,
    }
    write_synced(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    sync_folder(folder)


def _move_into_place(aside: Path, path: Path) -> None:
    if path.exists():
        for name in sorted(_list_files(aside), key=lambda name: name == MANIFEST):
            (path / name).parent.mkdir(exist_ok=True)
            (aside / name).replace(path / name)
        sync_folder(path)
    else:
        aside.rename(path)
    sync_folder(path.parent)


def _list_files(folder: Path) -> list[str]:
    files = (entry for entry in folder.rglob("*") if entry.is_file())
    return sorted(entry.relative_to(folder).as_posix() for entry in files)


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle and check every file of it against its hash.

    Raises:
        BundleError: it is not there, not a bundle, from a newer format, or damaged.
    """
    path = Path(path)
    manifest = read_manifest(path)
    for name, digest in manifest["files"].items():
        _check_file(path / name, digest)
    try:
        config = restore_config(read_config(path / "config.toml"), str(path / "config.toml"))
    except ConfigError as error:
        raise BundleError(str(error)) from None
    stems = ("shared", "shared") if manifest["is_shared"] else ("source", "target")
    source = Codec.load(path, stems[0], config.source_tokens, config.normalization)
    target = (
        source
        if manifest["is_shared"]
        else Codec.load(path, stems[1], config.target_tokens, config.normalization)
    )
    files = manifest["files"]
    weights = _read_weights(path / WEIGHTS) if WEIGHTS in files else {}
    graphs = {
        found[1]: (path / name).read_bytes() for name in files if (found := GRAPH.fullmatch(name))
    }
    return Bundle(
        config,
        source,
        target,
        weights,
        manifest["summary"],
        manifest["scores"],
        graphs,
        _read_memory(path / MEMORY) if MEMORY in files else {},
        _read_words(path / WORDS) if WORDS in files else None,
    )


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Read `bundle.json` alone.

    Raises:
        BundleError: as `load_bundle`, but no other file is looked at.
    """
    path = Path(path)
    if not path.exists():
        raise BundleError(f"{path}: there is no such model")
    if not path.is_dir():
        raise BundleError(f"{path}: is a file; a model is a folder with a {MANIFEST}")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = f"{path}: is not a model: it has no {MANIFEST}"
        if (path / "state").is_dir():
            hint += "; its training has not ended: go on with foveate train ... --resume"
        raise BundleError(hint) from None
    except OSError as error:
        raise BundleError(f"{path / MANIFEST}: cannot read it: {error.strerror}") from None
    except ValueError as error:
        raise BundleError(f"{path / MANIFEST}: is damaged: {error}") from None
    return _check_manifest(manifest, path / MANIFEST)


def _check_manifest(manifest: Any, path: Path) -> dict[str, Any]:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError(f"{path}: is not a Foveate model")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format version {version!r} is not known to this Foveate, which reads "
            f"{FORMAT_VERSION}: pip install --upgrade foveate"
        )
    wanted = {"files": dict, "is_shared": bool, "summary": dict, "scores": dict}
    for name, kind in wanted.items():
        if not isinstance(manifest.get(name), kind):
            raise BundleError(f"{path}: is damaged: {name} is missing or of the wrong type")
    for name in manifest["files"]:
        if Path(name).name != name and not GRAPH.fullmatch(name):
            raise BundleError(f"{path}: is damaged: {name!r} is not a file name")
    has_graphs = any(map(GRAPH.fullmatch, manifest["files"]))
    for name in ["config.toml"] if has_graphs else ["config.toml", WEIGHTS]:
        if name not in manifest["files"]:
            raise BundleError(f"{path}: is damaged: {name} is not listed in it")
    return manifest


def _check_file(path: Path, digest: str) -> None:
    try:
        actual = hash_file(path)
    except FileNotFoundError:
        raise BundleError(f"{path}: is missing from the model: copy the whole folder") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot read it: {error.strerror}") from None
    if actual != digest:
        raise BundleError(
            f"{path}: is damaged (its sha256 is not the one in {MANIFEST}): copy or train it again"
        )


def _read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except SafetensorError as error:
        raise BundleError(f"{path}: is not a safetensors file: {error}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path}: is not JSON: {error}") from None


def _read_words(path: Path) -> WordList:
    listed = _read_json(path)
    if isinstance(listed, dict):
        weights = [listed.get("bonus"), listed.get("rarity", 0.0)]  # older lists have no ranks
        words = listed.get("words")
        if (
            isinstance(words, list)
            and all(isinstance(word, str) for word in words)
            and all(isinstance(weight, int | float) for weight in weights)
        ):
            return WordList.from_words(words, *map(float, weights))
    raise BundleError(f"{path}: is not a list of words: copy or train the model again")


def _read_memory(path: Path) -> Memory:
    memory = _read_json(path)
    if not isinstance(memory, dict) or not all(isinstance(text, str) for text in memory.values()):
        raise BundleError(f"{path}: is not a table of texts: copy or train the model again")
    return memory


def format_card(bundle: Bundle) -> str:
    """Write the model card: what the model is, how good, from what, and how to use it."""
    config, summary = bundle.config, bundle.summary
    lines = [
        "# A Foveate model",
        "",
        f"{summary.get('plan', config.architecture)}",
        "",
        "| what | value |",
        "|---|---|",
    ]
    lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in facts(summary)]
    for split, metrics in bundle.scores.items():
        lines += ["", f"## Scores on {split}", "", "| metric | value | 95 % interval | signature |"]
        lines += ["|---|---:|---|---|"]
        lines += [
            f"| {name} | {score['value']:.4g} | {score['low']:.4g} to {score['high']:.4g} "
            f"| {_format_cell(score['signature'])} |"
            for name, score in metrics.items()
        ]
        if split == "dev" and "ensemble" in summary:
            lines += ["", _format_ensemble(summary["ensemble"])]
        lines += _format_errors(split, summary.get("diagnosis", {}).get(split))
    lines += [
        "",
        "## Use",
        "",
        "    foveate translate MODEL inputs.txt",
        "    foveate attend MODEL 'one input' --out attention.svg",
        "",
        "Attention weights show where the model looked; they are not a proof of why.",
    ]
    return make_printable("\n".join(lines) + "\n")


def _format_ensemble(scores: dict[str, Any]) -> str:
    """Say what the models of an ensemble have alone, of a student those it learnt from."""
    alone = ", ".join(f"{value:.4g}" for value in scores["alone"])
    if "together" not in scores:
        return f"Each model alone has {scores['metric']} {alone}."
    return (
        f"The models that it learnt from have {scores['metric']} {alone}, "
        f"and together {scores['together']:.4g}."
    )


def _format_errors(split: str, diagnosis: dict[str, Any] | None) -> list[str]:
    """Return the part of the card that `evaluation.diagnose` gives; nothing for an old model."""
    if not diagnosis:
        return []
    memory = diagnosis["memory"]
    lines = [
        "",
        "A memory of the training pairs, which answers a source with its commonest target there, "
        f"has an exact match of {memory['value']:.4g} ({memory['low']:.4g} to "
        f"{memory['high']:.4g}): it has seen {100 * diagnosis['seen']:.1f} % of the sources.",
    ]
    if unchanged := diagnosis.get("unchanged"):
        values = " and ".join(
            f"{name} {score['value']:.4g} ({score['low']:.4g} to {score['high']:.4g})"
            for name, score in unchanged.items()
        )
        lines.append(f"The sources left as they are have {values}.")
    tables = (
        ("Commonest errors", "confusions", ["reference", "output", "count"]),
        ("Outputs farthest off", "worst", ["source", "output", "reference", "edits"]),
    )
    for title, name, columns in tables:
        if rows := diagnosis[name]:
            lines += ["", f"### {title} on {split}", "", f"| {' | '.join(columns)} |"]
            lines += ["|" + "---|" * len(columns)]
            lines += [
                f"| {' | '.join(_format_cell(row[key]) for key in columns)} |" for row in rows
            ]
    return lines


def _format_cell(value: Any) -> str:
    """Return a cell of a Markdown table that shows a text as it is."""
    text = " ".join(str(value).split()) or "∅"
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|~" else letter for letter in text)


def facts(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the plain facts of a training summary, in their order."""
    return [
        (name, value)
        for name, value in summary.items()
        if isinstance(value, int | float | str) and name != "plan"
    ]


def _package_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("foveate")
    except PackageNotFoundError:
        return "unknown"
