"""`foveate translate`: lines in, lines out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from itertools import chain, tee
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from foveate.commands.arguments import (
    SAMPLING,
    SEARCH,
    Backend,
    BeamSize,
    Place,
    Threads,
    check_finite,
    check_least,
    check_positive,
    load_translator,
    tell_unknown,
)
from foveate.console import say
from foveate.errors import ConfigError
from foveate.flags import ESSENTIAL

if TYPE_CHECKING:
    from foveate.records import Translation
    from foveate.translator import Sampling


app = App(
    name="translate",
    help_epilogue="""\
Examples:
  foveate translate model new.txt > new.out
  echo foveate | foveate translate model --beam-size 8 --n-best 3 --format tsv
  foveate translate model big.txt.gz --out big.jsonl --format jsonl
""",
)


@app.default
def translate(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    file: Place = "-",
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    format: Annotated[Literal["text", "tsv", "jsonl"], Parameter(group=ESSENTIAL)] = "text",
    n_best: Annotated[int, Parameter(group=SEARCH, metavar="N")] = 1,
    beam_size: BeamSize = None,
    length_penalty: Annotated[float | None, Parameter(group=SEARCH, metavar="X")] = None,
    max_length: Annotated[int | None, Parameter(group=SEARCH, metavar="N")] = None,
    attention: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    sample: Annotated[bool, Parameter(group=SAMPLING, negative="", show_default=False)] = False,
    temperature: Annotated[float | None, Parameter(group=SAMPLING, metavar="X")] = None,
    top_k: Annotated[int | None, Parameter(group=SAMPLING, metavar="K")] = None,
    top_p: Annotated[float | None, Parameter(group=SAMPLING, metavar="P")] = None,
    seed: Annotated[int, Parameter(group=SAMPLING, metavar="N")] = 1,
    backend: Backend = "auto",
    threads: Threads = 0,
) -> int:
    """Translate every line of a file.

    Args:
        model: Folder of a trained model.
        file: Text, one source a line; - is standard input.
        out: Where to write; a file appears only when it is complete. - is standard output.
        format: text: the outputs, one a line; tsv: source TAB output TAB score; jsonl: all of it.
        n_best: Outputs for each line, best first.
        beam_size: Hypotheses that the search keeps; 1 is greedy, the fastest.
        length_penalty: How much longer outputs are favoured; 0 not at all.
        max_length: Longest output, in tokens.
        attention: Put the attention weights into jsonl.
        sample: Draw outputs at random instead of searching for the best.
        temperature: Above 1 more varied, below 1 less; implies --sample.
        top_k: Draw from the K likeliest tokens only; implies --sample.
        top_p: Draw from the likeliest tokens that hold this share together; implies --sample.
        seed: Seed of the sampling.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
    """
    from foveate.console import watch
    from foveate.data.readers import read_lines
    from foveate.formats import format_translation
    from foveate.output import check_file, open_output

    check_file(out)
    if attention and format != "jsonl":
        raise ConfigError("--attention: only with --format jsonl")
    check_least(1, n_best=n_best, beam_size=beam_size, max_length=max_length, top_k=top_k)
    check_least(0, seed=seed, threads=threads)
    check_positive(temperature=temperature, top_p=top_p)
    check_finite(length_penalty=length_penalty)
    sampling = _sampling(sample, temperature, top_k, top_p, seed)
    translator = load_translator(model, backend, threads)
    run = partial(
        translator.translate,
        beam_size=beam_size,
        n_best=n_best,
        length_penalty=length_penalty,
        max_length=max_length,
        attention=attention,
        sampling=sampling,
    )
    lines, sources = tee(read_lines(file))
    found: Iterable[Translation] = run(lines)
    if file == "-" and sys.stdin.isatty():
        say("type a line to translate, Ctrl-D to end")
        found = chain.from_iterable(run([line]) for line in lines)  # answer at once
    with open_output(out) as stream:
        for source, translation in watch(zip(sources, found, strict=True)):
            stream.writelines(format_translation(source, translation, format))
    tell_unknown(translator)
    return 0


def _sampling(
    sample: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> Sampling | None:
    from foveate.translator import Sampling

    given = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Sampling(**options, seed=seed) if sample or options else None
