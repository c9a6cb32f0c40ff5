"""`foveate attend`: where the model looked, and what it computed there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Group, Parameter

from foveate.commands.arguments import (
    Backend,
    BeamSize,
    Place,
    Threads,
    TrustCode,
    check_least,
    load_translator,
    require_attention,
)
from foveate.commands.groups import ESSENTIAL
from foveate.commands.remarks import Remarks
from foveate.console import say
from foveate.errors import ConfigError

if TYPE_CHECKING:
    from foveate.inside_values import Explanation
    from foveate.insight.plots import Style
    from foveate.insight.views import View, Which
    from foveate.records import Translation
    from foveate.translator import Translator

HEADS = Group("Layers and heads", sort_key=2)
STEPS = Group("Step by step", sort_key=3)
PRINT = Group("For print", sort_key=4)
PICTURES = (".svg", ".png", ".pdf")
Kind = Literal["cross", "encoder", "decoder"]

app = App(
    name="attend",
    usage="Usage: foveate attend [OPTIONS] MODEL TEXT...",
    help_epilogue="""\
Examples:
  foveate attend model "24 December 2031"
  foveate attend model foveate fovea --out look.html
  foveate attend model foveate --target "F OW V IY EY T" --out look.svg
  foveate attend model foveate --layer all --head all --out heads.svg
  foveate attend model foveate --step 3
  foveate attend model --file words.txt --steps --out steps.html
""",
)


@app.default
def attend(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    /,
    *texts: Annotated[Place, Parameter(metavar="TEXT")],
    file: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    target: Annotated[Place | None, Parameter(group=ESSENTIAL, metavar="TEXT")] = None,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, alias="-o")] = None,
    kind: Annotated[Kind, Parameter(group=HEADS)] = "cross",
    layer: Annotated[str | None, Parameter(group=HEADS, metavar="N|all")] = None,
    head: Annotated[str | None, Parameter(group=HEADS, metavar="N|all")] = None,
    steps: Annotated[bool, Parameter(group=STEPS, negative="", show_default=False)] = False,
    step: Annotated[int | None, Parameter(group=STEPS, metavar="N")] = None,
    light: Annotated[bool, Parameter(group=PRINT, negative="", show_default=False)] = False,
    font: Annotated[str, Parameter(group=PRINT, metavar="NAME", show_default=False)] = "",
    beam_size: BeamSize = None,
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Show where the model looked: rows are the output, columns the source.

    Args:
        model: Folder of a trained model.
        texts: The sources; - reads the first line of standard input.
        file: Show every line of a file.
        target: Show the weights for this output instead of the model's own.
        out: Draw in a file and not in the terminal: .svg, .png, .pdf, .html or .json.
        kind: To the source, or self-attention of a Transformer's encoder or decoder.
        layer: Layer from 1, or all of them (default: the last but one).
        head: Head from 1, or all of them (default: their mean).
        steps: Show scores, weights, weighted states and context of every step (not of
            an exported model, which has weights only).
        step: Show these of one step, from 1.
        light: Keep an SVG light on dark pages, too.
        font: Font to write .svg, .png and .pdf in.
        beam_size: Hypotheses that the search keeps.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.insight.plots import Style
    from foveate.output import check_file

    if out is not None:
        check_file(out)
    check_least(1, beam_size=beam_size, step=step)
    which = _read_which(layer=layer, head=head)
    is_stepwise = steps or step is not None
    _check_out(out, is_stepwise, step)
    sources = _read_sources(texts, file, target)
    translator = load_translator(model, backend, threads, trust_code)
    require_attention(translator)
    explain = is_stepwise or kind != "cross" or which != (None, None)
    shown = _attend_all(translator, sources, target, beam_size, explain)
    style = Style(light, font)
    if is_stepwise:
        _show_steps(shown, out, style, (kind, *which), None if step is None else step - 1)
    elif explain:
        _show_views(shown, out, style, (kind, *which))
    else:
        _show_weights(shown, out, style)
    return 0


def _read_which(**given: str | None) -> tuple[Which, Which]:
    """Return layer and head as numbers, `all`, or None."""
    found: list[Which] = []
    for name, value in given.items():
        if value is None or value == "all":
            found.append("all" if value else None)
        elif value.isdecimal() and int(value) > 0:
            found.append(int(value))
        else:
            raise ConfigError(f"--{name}: must be a number from 1 or all, not {value!r}")
    return found[0], found[1]


def _check_out(out: str | None, is_stepwise: bool, step: int | None) -> None:
    if is_stepwise and step is None and out is not None and out.lower().endswith(PICTURES):
        raise ConfigError(f"--out {out}: a picture shows one step: add --step N, or write .html")


def _read_sources(texts: Sequence[str], file: str | None, target: str | None) -> list[str]:
    from foveate.data.lines import read_lines

    sources = [next(iter(read_lines("-")), "") if text == "-" else text for text in texts]
    if file is not None:
        sources += [line for line in read_lines(file) if line.strip()]
    if not sources and file is not None:
        raise ConfigError(f"--file {file}: it has no line with a text")
    if not sources:
        raise ConfigError("TEXT is missing: give a source to translate, or --file FILE")
    if not all(source.strip() for source in sources):
        raise ConfigError("TEXT is empty: give a source to translate")
    if target is not None and len(sources) > 1:
        raise ConfigError(f"--target is for one TEXT, not {len(sources)}")
    return sources


def _attend_all(
    translator: Translator,
    sources: Sequence[str],
    target: str | None,
    beam_size: int | None,
    explain: bool,
) -> list[Translation]:
    """Translate, or score the target, and say what the reader should know of it."""
    remarks = Remarks(translator, "text", has_limits=False)
    for source in sources:
        remarks.see(source)
    if target is not None:
        found = translator.score_pairs([(sources[0], target)], explain=explain)
    else:
        found = translator.translate(sources, beam_size=beam_size, explain=explain)
    shown = list(remarks.watch(found))
    remarks.tell()
    for source, one in zip(sources, shown, strict=True):
        if explain and one.explanation is None:
            raise ConfigError(f"TEXT {source!r:.60}: nothing of it is left to read")
    return shown


def _show_weights(shown: Sequence[Translation], out: str | None, style: Style) -> None:
    from foveate.console import format_attention
    from foveate.insight.plots import write_picture

    if out is None:
        print("\n\n".join(map(format_attention, shown)))
    else:
        write_picture(shown[0] if len(shown) == 1 else shown, out, style=style)
        _say_drawn(shown, out, style)


def _say_drawn(shown: Sequence[Translation], out: str, style: Style) -> None:
    from foveate.insight.figure import describe_boxes

    texts = [one.text for one in shown[:10]]
    more = [f"and {len(shown) - 10:,} more"] if len(shown) > 10 else []
    say("\n".join([*texts, *more, f"drawn to {out}"]))
    if out.lower().endswith((".png", ".pdf")):
        tokens = [token for one in shown for token in (*one.source_tokens, *one.tokens)]
        if boxes := describe_boxes(tokens):
            say(boxes)


def _show_views(
    shown: Sequence[Translation], out: str | None, style: Style, which: tuple[Kind, Which, Which]
) -> None:
    """Show some layers and heads, each as a heat map."""
    from foveate.console import format_attention
    from foveate.insight.html import draw_html
    from foveate.insight.plots import write_content, write_json, write_picture, write_scene
    from foveate.insight.views import list_views, stage_grid

    views = [view for one in shown for view in list_views(one, *which)]
    if out is None:
        print("\n\n".join(f"{one.title}\n{format_attention(one.translation)}" for one in views))
        return
    maps, titles = [one.translation for one in views], [one.title for one in views]
    if out.lower().endswith(".json"):
        named = zip(titles, maps, strict=True)
        write_json([{"title": title, **one.to_dict()} for title, one in named], out)
    elif out.lower().endswith(".html"):
        page = draw_html(maps, "Where it looked", captions=titles, browse=True)
        write_content(out, page.encode())
    elif len(views) == 1:
        write_picture(maps[0], out, titles[0], style)
    elif len(shown) > 1:
        raise ConfigError(f"{out}: a picture shows one TEXT: write .html or .json for several")
    else:
        write_scene(stage_grid(views, _count_columns(views)), out, style)
    _say_drawn(shown, out, style)


def _count_columns(views: Sequence[View]) -> int:
    """Return how many maps stand in a row: the heads of one layer, if there are several layers."""
    layers = [view.place.partition(",")[0] for view in views]
    return layers.count(layers[0]) if len(set(layers)) > 1 else min(len(views), 4)


def _show_steps(
    shown: Sequence[Translation],
    out: str | None,
    style: Style,
    which: tuple[Kind, Which, Which],
    step: int | None,
) -> None:
    """Show the numbers of one step, or of all."""
    from foveate.insight.explained import draw_explained
    from foveate.insight.plots import write_content, write_json, write_scene
    from foveate.insight.steps import stage_step

    explanations = [one.explain() for one in shown]
    kind, layer, head = which
    if out is None:
        print("\n\n".join(_format(one, kind, layer, head, step) for one in explanations))
        return
    if out.lower().endswith(".json"):
        values = [one.to_dict() for one in shown]
        write_json(values[0] if len(shown) == 1 else values, out)
    elif out.lower().endswith(".html"):
        write_content(
            out, draw_explained(shown, "Where it looked, step by step", step or 0).encode()
        )
    elif len(shown) > 1 or "all" in (layer, head):
        raise ConfigError(f"{out}: a picture shows one step of one head: write .html for more")
    else:
        assert step is not None and layer != "all" and head != "all"
        scene = stage_step(explanations[0], explanations[0].look(kind, layer), step, head or 1)
        write_scene(scene, out, style)
    _say_drawn(shown, out, style)


def _format(
    explanation: Explanation, kind: Kind, layer: Which, head: Which, step: int | None
) -> str:
    from foveate.insight.steps import format_steps
    from foveate.insight.views import choose_heads, choose_looks

    parts = []
    for look in choose_looks(explanation, kind, layer):
        steps = range(look.weights.shape[1]) if step is None else [step]
        heads = [number or 1 for number in choose_heads(look, head)]
        parts.append(format_steps(explanation, look, steps, heads))
    return "\n\n".join(parts)
