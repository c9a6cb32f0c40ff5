"""`foveate translate`: lines in, lines out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

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
from foveate.commands.groups import ESSENTIAL
from foveate.commands.remarks import Remarks
from foveate.console import say
from foveate.counted import counted
from foveate.errors import ConfigError

if TYPE_CHECKING:
    from foveate.column_files import Engine
    from foveate.data.lines import Line
    from foveate.data.source_row import SourceRow
    from foveate.dictionary import Dictionary, DictionaryForm
    from foveate.formats import OutputFormat
    from foveate.parts import Parts
    from foveate.records import Sampling, Translation
    from foveate.translator import Translator
    from foveate.wishes import Wishes

LOOKED_AT = 2000  # lines in which a table shows
PARQUET = ".parquet"
TABLES = {
    PARQUET: "a parquet file is a table",
    "[{": "it is a JSON array of objects",
    "<": "it is XML, as TMX and XLIFF are",
    "\t": "every line has a TAB, as in a file of pairs; sources have none",
    "{": "every line is a JSON object",
    "csv,": "every line has a comma, as in a table; sources have none",
    "csv;": "every line has a semicolon, as in a table; sources have none",
}
Demands = Annotated[
    tuple[str, ...], Parameter(group=STEERING, metavar="TEXT", negative="", show_default=False)
]


app = App(
    name="translate",
    usage="Usage: foveate translate [OPTIONS] MODEL [FILE]",
    help_epilogue="""\
Examples:
  foveate translate model new.txt > new.out
  echo foveate | foveate translate model --beam-size 8 --n-best 3 --format tsv
  foveate translate model big.txt.gz --out big.jsonl --format jsonl
  foveate translate model new.txt --prefix "Dear " --must-not "Sir" --mbr chrf
  foveate translate model table.csv --columns word --format tsv
  foveate translate model huge.txt --out huge.out --resume
  foveate translate model 'in/*.parquet' --engine ray --columns text --out out
  foveate translate english words.txt --format lexicon --out lexicon.txt
""",
)


@app.default
def translate(
    model: Annotated[Place, Parameter(metavar="MODEL")],
    file: Place = "-",
    /,
    *,
    out: Annotated[Place, Parameter(group=ESSENTIAL, alias="-o")] = "-",
    format: Annotated[
        Literal["text", "tsv", "jsonl", "lexicon", "festival", "pls"], Parameter(group=ESSENTIAL)
    ] = "text",
    attention: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    resume: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    columns: Annotated[str | None, Parameter(group=ESSENTIAL, metavar="SOURCE")] = None,
    engine: Annotated[Literal["local", "ray"] | None, Parameter(group=ESSENTIAL)] = None,
    unbuffered: Annotated[
        bool, Parameter(group=ESSENTIAL, negative="", show_default=False)
    ] = False,
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
            score, rank, probability, confidence. jsonl has everything. The others are dictionaries
            for speech engines: lexicon for sherpa-onnx, Kaldi and MFA, festival, and pls (W3C).
        attention: Add the attention weights to jsonl.
        resume: Write --out in parts, and go on after the last one if the command was stopped. A
            line that fails has an empty output and stands in OUT.errors.tsv.
        columns: FILE is a table: TSV, CSV, JSON or parquet. Translate this column, by name, number
            or path; tsv and jsonl keep the others. 1+3 joins two columns, as in training.
        engine: FILE is a pattern of parquet files and --out a folder. Translate file by file, here
            (local) or on Ray, and keep all columns. The same command goes on with what is missing.
        unbuffered: Answer each line at once, for a program that waits for the answer.
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
    from foveate.output import check_file

    if engine is None:
        check_file(out, read=file)
    for flag, is_given in (("attention", attention), ("choices", choices), ("tree", tree)):
        if is_given and format != "jsonl":
            raise ConfigError(f"--{flag}: only with --format jsonl")
    check_least(1, n_best=n_best, beam_size=beam_size, max_length=max_length, top_k=top_k)
    check_least(0, seed=seed, threads=threads, no_repeat=no_repeat, choices=choices)
    check_positive(temperature=temperature, top_p=top_p)
    check_finite(length_penalty=length_penalty)
    sampling = _sampling(sample, temperature, top_k, top_p, seed)
    wishes: Wishes = {
        "beam_size": beam_size,
        "n_best": n_best,
        "length_penalty": length_penalty,
        "max_length": max_length,
        "attention": attention,
        "prefix": prefix,
        "must": must,
        "must_not": must_not,
        "no_repeat": no_repeat,
        "mbr": mbr,
        "sampling": sampling,
        "choices": choices,
        "tree": tree,
    }
    if engine is not None:
        if format != "text" or resume or unbuffered or n_best > 1:
            raise ConfigError("--engine: adds a column of outputs; leave out what is about lines")
        loading = {"backend": backend, "max_source": max_source, "trust_code": trust_code}
        return _translate_columns(model, file, out, columns or "text", engine, loading, wishes)
    translator = load_translator(model, backend, threads, trust_code, max_source)
    run = partial(translator.translate, **wishes)
    run([])  # raises what is wrong with the call before a line is read
    if resume:
        if unbuffered:
            raise ConfigError("--unbuffered: does not go with --resume, which writes whole parts")
        if format not in ("text", "tsv", "jsonl"):
            raise ConfigError(f"--format {format}: does not go with --resume; use tsv")
        told = {**wishes, "format": format, "backend": backend, "columns": columns}
        about = _describe_work(translator, file, told)
        read = partial(_read, file, columns, translator, is_at_once=False)
        _translate_parts(translator, run, read, file, out, about, format)
        return 0
    _translate_all(translator, run, file, columns, out, format, unbuffered)
    return 0


def _translate_all(
    translator: Translator,
    run: Callable[..., Iterator[Translation]],
    file: str,
    columns: str | None,
    out: str,
    format: OutputFormat | DictionaryForm,
    unbuffered: bool,
) -> None:
    """Translate a file from its first line to its last."""
    from foveate.console import watch
    from foveate.data.source_row import demand_good
    from foveate.formats import format_translation
    from foveate.output import open_output

    dictionary, form = _make_dictionary(format, translator), cast("OutputFormat", format)
    is_dialogue = file == "-" and sys.stdin.isatty()
    is_at_once = is_dialogue or unbuffered
    rows = demand_good(file, _read(file, columns, translator, is_at_once=is_at_once))
    copies = tee(rows)
    texts = (row.line.text for row in copies[0])
    found: Iterable[Translation] = run(texts)
    if is_dialogue:
        say("type a line to translate, Ctrl-D to end")
    if is_at_once:
        found = chain.from_iterable(run([text], start=n) for n, text in enumerate(texts))
    remarks = Remarks(translator)
    with open_output(out) as stream:
        stream.write(dictionary.begin() if dictionary else "")
        for row, translation in watch(zip(copies[1], remarks.watch(found), strict=True)):
            remarks.see(row.line.text)
            if dictionary:
                lines = dictionary.add(row.line.text, translation)
            else:
                lines = format_translation(
                    row.line.text, translation, form, row.others, translator.bundle.id
                )
            stream.writelines(lines)
            if is_at_once:
                stream.flush()
        stream.write(dictionary.end() if dictionary else "")
    remarks.tell()
    if dictionary:
        _tell_left_out(dictionary)


def _translate_columns(
    model: str,
    files: str,
    out: str,
    column: str,
    engine: Engine,
    loading: Mapping[str, Any],
    wishes: Wishes,
) -> int:
    """Translate a column of many parquet files; see `foveate.column_files`."""
    from foveate.column_files import list_files, translate_files
    from foveate.console import watch
    from foveate.engines import Translate

    total = len(list_files(files))
    translate = Translate(model, column, **loading, **wishes)
    rows = 0
    for _, count in watch(translate_files(files, out, translate, engine), total, "files"):
        rows += count
    say(f"{out}: {counted(total, 'file')} with {counted(rows, 'row')}")
    return 0


def _make_dictionary(format: str, translator: Translator) -> Dictionary | None:
    """Return what writes a pronunciation dictionary, where one is asked for."""
    if format in ("text", "tsv", "jsonl"):
        return None
    from foveate.dictionary import Dictionary
    from foveate.text.vocabulary import RESERVED

    codec = translator.bundle.target_codec
    phonemes = codec.vocabulary.entries[len(RESERVED) :]
    language = str(translator.bundle.summary.origin.get("language", "und")).partition(",")[0]
    return Dictionary(cast("DictionaryForm", format), codec.kind, phonemes, language)


def _tell_left_out(dictionary: Dictionary) -> None:
    for reason, count in dictionary.left_out.items():
        say(f"left out of the dictionary: {reason} ({count:,})")


def _read(
    file: str, columns: str | None, translator: Translator, *, is_at_once: bool
) -> Iterator[SourceRow]:
    """Return the sources of a file: its lines, or a column of a table."""
    from foveate.data.lines import read_all_lines
    from foveate.data.source_row import SourceRow

    if columns is not None:
        from foveate.data.source_rows import read_source_rows

        return read_source_rows(file, columns, knows_tag=partial(_knows, translator), report=say)
    if file.lower().endswith(PARQUET):
        raise ConfigError(f"{file}: {TABLES[PARQUET]}. {_name_column(file, 'NAME')}")
    lines = read_all_lines(file)
    return map(SourceRow, lines if is_at_once else _refuse_tables(file, lines, translator))


def _knows(translator: Translator, tags: str) -> bool:
    """Tell whether tags were seen in training; one row is then enough to make tags of features."""
    from foveate.text.vocabulary import UNK

    codec = translator.source_codec
    return codec.kind in ("tagged", "whitespace") and UNK not in codec.encode(tags)


def _describe_work(translator: Translator, file: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the bytes of an output, by the name that a message calls it."""
    from foveate.bundle import package_version

    flags = {"--" + name.replace("_", "-"): value for name, value in options.items()}
    sampling = flags.pop("--sampling")
    place = Path(file)
    return {
        "version": package_version(),
        "model": translator.bundle.id,
        "--max-source": translator.max_source,
        "--threads": translator.threads,
        "bytes of the input": place.stat().st_size if place.is_file() else None,
        "sampling": None if sampling is None else asdict(sampling),
        **flags,
    }


def _translate_parts(
    translator: Translator,
    run: Callable[..., Iterator[Translation]],
    read: Callable[[], Iterator[SourceRow]],
    file: str,
    out: str,
    about: Mapping[str, Any],
    format: OutputFormat,
) -> None:
    """Translate a file part by part; see `foveate.parts`."""
    from foveate.console import watch
    from foveate.parts import Parts
    from foveate.translator import WINDOW

    with Parts(out, about) as parts:
        if not parts.state.is_complete:
            rows = read()
            parts.skip(row.line for row in rows)
            begin = parts.state.lines
            if begin:
                say(f"{out}: goes on after {counted(begin, 'line')}")
            remarks = Remarks(translator, begin=begin)
            windows = iter(lambda: list(islice(rows, WINDOW)), [])
            done = (_translate_part(run, window, parts, remarks, format) for window in windows)
            for _ in watch(chain.from_iterable(done), _count_lines(file), begin=begin):
                pass
            remarks.tell()
        num_failed = parts.state.num_failed
        parts.finish()
    if num_failed:
        say(f"no output for {counted(num_failed, 'line')}; {out}.errors.tsv says why")


def _translate_part(
    run: Callable[..., Iterator[Translation]],
    rows: Sequence[SourceRow],
    parts: Parts,
    remarks: Remarks,
    format: OutputFormat,
) -> Iterator[str]:
    """Translate some lines, yield them, and write all; one that fails has an empty output."""
    from foveate.formats import format_translation

    lines = [row.line for row in rows]
    failed = {line.number: line.problem for line in lines if line.problem}
    texts = ["" if line.problem else line.text for line in lines]
    found: list[str] = []
    answers = remarks.watch(_answer(run, texts, parts.state.lines, lines, failed))
    for text, (line, others), answer in zip(texts, rows, answers, strict=True):
        remarks.see(text)
        found += format_translation(line.text, answer, format, others, parts.state.about["model"])
        yield text
    parts.add(lines, found, failed)


def _answer(
    run: Callable[..., Iterator[Translation]],
    texts: Sequence[str],
    start: int,
    lines: Sequence[Line],
    failed: dict[int, str],
) -> Iterator[Translation]:
    """Translate texts together; where that fails each alone, so that only what fails is lost."""
    from foveate.records import Translation

    try:
        yield from list(run(texts, start=start))
    except Exception:  # whatever it is, it must not take the other lines with it
        for row, (text, line) in enumerate(zip(texts, lines, strict=True)):
            try:
                yield from list(run([text], start=start + row))
            except Exception as error:
                failed[line.number] = str(error) or type(error).__name__
                yield Translation([], [], "", 0.0, is_finished=False)


def _count_lines(file: str) -> int | None:
    """Return how many lines a file has, where that can be known before it is read."""
    from foveate.data.lines import is_gzip_name

    place = Path(file)
    if not place.is_file() or is_gzip_name(file):
        return None
    with place.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(partial(stream.read, 2**20), b""))


def _refuse_tables(file: str, lines: Iterator[Line], translator: Translator) -> Iterator[Line]:
    """Return the lines of a file that does not look like a table.

    Raises:
        ConfigError: every line that is looked at has a TAB, or is a JSON object, or has the
            fields of a CSV, and no source of the training had what parts them.
    """
    head = list(islice(lines, LOOKED_AT))
    written = [line.text for line in head if line.text.strip()]
    what, column = _find_table(file, written)
    if what == "<" or (what and translator.counts_as_unknown(what[-1])):
        name = "standard input" if file == "-" else file
        raise ConfigError(f"{name}: {TABLES[what]}. {_name_column(file, column)}")
    return chain(head, lines)


def _name_column(file: str, column: str) -> str:
    return (
        "Name the column of the sources: "
        f"foveate translate MODEL {shlex.quote(file)} --columns {column}"
    )


def _find_table(file: str, written: Sequence[str]) -> tuple[str, str]:
    """Return what parts the fields of a table, and its first column; nothing for plain lines."""
    if written and all("\t" in text for text in written):
        return "\t", "1"
    if written and all(text.startswith("{") for text in written):
        from foveate.data.json_lines import parse

        found = parse(written[0])
        return "{", "NAME" if isinstance(found, str) else shlex.quote(next(iter(found.value), ""))
    first = written[0].lstrip().lower() if written else ""
    if "".join(written[:2]).replace(" ", "").startswith("[{"):
        return "[{", "NAME"
    if first.startswith(("<?xml", "<tmx", "<xliff")):
        return "<", "LANGUAGE"
    if file.lower().removesuffix(".gz").endswith(".csv") and len(written) > 1:
        for separator in ",;":
            if all(separator in text for text in written):
                return f"csv{separator}", shlex.quote(written[0].split(separator)[0].strip('"'))
    return "", ""


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
