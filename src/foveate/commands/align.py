"""`foveate align`: word alignments of given pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from foveate.commands.arguments import (
    Backend,
    Columns,
    Place,
    Threads,
    TrustCode,
    load_translator,
    read_table,
    require_attention,
)
from foveate.commands.groups import ESSENTIAL
from foveate.commands.remarks import Remarks
from foveate.options import SUBWORD_KINDS

if TYPE_CHECKING:
    from foveate.translator import Translator


AlignmentFormat = Literal["pharaoh", "table", "counts"]

app = App(
    name="align",
    help_epilogue="""\
Examples:
  foveate align model pairs.tsv > pairs.align
  foveate align model text.en,text.de --method mutual --out alignment.txt
  foveate align model lexicon.tsv --format counts
""",
)


@app.default
def align(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    pairs: Annotated[Place, Parameter(metavar="PAIRS")],
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    format: Annotated[AlignmentFormat, Parameter(group=ESSENTIAL)] = "pharaoh",
    method: Annotated[Literal["argmax", "mutual"], Parameter(group=ESSENTIAL)] = "argmax",
    level: Annotated[Literal["auto", "tokens", "words"], Parameter(group=ESSENTIAL)] = "auto",
    columns: Columns = None,
    skip_bad: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Align given pairs, a line of source-target positions i-j for each (Pharaoh format).

    Args:
        model: Folder of a trained model.
        pairs: The pairs to align.
        out: Where to write; - is standard output.
        format: pharaoh: a line of i-j for each pair; table: a row for each link, with symbols
            and weight; counts: how often each two symbols correspond. ∅ stands where none does.
        method: argmax: every target token has one link; mutual: only links that both sides choose.
        level: What i and j count: tokens, or words of subword models (auto).
        columns: Which columns of PAIRS are source and target: by name, number or path. 1+3 joins
            two columns, and features become tags.
        skip_bad: Skip and count bad rows; they have no line in the output.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    from foveate.console import watch
    from foveate.formats import format_alignment, format_counts, format_links
    from foveate.output import check_file, open_output

    check_file(out, read=pairs)
    translator = load_translator(model, backend, threads, trust_code)
    require_attention(translator)
    table = read_table(pairs, columns=columns, skip_bad=skip_bad)
    scored = translator.score_pairs(zip(table.sources(), table.targets(), strict=True))
    kinds = _word_kinds(translator, level)
    remarks = Remarks(translator, "pair")
    aligned = watch(remarks.watch(scored), len(table), "pairs")
    with open_output(out) as stream:
        if format == "pharaoh":
            stream.writelines(format_alignment(one, method, kinds) + "\n" for one in aligned)
        elif format == "table":
            stream.writelines(format_links(aligned, method, kinds))
        else:
            stream.writelines(format_counts(aligned, method, kinds))
    remarks.tell()
    return 0


def _word_kinds(translator: Translator, level: str) -> tuple[str, str] | None:
    """Return the kinds of tokens to merge to words, or None to leave tokens alone."""
    kinds = (translator.source_codec.kind, translator.target_codec.kind)
    if level == "tokens" or (level == "auto" and not set(kinds) & set(SUBWORD_KINDS)):
        return None
    return kinds
