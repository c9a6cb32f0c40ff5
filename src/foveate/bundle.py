"""The bundle: a trained model as a folder of plain files, versioned and hashed, never a pickle.

    bundle.json          format, id, sha256 of every file that computes; what training did, scores
    config.toml          the options of the text and of the model, all of them
    runtime.json         what a decoder in any language needs besides (docs/bundle.md)
    source.*, target.*   vocabularies and sentencepiece models (shared.* when both sides share)
    weights.safetensors  what PyTorch computes with; an exported model has instead
    onnx/*.onnx          what ONNX Runtime computes with
    memory.json          training pairs that are recalled, where the model has a memory
    words.json           words of the target language that are preferred, where there is a list
    README.md            model card, which may be edited

Does not load PyTorch or ONNX Runtime. Knows nothing of how weights and graphs are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveate.bundle_files import (
    GRAPH,
    MANIFEST,
    MOST_MANIFEST,
    digest,
    identify,
    read_checked,
    size_limit,
    write_model,
)
from foveate.bundled import find_model
from foveate.confidence import Confidence
from foveate.config import format_toml, parse_toml
from foveate.errors import BundleError, ConfigError
from foveate.files import is_aside, read_regular
from foveate.options import NGRAM_SIZE, ModelOptions, TextOptions, find_architecture, restore_part
from foveate.own_code import AttentionFactory
from foveate.runtime import describe_runtime, read_runtime
from foveate.summary import Summary, check_scores, read_summary
from foveate.text.codec import Codec
from foveate.text.memory import Memory
from foveate.text.word_list import WordList

FORMAT = "foveate"
FORMAT_VERSION = 2
CONFIG = "config.toml"
RUNTIME = "runtime.json"
WEIGHTS = "weights.safetensors"
MEMORY = "memory.json"
WORDS = "words.json"
MEMBER = re.compile(r"(\d+)[/.]")
LEAST_SQUARES = 5  # the smallest model of L layers of width H has more than 5 L H^2 numbers
HASH = re.compile("[0-9a-f]{64}")

Files = dict[str, bytes]

__all__ = [
    "MANIFEST",
    "Bundle",
    "Decoding",
    "Manifest",
    "Summary",
    "load_bundle",
    "read_manifest",
    "refuse_foreign",
    "save_bundle",
]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What `bundle.json` says.

    Attributes:
        format_version: 1 or 2.
        files: the sha256 of every file that computes, by name.
        summary: what training did.
        scores: by set of pairs and metric.
        length_ratio: of a bundle of format 1; later ones have it in `runtime.json`.
        is_shared: of a bundle of format 1; later ones have it in `config.toml`.
    """

    format_version: int
    files: dict[str, str]
    summary: Summary
    scores: dict[str, Any]
    length_ratio: float = 0.0
    is_shared: bool = False

    @property
    def id(self) -> str:
        """The id of the model: the sha256 of everything that computes."""
        return identify(self.format_version, self.files)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What writing an output needs besides the model itself.

    Attributes:
        length_ratio: most target tokens for each source token, some more for all.
        longest_source: tokens of the longest source in training; 0 where nobody counted.
        memory: source to target, where training pairs are recalled.
        words: of the target language, which outputs are preferred to be made of.
        confidence: how sure one may be of an output, by its probability; None where nobody fitted.
        stand_ins: tokens that are read in the place of unknown ones, so that these are copied.
    """

    length_ratio: float = 2.0
    longest_source: int = 0
    memory: Memory = field(default_factory=dict)
    words: WordList | None = None
    confidence: Confidence | None = None
    stand_ins: tuple[str, ...] = ()


@dataclass
class Bundle:
    """Everything that a trained model is, as values.

    Attributes:
        text: how it reads and writes text.
        model: what it is made of.
        source_codec: text to ids of the source side.
        target_codec: the same object when both sides share a vocabulary.
        weights: parameter name to array; empty in an exported model. In an ensemble a name begins
            with the number of its member, `0/`.
        decoding: what writing an output needs besides.
        summary: what training did.
        scores: by set of pairs, metric name to value, interval and signature.
        graphs: name to ONNX file; empty unless exported. In an ensemble `0.start` and so on.
        id: the sha256 of everything that computes; empty in a model that was never saved.
        attention: what `model.attention_module` names, where the user has said that it may run;
            no file holds it.
    """

    text: TextOptions
    model: ModelOptions
    source_codec: Codec
    target_codec: Codec
    weights: dict[str, NDArray[np.float32]]
    decoding: Decoding = field(default_factory=Decoding)
    summary: Summary = field(default_factory=Summary)
    scores: dict[str, Any] = field(default_factory=dict)
    graphs: dict[str, bytes] = field(default_factory=dict)
    id: str = ""
    attention: AttentionFactory | None = None

    @property
    def is_shared(self) -> bool:
        """Say whether both sides use one vocabulary and one embedding table."""
        return self.source_codec is self.target_codec

    @property
    def num_members(self) -> int:
        """How many models decide together."""
        names = self.weights or self.graphs
        found = {match[1] for name in names if (match := MEMBER.match(name))}
        return len(found) or 1

    @property
    def members(self) -> list[dict[str, NDArray[np.float32]]]:
        """The weights of each model of an ensemble, or of the one model."""
        if self.num_members == 1:
            return [self.weights]
        return [
            {
                name.removeprefix(prefix): array
                for name, array in self.weights.items()
                if name.startswith(prefix)
            }
            for prefix in (f"{number}/" for number in range(self.num_members))
        ]

    @property
    def target_ids(self) -> list[int]:
        """For each id of the source vocabulary, the target id of the same token, or UNK."""
        return self.target_codec.vocabulary.ids(self.source_codec.vocabulary.entries)


def save_bundle(bundle: Bundle, path: str | Path, *, keep_card: bool = True) -> None:
    """Write a bundle; one that is there is replaced as a whole, at one moment.

    A folder that is there keeps what is not ours (a run's `state/` and `log.jsonl`). The bundle
    gets its id.

    Args:
        bundle: the model.
        path: its folder.
        keep_card: a card that somebody has edited stays.

    Raises:
        BundleError: the path is taken by something that is not a bundle, or cannot be written.
    """
    from foveate.card import format_card

    path = Path(path)
    refuse_foreign(path)
    files = collect_files(bundle)
    hashes = {name: digest(data) for name, data in files.items()}
    identity = identify(FORMAT_VERSION, hashes)
    card = format_card(replace(bundle, id=identity)).encode("utf-8", "backslashreplace")
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": package_version(),
        "id": identity,
        "files": hashes,
        "card": digest(card),
        "summary": bundle.summary.to_dict(),
        "scores": bundle.scores,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    try:
        write_model(path, files, text.encode("utf-8", "backslashreplace"), card, keep_card)
    except OSError as error:
        raise BundleError(f"{path}: cannot write the model: {error.strerror or error}") from None
    bundle.id = identity


def refuse_foreign(path: Path) -> None:
    """Raise a BundleError when `path` holds something that Foveate did not write."""
    if path.is_dir():
        ours = {MANIFEST, "state", "log.jsonl"}
        names = {entry.name for entry in path.iterdir() if not is_aside(entry.name)}
        if names and not names & ours:
            raise BundleError(f"{path}: is not empty and not a model: choose another folder")
    elif path.exists():
        raise BundleError(f"{path}: is a file; a model is a folder: choose another name")


def collect_files(bundle: Bundle) -> Files:
    """Return the content of every file that computes, by its name in the folder."""
    from safetensors.numpy import save

    files = {CONFIG: format_options(bundle.text, bundle.model).encode()}
    if bundle.is_shared:
        files |= bundle.source_codec.to_files("shared")
    else:
        files |= bundle.source_codec.to_files("source") | bundle.target_codec.to_files("target")
    if bundle.weights or not bundle.graphs:
        files[WEIGHTS] = save(bundle.weights)
    files |= {f"onnx/{name}.onnx": graph for name, graph in bundle.graphs.items()}
    decoding = bundle.decoding
    if decoding.memory:
        files[MEMORY] = _to_json(decoding.memory, 0)
    if words := decoding.words:
        listed = {"bonus": words.bonus, "rarity": words.rarity, "words": list(words.ranks)}
        files[WORDS] = _to_json(listed, 0)
    files[RUNTIME] = _to_json(describe_runtime(bundle, files), 1)
    return files


def _to_json(value: Any, indent: int) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text.encode("utf-8", "backslashreplace")


def format_options(text: TextOptions, model: ModelOptions) -> str:
    """Return `config.toml`: what belongs to the text, and what to the model."""
    named = {"architecture": model.architecture, **vars(model)}
    return f"[text]\n{format_toml(vars(text))}\n[model]\n{format_toml(named)}"


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle, or one that travels with the package, and check every file by its hash.

    Only files that the manifest lists are read. Options, sizes and records are checked, since a
    model may come from anybody.

    Raises:
        BundleError: it is not there, not a bundle, from a newer format, or damaged.
    """
    path = find_model(path)
    manifest = read_manifest(path)
    files = {name: read_checked(path, name, wanted) for name, wanted in manifest.files.items()}
    try:
        text, model = _read_options(files[CONFIG], manifest)
    except ConfigError as error:
        raise BundleError(str(error).replace(CONFIG, str(path / CONFIG), 1)) from None
    source, target = _read_codecs(files, text, str(path))
    bundle = Bundle(
        text,
        model,
        source,
        target,
        _read_part(path, files, WEIGHTS, _read_weights, {}),
        _read_decoding(path, files, manifest),
        manifest.summary,
        manifest.scores,
        {found[1]: data for name, data in files.items() if (found := GRAPH.fullmatch(name))},
        manifest.id,
    )
    for weights in bundle.members if bundle.weights else ():
        _check_sizes(bundle, weights, str(path / WEIGHTS))
    return bundle


def _check_sizes(bundle: Bundle, weights: Mapping[str, NDArray[np.float32]], origin: str) -> None:
    """Refuse options that ask for another model than the weights are, before one is built.

    The tables are compared exactly; of the rest it is enough that there is about as much as the
    options ask for (every size is compared when the model is built).

    Raises:
        BundleError: they do.
    """
    model, width = bundle.model, bundle.model.embedding_size
    tables = {"source_embedding.weight": (len(bundle.source_codec.vocabulary), width)}
    if not bundle.is_shared:
        tables["target_embedding.weight"] = (len(bundle.target_codec.vocabulary), width)
    if model.source_ngrams > 1:
        tables["ngrams.table.weight"] = (model.ngram_rows, NGRAM_SIZE)
    for name, shape in tables.items():
        actual = weights[name].shape if name in weights else "no place"
        if actual != shape:
            raise BundleError(
                f"{origin}: {name} has {actual}, but the options and vocabularies ask for {shape}"
            )
    least = LEAST_SQUARES * model.num_layers * model.hidden_size**2
    if sum(array.size for array in weights.values()) < least:
        raise BundleError(
            f"{origin}: has fewer numbers than num_layers {model.num_layers} and "
            f"hidden_size {model.hidden_size} ask for"
        )


def _read_options(data: bytes, manifest: Manifest) -> tuple[TextOptions, ModelOptions]:
    tables = parse_toml(data, CONFIG)
    if manifest.format_version == 1:
        from foveate.first_format import restore_options

        return restore_options(tables, manifest.is_shared, CONFIG)
    for name in ("text", "model"):
        if not isinstance(tables.get(name), dict):
            raise ConfigError(f"{CONFIG}: has no table [{name}]")
    values = dict(tables["model"])
    kind = find_architecture(values.pop("architecture", None), CONFIG)
    return restore_part(TextOptions, tables["text"], CONFIG), restore_part(kind, values, CONFIG)


def _read_codecs(files: Files, text: TextOptions, origin: str) -> tuple[Codec, Codec]:
    stem = "shared" if text.shared_vocabulary else "source"
    source = Codec.from_files(files, stem, text.source_tokens, text.normalization, origin)
    if text.shared_vocabulary:
        return source, source
    target = Codec.from_files(files, "target", text.target_tokens, text.normalization, origin)
    return source, target


def _read_decoding(path: Path, files: Files, manifest: Manifest) -> Decoding:
    values: dict[str, Any] = {"length_ratio": manifest.length_ratio}
    if manifest.format_version > 1:
        values = _read_part(path, files, RUNTIME, read_runtime, {})
    return Decoding(
        **values,
        memory=_read_part(path, files, MEMORY, _read_memory, {}),
        words=_read_part(path, files, WORDS, _read_words, None),
    )


def _read_part(path: Path, files: Files, name: str, read: Any, missing: Any) -> Any:
    """Return what a function reads out of a file, or what there is without the file."""
    if name not in files:
        return missing
    try:
        return read(files[name])
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise BundleError(f"{path / name}: is damaged: {reason}") from None


def read_manifest(path: str | Path) -> Manifest:
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
        manifest = json.loads(read_regular(path, MANIFEST, MOST_MANIFEST))
    except FileNotFoundError:
        hint = f"{path}: is not a model: it has no {MANIFEST}"
        if (path / "state").is_dir():
            hint += "; its training has not ended: go on with foveate train ... --resume"
        raise BundleError(hint) from None
    except OSError as error:
        raise BundleError(f"{path / MANIFEST}: cannot read it: {error.strerror}") from None
    except ValueError as error:
        raise BundleError(f"{path / MANIFEST}: is damaged: {error}") from None
    except RecursionError:
        raise BundleError(f"{path / MANIFEST}: is damaged: it is nested too deeply") from None
    try:
        return _check_manifest(manifest)
    except ValueError as error:
        raise BundleError(f"{path / MANIFEST}: {error}") from None


def _check_manifest(values: Any) -> Manifest:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError("is not a Foveate model")
    version = values.get("format_version")
    if type(version) is not int or version not in (1, FORMAT_VERSION):
        raise ValueError(
            f"format version {version!r:.20} is not known to this Foveate, which reads 1 and "
            f"{FORMAT_VERSION}: pip install --upgrade foveate"
        )
    old: dict[str, Any] = {}
    if version == 1:
        from foveate.first_format import convert_manifest

        old = convert_manifest(values)
    values = {**values, **old}
    for name in ("files", "summary", "scores"):
        if not isinstance(values.get(name), dict):
            raise ValueError(f"is damaged: {name} is missing or of the wrong type")
    _check_files(values["files"], version)
    if version > 1 and values.get("id") != identify(version, values["files"]):
        raise ValueError("is damaged: its id is not that of its files: copy or train it again")
    try:
        summary, scores = read_summary(values["summary"]), check_scores(values["scores"])
    except ValueError as error:
        raise ValueError(f"is damaged: {error}") from None
    kept = {name: values[name] for name in ("length_ratio", "is_shared") if name in old}
    return Manifest(
        format_version=version, files=values["files"], summary=summary, scores=scores, **kept
    )


def _check_files(files: dict[str, Any], version: int) -> None:
    for name, wanted in files.items():
        if size_limit(name) is None:
            raise ValueError(f"is damaged: {name[:60]!r} is not a file name of a model")
        if not isinstance(wanted, str) or not HASH.fullmatch(wanted):
            raise ValueError(f"is damaged: the sha256 of {name} is not one")
    needed = [CONFIG] if version == 1 else [CONFIG, RUNTIME]
    has_graphs = any(map(GRAPH.fullmatch, files))
    for name in needed if has_graphs else [*needed, WEIGHTS]:
        if name not in files:
            raise ValueError(f"is damaged: {name} is not listed in it")


def _read_weights(data: bytes) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        weights = dict(load(data))
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it is not a safetensors file: {error}") from None
    for name, array in weights.items():
        if array.dtype != np.float32:
            raise ValueError(f"{name[:60]!r} is {array.dtype}, not float32")
    return weights


def _read_words(data: bytes) -> WordList:
    listed = json.loads(data)
    if isinstance(listed, dict):
        weights = [listed.get("bonus"), listed.get("rarity", 0.0)]  # older lists have no ranks
        words = listed.get("words")
        if (
            isinstance(words, list)
            and all(isinstance(word, str) for word in words)
            and all(isinstance(weight, float | int) for weight in weights)
        ):
            return WordList.from_words(words, *map(float, weights))
    raise ValueError("it is not a list of words: copy or train the model again")


def _read_memory(data: bytes) -> Memory:
    memory = json.loads(data)
    if not isinstance(memory, dict) or not all(isinstance(text, str) for text in memory.values()):
        raise ValueError("it is not a table of texts: copy or train the model again")
    return memory


def package_version() -> str:
    """Return the version of Foveate that runs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("foveate")
    except PackageNotFoundError:
        return "unknown"
