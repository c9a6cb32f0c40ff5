"""One HTML file that holds the page, the runtime and models, and works without a network.

It is built of the same page that a server gives: its style and modules are put into it, and what
the models and their runtime are made of stands in blocks of text, packed. Its policy lets nothing
run but these modules, and nothing be asked of any network.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from importlib.resources import files

from foveate.bundle import (
    CONFIG,
    RUNTIME,
    WEIGHTS,
    Bundle,
    collect_files,
    package_version,
)
from foveate.errors import ModelMismatchError
from foveate.onnx_backend import build_onnx_stepper
from foveate.page_graphs import pack_graph

INDEX = "index.html"
ENTRY = "engine/app.js"  # in the place of the module that asks a server
VENDORED = {
    "runtime/ort.wasm.bundle.min.mjs": "vendor/ort.wasm.bundle.min.mjs.gz",
    "runtime/ort-wasm-simd-threaded.wasm": "vendor/ort-wasm-simd-threaded.wasm.gz",
    "runtime/ThirdPartyNotices.txt": "vendor/ThirdPartyNotices.txt.gz",
}
LICENSE = "vendor/LICENSE"

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.[^"]+)";[^\S\n]*$', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+((?:async\s+)?function\*?|class|const)\s+([\w$]+)", re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export\s*\{([^}]*)\};[^\S\n]*$", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*>')
_ICON = re.compile(r'<link\b[^>]*\brel="icon"[^>]*>')
_SCRIPT = re.compile(r'<script\b[^>]*\btype="module"[^>]*>\s*</script>')
_PLACE = re.compile(r'\b(?:href|src)="([^"]+)"')
_POLICY = re.compile(r'<meta\b[^>]*\bhttp-equiv="Content-Security-Policy"[^>]*>\s*')

ReadFile = Callable[[str], bytes]


def read_part(name: str) -> bytes:
    """Return a file of the page, the engine or the runtime by its name below `foveate/page/`."""
    return files("foveate.page").joinpath(*name.split("/")).read_bytes()


def build_single_page(bundles: Mapping[str, Bundle], *, read: ReadFile = read_part) -> str:
    """Return the page with some models in it; the first is the one that it opens with.

    Args:
        bundles: exported models by the names that the page shows.
        read: gives the files of the page; its `index.html` names the others.

    Raises:
        ModelMismatchError: a model was not exported.
        BundleError: its graphs are damaged, or not like an export of Foveate. The page looks no
            more: whoever changes a model in a page may change its script as well.
    """
    packed = {name: read(place) for name, place in VENDORED.items()}
    packed["info.json"] = _pack(json.dumps(describe_models(bundles)).encode())
    for name, bundle in bundles.items():
        for file, data in _list_model_files(name, bundle).items():
            packed[f"models/{name}/{file}"] = _pack(data)
    return _assemble(read, [_format_block(name, data) for name, data in packed.items()])


def describe_models(bundles: Mapping[str, Bundle]) -> dict[str, object]:
    """Return what a page may know of its models: what `GET /info` of a server says."""
    described = [_describe_model(name, bundle) for name, bundle in bundles.items()]
    return {"version": package_version(), "models": described, "limits": {}}


def _describe_model(name: str, bundle: Bundle) -> dict[str, object]:
    runtime = json.loads(collect_files(bundle)[RUNTIME])
    steps = [graphs["step"]["outputs"] for graphs in runtime["models"]]
    sides = (("source", bundle.source_codec), ("target", bundle.target_codec))
    return {
        "name": name,
        "id": bundle.id,
        "architecture": bundle.model.architecture,
        "has_attention": any("attention" in outputs for outputs in steps),
        **{
            side: {"tokens": codec.kind, "vocabulary": len(codec.vocabulary)}
            for side, codec in sides
        },
        "scores": bundle.scores,
        "longest_source": bundle.decoding.longest_source,
        "examples": bundle.summary.examples,
    }


def _list_model_files(name: str, bundle: Bundle) -> dict[str, bytes]:
    if not bundle.graphs:
        raise ModelMismatchError(
            f"{name}: was not exported, so a page cannot run it: foveate export makes both"
        )
    build_onnx_stepper(bundle.graphs, num_tokens=len(bundle.target_codec.vocabulary), origin=name)
    found: dict[str, bytes] = {}
    for file, data in collect_files(bundle).items():
        if file.endswith(".onnx"):
            found |= pack_graph(file, data)
        elif file not in (CONFIG, WEIGHTS):
            found[file] = data
    return found


def _pack(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _format_block(name: str, packed: bytes) -> str:
    # base85 is a sixteenth shorter than base64; "<" could end the block, so "," stands for it
    text = base64.b85encode(packed).decode().replace("<", ",")
    return f'<script type="text/plain" data-file="{escape(name)}">{text}</script>'


def _assemble(read: ReadFile, blocks: list[str]) -> str:
    """Return the page with its style, its modules and these blocks inside, and a strict policy."""
    page = _POLICY.sub("", read(INDEX).decode())
    style = "\n".join(read(place).decode() for place in _list_places(_STYLE, page))
    script = join_modules([ENTRY], read)
    for place in _list_places(_ICON, page):
        icon = base64.b64encode(read(place)).decode()
        page = _ICON.sub(f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">', page)
    page = _SCRIPT.sub("", _STYLE.sub("", page))
    page = page.replace('data-engine="http"', 'data-engine="model"')
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' blob: 'wasm-unsafe-eval'; "
        f"style-src '{_hash(style)}'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<style>{style}</style>\n<!-- Of onnxruntime-web, which is inside:\n"
        f"{read(LICENSE).decode().strip()}\n-->\n"
    )
    page = page.replace("<head>", f"<head>\n{head}", 1)
    # The script stands first: so it runs, and says so, when the file was cut off behind it.
    body = f'<script type="module">{script}</script>\n' + "\n".join(blocks) + "\n"
    before, _, after = page.rpartition("</body>")
    return f"{before}{body}</body>{after}"


def _list_places(tag: re.Pattern[str], page: str) -> Iterator[str]:
    """Yield the files that tags of the page name, below the folder of the page."""
    for found in tag.findall(page):
        yield _PLACE.findall(found)[0].removeprefix("/").removeprefix("page/")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def join_modules(entries: list[str], read: ReadFile) -> str:
    """Return modules and all that they import as one module, each in a block of its own.

    They may import by name from files beside them, and export functions, classes and constants.

    Raises:
        ValueError: a module imports or exports in another way, or two import each other.
    """
    joined: dict[str, str] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{' imports '.join((*above, name))}: a circle cannot be joined")
        if name in joined:
            return
        code = read(name).decode()
        for _, place in _IMPORT.findall(code):
            add(_resolve(name, place), (*above, name))
        joined[name] = _wrap_module(name, code)

    for entry in entries:
        add(entry, ())
    code = "const modules = {};\n" + "\n".join(joined.values())
    return re.sub(r"</(?=script)", r"<\\/", code, flags=re.IGNORECASE).replace("<!--", r"<\!--")


def _resolve(name: str, place: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), place))


def _wrap_module(name: str, code: str) -> str:
    """Return a module as a block that takes what it imports from `modules` and puts itself there.

    Functions may be used before they are declared, so a block is enough.
    """
    exported: dict[str, str] = {}
    for names in _EXPORT_LIST.findall(code):
        exported |= {outer: inner for inner, outer in _read_names(names)}
    exported.update((inner, inner) for _, inner in _EXPORT.findall(code))

    def import_names(found: re.Match[str]) -> str:
        names = dict(_read_names(found[1]))
        return f'const {_format_names(names)} = modules["{_resolve(name, found[2])}"];'

    code = _EXPORT.sub(r"\1 \2", _EXPORT_LIST.sub("", _IMPORT.sub(import_names, code)))
    if left := _OTHER.search(code):
        raise ValueError(f"{name}: {left[0]!r} cannot be joined: import and export by name")
    return f'// {name}\n{{\n{code}\nmodules["{name}"] = {_format_names(exported)};\n}}'


def _format_names(names: Mapping[str, str]) -> str:
    """Return an object, or what takes one apart, from names outside to names inside."""
    parts = [outer if outer == inner else f"{outer}: {inner}" for outer, inner in names.items()]
    return f"{{ {', '.join(parts)} }}"


def _read_names(names: str) -> Iterator[tuple[str, str]]:
    """Yield both sides of each `a as b` of a list of names; of a plain `a` twice the same."""
    for part in filter(None, map(str.strip, names.split(","))):
        first, _, second = part.partition(" as ")
        yield first.strip(), (second or first).strip()
