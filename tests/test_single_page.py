"""The single page in a real browser without a network: what it gives is what Python gives."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import runpy
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import BrowserContext, Error, Page, expect

from browsing import CHROMIUM, open_browser
from foveate.bundle import Bundle, Decoding, load_bundle, save_bundle
from foveate.bundled import find_model
from foveate.cli import main
from foveate.confidence import Confidence
from foveate.errors import BundleError
from foveate.graphs import build_graphs, repeat_steps
from foveate.models import build_model
from foveate.onnx_backend import optimize_graph
from foveate.options import Normalization, TextOptions
from foveate.page_graphs import drop_domains, pack_graph
from foveate.records import Request
from foveate.single_page import build_single_page, join_modules
from foveate.text.codec import Codec, normalize_text
from foveate.text.tokenizers import build_tokenizer, learn_sentencepiece
from foveate.text.vocabulary import EOS, Vocabulary
from foveate.text.word_list import WordList
from foveate.translator import Translator
from made import make_options, mark_others
from models_naive import randomise

ROOT = Path(__file__).parent.parent
TOLERANCE = 1e-4  # of log-probabilities and weights: the kernels round differently
NUM_TEXTS = 120
SIZES = {"embedding_size": 6, "hidden_size": 8, "num_heads": 2, "num_layers": 1}
END_BIAS = 0.8  # so that random models end about half of their outputs
# The page's policy lets no string be run as a script, so Playwright's own way of waiting is closed.
UNTIL_READY = """() => new Promise((done) => {
    const look = () => window.foveate ? done() : setTimeout(look, 20);
    look();
})"""
# name: architecture, tokens of the source and of the target, normal form
MODELS: dict[str, tuple[Any, Any, Any, Normalization]] = {
    "characters": ("attention", "characters", "characters", "NFC"),
    "tagged": ("traditional", "tagged", "whitespace", "NFD"),
    "whitespace": ("transformer", "whitespace", "tagged", "none"),
    "bytes": ("transformer", "bytes", "bytes", "NFC"),
    "unigram": ("attention", "unigram", "unigram", "NFKD"),
    "bpe": ("traditional", "bpe", "bpe", "NFKC"),
    "decomposed": ("attention", "characters", "characters", "decomposed"),
}
WORDS = """
see sea the sun sang <V> <PST> naïve café cafe\u0301 Übung ﬁn שלום נמל नमस्ते हिन्दी 日本語 \
ἀρχή 한글 👩‍🚀 a\u200db zé\u0323 İst 1½ x\u0301 \u1e9b\u0323
""".split()  # noqa: SIM905
LONG = pytest.mark.long
ODD = [
    "\ufeffsun", "  the  sun ", "a\tb\nc", "\x1csea\x1f", "sea\u3000sun", "q", "zzz", "日本", "<V",
    "<a b>", "\ud800sun", "sun\udc00", "▁sun", "the▁sun", "see" * 40, "</s>", "<unk>", "\\n",
    "", " ",
]  # fmt: skip

# Continuous integration installs Chromium; on a machine without it there is no browser to ask.
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


def make_texts(seed: int) -> list[str]:
    draw = random.Random(seed)
    texts = [
        draw.choice([" ", " ", "", "  "]).join(draw.choices(WORDS, k=3)) for _ in range(NUM_TEXTS)
    ]
    return ODD + texts[len(ODD) :]


def make_codec(kind: str, texts: list[str], form: Normalization) -> Codec:
    if kind in ("unigram", "bpe"):
        tokenizer = learn_sentencepiece(texts, kind, 120, seed=1)
        return Codec(tokenizer, Vocabulary(tokenizer.pieces), form)
    plain = build_tokenizer(kind)
    return Codec(plain, Vocabulary.learn([plain.split(text) for text in texts]), form)


def make_bundle(name: str) -> Bundle:
    """Return an exported model with random weights, which has seen most of the letters."""
    architecture, source_kind, target_kind, form = MODELS[name]
    texts = [" ".join(WORDS[place : place + 4]) for place in range(len(WORDS) - 6)]
    texts = [normalize_text(text, form) for text in texts]
    codecs = [make_codec(kind, texts, form) for kind in (source_kind, target_kind)]
    graphs = make_graphs(architecture, *codecs, seed=0)
    text = TextOptions(
        source_tokens=source_kind,
        target_tokens=target_kind,
        normalization=form,
        shared_vocabulary=False,
    )
    decoding = Decoding(length_ratio=0.2, longest_source=20)
    return Bundle(text, make_options(architecture, **SIZES), *codecs, {}, decoding, graphs=graphs)


def make_graphs(architecture: str, source: Codec, target: Codec, seed: int) -> dict[str, bytes]:
    torch.manual_seed(seed)
    sizes = (len(source.vocabulary), len(target.vocabulary))
    model = build_model(make_options(architecture, **SIZES), *sizes, shared=False)
    randomise(model, seed=seed)
    for parameter in model.parameters():
        if parameter.shape == (len(target.vocabulary),):  # the bias of what is written
            parameter.data[EOS] += END_BIAS
    return repeat_steps(build_graphs(model))


def make_requests(texts: list[str], translator: Translator) -> list[Request]:
    """Return what is wanted of each text: greedy, a beam, a prefix, and so on in turn."""
    wishes: list[dict[str, Any]] = [
        {"beam_size": 1, "attention": True},
        {"n_best": 3, "attention": True},
        {"beam_size": 3, "length_penalty": 0.0, "n_best": 2},
        {"beam_size": 4, "max_length": 4, "n_best": 4},
        {"beam_size": 1, "prefix": "", "choices": 3},
        {"beam_size": 4, "n_best": 2, "prefix": "", "attention": True, "tree": True},
        {"beam_size": 2, "n_best": 2, "choices": 2, "tree": True},
        {"beam_size": 1, "tree": True},
    ]
    other = translator.target_codec.decode(range(EOS + 1, EOS + 9))
    requests = []
    for number, greedy in enumerate(translator.translate(texts, beam_size=1)):
        wanted = {"attention": False, **wishes[number % len(wishes)]}
        if "prefix" in wanted:  # now and then it ends inside a token, or inside a character
            begin = (greedy.text if number % 2 else other)[: 1 + number % 7]
            wanted["prefix"] = unicodedata.normalize("NFD", begin.replace("\ufffd", ""))
        requests.append(Request(texts[number], **wanted))
    return requests


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    made = {name: make_bundle(name) for name in MODELS}
    plain, subwords = made["characters"], made["unigram"]
    codecs = (plain.source_codec, plain.target_codec)
    both = [plain.graphs, make_graphs("traditional", *codecs, seed=1)]
    numbered = {f"{n}.{name}": graphs[name] for n, graphs in enumerate(both) for name in graphs}
    made["ensemble"] = replace(plain, graphs=numbered)
    memory = {"sun": "the sun", "café": "see", "the sun": "sun the"}
    made["remembers"] = replace(plain, decoding=replace(plain.decoding, memory=memory))
    words = WordList.from_words(["see", "a", "n", "s", "t"], bonus=2.0, rarity=0.1)
    made["prefers"] = replace(subwords, decoding=replace(subwords.decoding, words=words))
    certain = replace(
        plain.decoding, memory={"sun": "see"}, confidence=Confidence(0.3, 0.7, 1.2, recalled=0.9)
    )
    upper = replace(plain.text, source_case="upper")
    made["folds"] = replace(plain, text=upper, decoding=replace(certain, stand_ins=("e", "n")))
    made["english"] = load_bundle(find_model("english"))  # its weights have 8 bits
    return made


@pytest.fixture(scope="module")
def offline() -> Iterator[BrowserContext]:
    """A browser without a network."""
    with open_browser() as browser:
        context = browser.new_context()
        context.set_offline(True)
        yield context


@pytest.fixture(scope="module")
def page(
    bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory, offline: BrowserContext
) -> Iterator[Page]:
    place = tmp_path_factory.mktemp("page") / "model.html"
    place.write_text(build_single_page(bundles), encoding="utf-8")
    opened = offline.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("request", lambda request: problems.append(request.url))
    opened.goto(place.as_uri())
    opened.evaluate(UNTIL_READY)
    yield opened
    outside = [one for one in problems if one != place.as_uri() and not one.startswith("blob:")]
    assert outside == [], "the page failed, warned, or asked for something else"


def translate(page: Page, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Translate many texts in one call; JSON with escapes takes half characters along."""
    found: list[dict[str, Any]] = page.evaluate(
        """async (asked) => {
            const found = [];
            for (const { text, ...options } of JSON.parse(asked)) {
                found.push(await window.foveate.translate(text, options));
            }
            return found;
        }""",
        json.dumps(asked),
    )
    return found


def compare(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    for name in ("source_tokens", "tokens", "text", "is_finished", "unknown", "num_cut"):
        assert theirs[name] == ours[name], name
    for name in ("score", "rank_score", "token_scores"):
        np.testing.assert_allclose(theirs[name], ours[name], atol=TOLERANCE, rtol=TOLERANCE)
    if ours["confidence"] is None:
        assert theirs["confidence"] is None
    else:
        assert theirs["confidence"] == pytest.approx(ours["confidence"], abs=TOLERANCE)
    if ours["attention"] is None:
        assert theirs["attention"] is None
    else:
        assert np.shape(theirs["attention"]) == np.shape(ours["attention"])
        np.testing.assert_allclose(theirs["attention"], ours["attention"], atol=TOLERANCE)
    assert ("choices" in theirs, "tree" in theirs) == ("choices" in ours, "tree" in ours)
    for row, own_row in zip(theirs.get("choices", []), ours.get("choices", []), strict=True):
        compare_rows(row, own_row)
    compare_rows(theirs.get("tree", []), ours.get("tree", []))
    assert len(theirs["alternatives"]) == len(ours["alternatives"])
    for other, own in zip(theirs["alternatives"], ours["alternatives"], strict=True):
        compare(other, own)


def compare_rows(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> None:
    """Compare choices of a place, or nodes of a tree."""
    assert len(theirs) == len(ours)
    for other, own in zip(theirs, ours, strict=True):
        for name, value in own.items():
            assert other[name] == (
                pytest.approx(value, abs=1e-4) if name.endswith(("b", "score")) else value
            )


def as_options(request: Request, model: str) -> dict[str, Any]:
    """Return a request as the page takes it."""
    options = asdict(request)
    return {"text": options.pop("source"), "model": model, **options}


QUICK = ("characters", "unigram", "ensemble", "folds")


@pytest.mark.parametrize(
    "name", mark_others([*MODELS, "ensemble", "remembers", "prefers", "folds"], QUICK)
)
def test_outputs_are_those_of_python(page: Page, bundles: dict[str, Bundle], name: str) -> None:
    translator = Translator.from_bundle(bundles[name], backend="onnx", threads=1)
    texts = make_texts(len(name))
    # the kinds of tokens get all texts; an ensemble, a memory and a list of words need fewer
    requests = make_requests(texts if name in MODELS else texts[:60], translator)
    theirs = translate(page, [as_options(request, name) for request in requests])
    lengths = set()
    for found, ours in zip(theirs, translator.translate_batch(requests), strict=True):
        compare(found, ours.to_dict())
        lengths.add((len(ours.tokens), ours.is_finished))
    assert len(lengths) > 6, "the outputs are too much alike to show anything"


def test_words_of_the_bundled_model_are_those_of_python(
    page: Page, bundles: dict[str, Bundle]
) -> None:
    translator = Translator.from_bundle(bundles["english"], backend="onnx", threads=1)
    words = ["thoughtful", "zzyzx", "antidisestablishmentarianism"]
    wishes: dict[str, Any] = {"n_best": 3, "attention": True, "choices": 8}
    requests = [Request(word, **wishes) for word in words]
    requests += [Request(word, beam_size=1) for word in words]
    theirs = translate(page, [as_options(request, "english") for request in requests])
    for found, ours in zip(theirs, translator.translate_batch(requests), strict=True):
        compare(found, ours.to_dict())


def test_floats_of_a_page_are_those_of_python(bundles: dict[str, Bundle]) -> None:
    """What the page does with the holes of a graph, once more in NumPy."""
    for name, graph in bundles["english"].graphs.items():
        packed = pack_graph("graph", graph)
        told = json.loads(packed["graph.json"])
        kept, numbers = packed["graph"], np.frombuffer(packed["graph.int8"], np.int8)
        whole = b""
        for hole in told["holes"]:
            own, numbers = numbers[: hole["size"]], numbers[hole["size"] :]
            turns = np.arange(hole["size"]) // hole["inner"] % len(hole["scales"])
            floats = own * np.array(hole["scales"], np.float32)[turns]
            part = hole["at"] - len(whole)
            whole, kept = whole + kept[:part] + floats.tobytes(), kept[part:]
        whole += kept
        assert whole == drop_domains(optimize_graph(graph))
        assert len(whole) == told["size"]
        assert len(packed["graph"]) < len(graph) / 10, name


# --- how the file is made, and what else reads a bundle -------------------------------------------


DECODED = ["characters", "tagged", "whitespace", "bytes", "decomposed", "ensemble", "remembers"]


@pytest.mark.parametrize("name", mark_others(DECODED, ["characters", "remembers"]))
def test_decoder_of_the_docs_is_greedy_search(
    bundles: dict[str, Bundle],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```python\n(# decode.py\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert "foveate" not in block
    assert block.count("\n") < 65
    (tmp_path / "decode.py").write_text(block, encoding="utf-8")
    save_bundle(bundles[name], tmp_path / "model")
    lines = "".join(
        f"{word} {other}\n" for word, other in pairwise(WORDS) if "\u200d" not in word + other
    )
    (tmp_path / "lines.txt").write_text(lines, encoding="utf-8")
    with (tmp_path / "lines.txt").open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "argv", ["decode.py", str(tmp_path / "model")])
        monkeypatch.setattr(sys, "stdin", stream)
        runpy.run_path(str(tmp_path / "decode.py"), run_name="__main__")
    written = capsys.readouterr().out
    files = [str(tmp_path / "model"), str(tmp_path / "lines.txt")]
    assert main(["translate", *files, "--beam-size", "1"]) == 0
    assert written == capsys.readouterr().out


def test_export_makes_a_page_of_models(
    bundles: dict[str, Bundle], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("characters", "remembers"):
        save_bundle(bundles[name], tmp_path / name)
    out = tmp_path / "OUT.HTML"
    assert (
        main(
            [
                "export",
                str(tmp_path / "characters"),
                str(out),
                "--also",
                str(tmp_path / "remembers"),
            ]
        )
        == 0
    )
    said = capfd.readouterr().err
    assert "remembers: it carries texts of yours: 3 training pairs in the memory" in said
    assert f"({out.stat().st_size / 1e6:.1f} MB)" in said
    page = out.read_text(encoding="utf-8")
    assert 'data-file="models/characters/onnx/step.onnx"' in page
    assert 'data-file="models/remembers/memory.json"' in page
    assert "weights.safetensors" not in page
    assert "MIT License" in page


def test_a_missing_model_is_told_before_another_is_exported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trained = Path(__file__).parent / "golden" / "format-2"  # has to be exported for a page
    missing = str(tmp_path / "missing")
    assert main(["export", str(trained), str(tmp_path / "out.html"), "--also", missing])
    said = capfd.readouterr().err
    assert "there is no such model" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["model", "out.html", "--int8"], "exported model already"),
        (["model", "out.html", "--also", "model"], "another model of the page is called model"),
        (["model", "folder", "--also", "model"], "only a page holds several models"),
        (["missing", "out.html"], "there is no such model"),
    ],
)
def test_what_makes_no_page_is_refused(
    bundles: dict[str, Bundle],
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_bundle(bundles["characters"], "model")
    assert main(["export", *arguments]) in (1, 2)
    assert says in capfd.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


@pytest.fixture(scope="module")
def small_page(bundles: dict[str, Bundle]) -> str:
    return build_single_page({"a": bundles["characters"]})


def test_page_asks_for_nothing_and_runs_nothing_else(small_page: str) -> None:
    page = small_page
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(script) == len(style) == 1
    for kind, text in (("script-src", script[0]), ("style-src", style[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy
    head, *_ = page.partition("<body")
    assert not re.findall(r'(?:src|href)="(?!data:)', head)


def find_block(page: str, name: str) -> tuple[int, int]:
    """Return where the packed text of a file begins and ends in a page."""
    begin = page.index(">", page.index(f'data-file="{name}"')) + 1
    return begin, page.index("<", begin)


def cut_off(page: str) -> str:
    """End in the middle of the runtime, as a download that broke."""
    begin, end = find_block(page, "runtime/ort-wasm-simd-threaded.wasm")
    return page[: (begin + end) // 2]


def lose_a_file(page: str) -> str:
    return page.replace('data-file="models/a/onnx/step.onnx"', 'data-file="other"')


def change_a_letter(page: str) -> str:
    begin, end = find_block(page, "models/a/onnx/start.onnx")
    at = (begin + end) // 2
    return page[:at] + ("A" if page[at] != "A" else "B") + page[at + 1 :]


def put_in_another_graph(page: str) -> str:
    """Put what is no graph, but whole, into the place of one."""
    other = slice(*find_block(page, "runtime/ThirdPartyNotices.txt"))
    begin, end = find_block(page, "models/a/onnx/step.onnx")
    return page[:begin] + page[other] + page[end:]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(cut_off, "info.json is missing. Get it again.", marks=LONG),
        pytest.param(lose_a_file, "models/a/onnx/step.onnx is missing. Get it again.", marks=LONG),
        (change_a_letter, "cut off in models/a/onnx/start.onnx: get it again"),
        pytest.param(
            put_in_another_graph,
            "The model a cannot be opened. onnx/step.onnx is damaged",
            marks=LONG,
        ),
    ],
)
def test_a_damaged_page_says_what_to_do(
    small_page: str,
    offline: BrowserContext,
    damage: Callable[[str], str],
    says: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "model.html").write_text(damage(small_page), encoding="utf-8")
    opened = offline.new_page()
    opened.goto((tmp_path / "model.html").as_uri())
    expect(opened.locator("#opening")).to_contain_text(says, timeout=20_000)
    expect(opened.locator("#main")).to_be_hidden()
    opened.close()


def test_a_graph_that_is_no_export_is_not_put_into_a_page(bundles: dict[str, Bundle]) -> None:
    plain = bundles["characters"]
    for change, says in (
        ((b"LogSoftmax", b"Bernoulli!"), "operator 'Bernoulli!'"),
        ((b"Tanh", b"\xff\xff\xff\xff"), "is not an export of Foveate"),
    ):
        graphs = {**plain.graphs, "step": plain.graphs["step"].replace(*change)}
        with pytest.raises(BundleError, match=says):
            build_single_page({"a": replace(plain, graphs=graphs)})


MODULES = {
    "a.js": 'import { two as second, f } from "./deep/b.js";\nexport const one = f() + second;\n',
    "deep/b.js": "const two = 2;\nexport function f() {\n  return two;\n}\nexport { two };\n",
    "star.js": 'import * as all from "./a.js";\n',
    "left.js": 'import { right } from "./right.js";\nexport const left = 1;\n',
    "right.js": 'import { left } from "./left.js";\nexport const right = 1;\n',
}


def test_modules_become_one(page: Page) -> None:
    joined = join_modules(["a.js"], lambda name: MODULES[name].encode())
    assert page.evaluate(f'() => {{ {joined}\nreturn modules["a.js"].one; }}') == 4


@pytest.mark.parametrize(
    ("entry", "says"), [("star.js", "cannot be joined"), ("left.js", "circle")]
)
def test_modules_that_cannot_be_joined_are_refused(entry: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        join_modules([entry], lambda name: MODULES[name].encode())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_best": 6, "beam_size": 5}, "needs a beam_size of at least 6"),
        ({"beam_size": 0}, "at least 1"),
        ({"length_penalty": 11}, "from 0 to 10"),
        ({"must": ["a"]}, "use foveate serve"),
        ({"colour": 1}, "no option colour"),
        ({"model": "other"}, 'no model "other"'),
        ({"prefix": ["no such token"]}, "no such token"),
        ({"target": ""}, "nothing to score"),
    ],
)
def test_page_says_what_is_wrong(page: Page, options: dict[str, Any], says: str) -> None:
    with pytest.raises(Error, match=says):
        translate(page, [{"text": "sun", **options}])


def test_given_outputs_are_scored(page: Page, bundles: dict[str, Bundle]) -> None:
    for name in ("characters", "bpe"):
        translator = Translator.from_bundle(bundles[name], backend="onnx", threads=1)
        pairs = list(pairwise(WORDS[:6]))
        asked = [
            {"text": a, "target": b, "model": name, "choices": 2, "attention": True}
            for a, b in pairs
        ]
        for found, ours in zip(
            translate(page, asked), translator.score_pairs(pairs, choices=2), strict=True
        ):
            compare(found, ours.to_dict())


def test_prefixes_of_choices_force_what_they_say(page: Page) -> None:
    """What the page itself does: take a choice, and go on from there."""
    for model in ("tagged", "characters", "bpe"):
        [first] = translate(page, [{"text": "the sun", "model": model, "choices": 4}])
        taken = [one for one in first["choices"][0] if not one["is_end"]]
        asked = [{"text": "the sun", "model": model, "prefix": one["prefix"]} for one in taken]
        for one, found in zip(taken, translate(page, asked), strict=True):
            assert found["text"].startswith(one["prefix"].strip())


def test_page_tells_what_its_models_are(page: Page, bundles: dict[str, Bundle]) -> None:
    info = page.evaluate("() => window.foveate.info()")
    assert [model["name"] for model in info["models"]] == list(bundles)
    assert [model["has_attention"] for model in info["models"]][:3] == [True, False, True]
    assert info["models"][1]["target"] == {
        "tokens": "whitespace",
        "vocabulary": len(bundles["tagged"].target_codec.vocabulary),
    }
