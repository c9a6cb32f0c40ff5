"""`foveate translate`: lines in, lines out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice, tee
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from foveate.commands.arguments import (
    INSIDE,
    SAMPLING,
    SEARCH,
    STEERING,
    Backend,
    BeamSize,
    Place,
    Threads,
    TrustCode,
    check_finite,
    check_least,
    check_positive,
    load_translator,
)
from foveate.commands.remarks import Remarks
from foveate.console import say
from foveate.errors import ConfigError
from foveate.flags import ESSENTIAL

if TYPE_CHECKING:
    from foveate.records import Sampling, Translation
    from foveate.translator import Translator

LOOKED_AT = 2000  # lines in which a file of pairs shows
Demands = Annotated[
    tuple[str, ...], Parameter(group=STEERING, metavar="TEXT", negative="", show_default=False)
]


app = App(
    name="translate",
    help_epilogue="""\
Examples:
  foveate translate model new.txt > new.out
  echo foveate | foveate translate model --beam-size 8 --n-best 3 --format tsv
  foveate translate model big.txt.gz --out big.jsonl --format jsonl
  foveate translate model new.txt --prefix "Dear " --must-not "Sir" --mbr chrf
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
    attention: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    choices: Annotated[int, Parameter(group=INSIDE, metavar="N", show_default=False)] = 0,
    tree: Annotated[bool, Parameter(group=INSIDE, negative="", show_default=False)] = False,
    n_best: Annotated[int, Parameter(group=SEARCH, metavar="N")] = 1,
    beam_size: BeamSize = None,
    length_penalty: Annotated[float | None, Parameter(group=SEARCH, metavar="X")] = None,
    max_length: Annotated[int | None, Parameter(group=SEARCH, metavar="N")] = None,
    max_source: Annotated[int | None, Parameter(group=SEARCH, metavar="N")] = None,
    mbr: Annotated[Literal["chrf", "edits"] | None, Parameter(group=SEARCH)] = None,
    prefix: Annotated[Place, Parameter(group=STEERING, metavar="TEXT", show_default=False)] = "",
    must: Demands = (),
    must_not: Demands = (),
    no_repeat: Annotated[int, Parameter(group=STEERING, metavar="N", show_default=False)] = 0,
    sample: Annotated[bool, Parameter(group=SAMPLING, negative="", show_default=False)] = False,
    temperature: Annotated[float | None, Parameter(group=SAMPLING, metavar="X")] = None,
    top_k: Annotated[int | None, Parameter(group=SAMPLING, metavar="K")] = None,
    top_p: Annotated[float | None, Parameter(group=SAMPLING, metavar="P")] = None,
    seed: Annotated[int, Parameter(group=SAMPLING, metavar="N")] = 1,
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Translate every line of a file.

    Args:
        model: Folder of a trained model.
        file: Text, one source a line; - is standard input.
        out: Where to write; - is standard output. A file appears only when it is complete.
        format: text has one output a line. tsv has a row for each of the n best: source, output,
            score, rank, probability, confidence. jsonl has everything.
        attention: Add the attention weights to jsonl.
        choices: Add the N likeliest tokens at every place of an output to jsonl.
        tree: Add all prefixes that the search held to jsonl.
        n_best: Outputs for each line, best first, no two alike.
        beam_size: Hypotheses that the search keeps; 1 is greedy, the fastest.
        length_penalty: How much longer outputs are favoured; 0 not at all.
        max_length: Longest output, in tokens.
        max_source: Longest source, in tokens. A longer source is cut, and its line is named
            (default: four times the longest source of the training).
        mbr: Minimum Bayes risk: of the outputs that were found or drawn, take the one most like
            the others, by character n-grams (chrf) or by edits.
        prefix: Every output begins with this text; it may end inside a token.
        must: Every output contains this text; repeat the flag for several.
        must_not: No output contains this text; repeat the flag for several.
        no_repeat: No sequence of N tokens twice in an output.
        sample: Draw outputs at random instead of searching for the best.
        temperature: Above 1 more varied, below 1 less; implies --sample.
        top_k: Draw from the K likeliest tokens only; implies --sample.
        top_p: Draw from the likeliest tokens that hold this share together; implies --sample.
        seed: Seed of the sampling.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.console import watch
    from foveate.data.readers import read_lines
    from foveate.formats import format_translation
    from foveate.output import check_file, open_output

    check_file(out)
    for flag, is_given in (("attention", attention), ("choices", choices), ("tree", tree)):
        if is_given and format != "jsonl":
            raise ConfigError(f"--{flag}: only with --format jsonl")
    check_least(1, n_best=n_best, beam_size=beam_size, max_length=max_length, top_k=top_k)
    check_least(0, seed=seed, threads=threads, no_repeat=no_repeat, choices=choices)
    check_positive(temperature=temperature, top_p=top_p)
    check_finite(length_penalty=length_penalty)
    sampling = _sampling(sample, temperature, top_k, top_p, seed)
    translator = load_translator(model, backend, threads, trust_code, max_source)
    run = partial(
        translator.translate,
        beam_size=beam_size,
        n_best=n_best,
        length_penalty=length_penalty,
        max_length=max_length,
        attention=attention,
        prefix=prefix,
        must=must,
        must_not=must_not,
        no_repeat=no_repeat,
        mbr=mbr,
        sampling=sampling,
        choices=choices,
        tree=tree,
    )
    run([])  # raises what is wrong with the call before a line is read
    is_dialogue = file == "-" and sys.stdin.isatty()
    lines, sources = tee(read_lines(file) if is_dialogue else _refuse_pairs(file, translator))
    found: Iterable[Translation] = run(lines)
    if is_dialogue:
        say("type a line to translate, Ctrl-D to end")
        found = chain.from_iterable(run([line]) for line in lines)  # answer at once
    remarks = Remarks(translator)
    with open_output(out) as stream:
        for source, translation in watch(zip(sources, remarks.watch(found), strict=True)):
            remarks.see(source)
            stream.writelines(format_translation(source, translation, format))
    remarks.tell()
    return 0


def _refuse_pairs(file: str, translator: Translator) -> Iterator[str]:
    """Return the lines of a file that does not look like pairs.

    Raises:
        ConfigError: every line that is looked at has a TAB, which is no character of sources.
    """
    from foveate.data.readers import read_lines

    lines = read_lines(file)
    head = list(islice(lines, LOOKED_AT))
    written = [line for line in head if line.strip()]
    if written and all("\t" in line for line in written) and translator.counts_as_unknown("\t"):
        name = "standard input" if file == "-" else file
        first = "" if file == "-" else f" {shlex.quote(file)}"
        raise ConfigError(
            f"{name}: every line has a TAB, as in a file of pairs; sources have none. "
            f"Take the column of the sources: cut -f1{first} | foveate translate MODEL"
        )
    return chain(head, lines)


def _sampling(
    sample: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> Sampling | None:
    from foveate.records import Sampling

    given = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Sampling(**options, seed=seed) if sample or options else None
