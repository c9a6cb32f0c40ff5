"""`Seq2Seq`: a translation model as a scikit-learn estimator.

It knows columns of texts (lists, arrays, Series, one-column tables) and scikit-learn's manners;
everything else, from tokens to search, is done by `training`, `translator` and `bundle`.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from foveate.config import Config, build_config, field_names
from foveate.counted import counted
from foveate.data.readers import find_fault
from foveate.data.table import PairTable
from foveate.errors import ConfigError, DataError, MissingExtraError
from foveate.insight.html import draw_card
from foveate.insight.run_card import draw_run_card
from foveate.options import TrainingOptions, hints
from foveate.own_code import name_attention
from foveate.records import Pair
from foveate.runs import History, add_report, begin_history, list_facts, list_scores, make_card
from foveate.search.workers import count_cores, cut_threads
from foveate.text.matching import Matching

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_array, check_consistent_length, check_random_state
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    instead = "an exported model is used without it: from foveate import Translator"
    raise MissingExtraError("scikit-learn", "train", "foveate.Seq2Seq", instead) from None

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from foveate.backends import Backend
    from foveate.bundle import Bundle
    from foveate.evaluation import Evaluation
    from foveate.models.attention import Attention
    from foveate.options import Architecture, TokenKind
    from foveate.records import Translation
    from foveate.training.going_on import Parent
    from foveate.training.report import Listener, Report
    from foveate.training.run import Trained
    from foveate.translator import Translator

OWN = "attention_module"  # the option whose parameter is the class itself, `attention`
NUM_SHOWN = 10  # bad rows that an error names, and symbols that a warning does
PATIENCE = 5.0  # seconds, after which one wants to know how far something is


class Seq2Seq(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """Learn to turn texts into texts, as a scikit-learn estimator.

    Every option of `foveate.Config` is a parameter with the same name, meaning and
    default. `X` and `y` are columns of texts: a list, an array, a pandas Series or a table of one
    column. A source with several right targets is simply repeated, once for each.

    Args:
        attention: a `foveate.models.Attention` of your own, as a class that takes `query_size`,
            `key_size` and `num_heads`, or a function that makes one; None is the attention that
            `attention_score` names. It has to stand in a module that can be imported: the model
            keeps its import path, and no code (as the option `attention_module`). A text is that
            path as a model had it that was loaded without trust; it cannot be trained.
        beam_size: hypotheses that `predict` and `translate` keep; None is the model's own choice.
        length_penalty: how much longer outputs are favoured; None is the model's own choice.
        random_state: where all randomness begins, as scikit-learn calls `seed`: a number, or a
            `numpy.random.RandomState` that a number is drawn from at every `fit`. None leaves it
            to `seed`.
        n_jobs: how many models of an ensemble are trained at a time, as scikit-learn calls `jobs`;
            -1 is one for each core. None leaves it to `jobs`.
        warm_start: a further `fit` goes on from the model that is there, as `fit_more` does.
        verbose: print what training does. None shows only how far it is, and only where it takes
            more than five seconds; False or 0 shows nothing.

    Attributes:
        translator_: the learnt `foveate.translator.Translator`.
        config_: the configuration that was trained, with everything found from the data.
        history_: how the last `fit` went: `losses` as (update, nats a target token) and
            `validations` as (update, scores on dev). Empty for a model that was loaded.
        summary_: what training reports: pairs, parameters, updates, minutes, and under `scores`
            the metrics on dev.
        n_features_in_: always 1, the column of sources.

    Raises:
        ConfigError: in `fit`, for an option out of range.
        ValueError: for data that is no column of texts; a sparse matrix is a TypeError.

    Example:
        >>> model = Seq2Seq(max_updates=20, hidden_size=32, seed=7)
        >>> model = model.fit(["a b", "b a", "b b"], ["A B", "B A", "B B"])
        >>> model.predict(["a b"]).shape
        (1,)
    """

    def __init__(
        self,
        *,
        architecture: Architecture = "attention",
        source_tokens: TokenKind = "auto",
        target_tokens: TokenKind = "auto",
        vocabulary_size: int | None = None,
        shared_vocabulary: bool | None = None,
        source_case: str = "auto",
        normalization: str = "auto",
        embedding_size: int | None = None,
        hidden_size: int | None = None,
        num_layers: int = 2,
        source_ngrams: int | None = None,
        ngram_rows: int | None = None,
        ngram_dropout: float | None = None,
        source_window: int | None = None,
        dropout: float | None = None,
        word_dropout: float | None = None,
        num_heads: int | None = None,
        copy: bool = False,
        lexicon: bool | None = None,
        layout: str = "gnmt",
        cell: str = "lstm",
        attention_score: str = "additive",
        attention: Callable[..., Attention] | str | None = None,
        attention_weights: str = "softmax",
        location_window: int | None = None,
        input_feeding: bool = False,
        minutes: float | None = None,
        max_updates: int | None = None,
        seed: int = 1,
        max_characters: int = 2000,
        skip_bad: bool = False,
        subword_sampling: float | None = None,
        label_smoothing: float = 0.1,
        guidance: float | None = None,
        batch_tokens: int | None = None,
        learning_rate: float | None = None,
        optimizer: str | None = None,
        warmup: float = 0.04,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        average_decay: float = 0.999,
        models: int = 1,
        distill: bool = False,
        memory: bool | None = None,
        jobs: int = 1,
        patience: int = 0,
        num_validations: int = 20,
        threads: int = 0,
        device: str = "auto",
        beam_size: int | None = None,
        length_penalty: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        warm_start: bool = False,
        verbose: bool | int | None = None,
    ) -> None:
        self.architecture = architecture
        self.source_tokens = source_tokens
        self.target_tokens = target_tokens
        self.vocabulary_size = vocabulary_size
        self.shared_vocabulary = shared_vocabulary
        self.source_case = source_case
        self.normalization = normalization
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.source_ngrams = source_ngrams
        self.ngram_rows = ngram_rows
        self.ngram_dropout = ngram_dropout
        self.source_window = source_window
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.num_heads = num_heads
        self.copy = copy
        self.lexicon = lexicon
        self.layout = layout
        self.cell = cell
        self.attention_score = attention_score
        self.attention = attention
        self.attention_weights = attention_weights
        self.location_window = location_window
        self.input_feeding = input_feeding
        self.minutes = minutes
        self.max_updates = max_updates
        self.seed = seed
        self.max_characters = max_characters
        self.skip_bad = skip_bad
        self.subword_sampling = subword_sampling
        self.label_smoothing = label_smoothing
        self.guidance = guidance
        self.batch_tokens = batch_tokens
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.average_decay = average_decay
        self.models = models
        self.distill = distill
        self.memory = memory
        self.jobs = jobs
        self.patience = patience
        self.num_validations = num_validations
        self.threads = threads
        self.device = device
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.verbose = verbose

    _recalled: dict[str, Any] | None = None  # options of a loaded model: nobody asked for these

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True  # of one column
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.target_tags.one_d_labels = True
        return tags

    @property
    def config_(self) -> Config:
        """What asks for exactly this model: its options, with everything found from the data."""
        return _recall_config(self.translator_.bundle)

    @property
    def summary_(self) -> dict[str, Any]:
        """What training reports: pairs, parameters, updates, minutes, scores by set of pairs."""
        scores = {
            pairs: {name: score["value"] for name, score in metrics.items()}
            for pairs, metrics in self.translator_.bundle.scores.items()
        }
        return {**self.translator_.summary.to_dict(), "scores": scores}

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        dev: tuple[Any, Any] | None = None,
        words: Collection[str] = (),
        report: str | Path | None = None,
        warm_start: bool | None = None,
    ) -> Self:
        """Train on pairs of texts.

        Args:
            X: n sources.
            y: n targets.
            dev: sources and targets that choose the best state of the model; when it is not
                given, a small part of the pairs is kept aside for this.
            words: of the target language, in a list the commonest first if that is known;
                outputs that are made of them are preferred, by as much as is best on dev.
            report: an HTML file to watch the training in, written as it goes.
            warm_start: go on from the model that is there; None asks the parameter of that name.

        Raises:
            ConfigError: an option is out of range.
            DataError: a text is empty or too long, and `skip_bad` is off.
            ValueError: `X` and `y` are not columns of texts of the same length.
            KeyboardInterrupt: training was interrupted; the best model so far is kept in `self`.
        """
        goes_on = self.warm_start if warm_start is None else warm_start
        if goes_on and "translator_" in vars(self):
            return self.fit_more(X, y, dev=dev, words=words, report=report)
        return self._fit(X, y, self._build_config(), dev, words, report)

    def fit_more(
        self,
        X: Any,
        y: Any,
        *,
        old: tuple[Any, Any] | None = None,
        old_share: float = 0.5,
        dev: tuple[Any, Any] | None = None,
        words: Collection[str] = (),
        report: str | Path | None = None,
    ) -> Self:
        """Go on from the model that is there, with more pairs, gently.

        Its sizes and its vocabularies stay, and symbols that are new are added. An option that was
        set since is obeyed where it leaves the model as it is.

        Args:
            X: n sources.
            y: n targets.
            old: sources and targets that the model was trained on. So many of them are mixed in
                that nothing is forgotten.
            old_share: their share of every pass.
            dev: as for `fit`.
            words: as for `fit`; where there are none, those of the old model.
            report: as for `fit`.

        Raises:
            ConfigError: an option asks for another model than the one that is there.
            ModelMismatchError: the model is an ensemble, or was exported.
            ValueError: `X` and `y` are not columns of texts of the same length.
        """
        from foveate.training.going_on import Parent

        check_is_fitted(self, "translator_")
        asked = self._build_config()
        recalled = self._recalled or {}
        given = {name: one for name, one in asked.given.items() if recalled.get(name) != one}
        table = _build_table(*old, asked, "old X", "old y") if old is not None else None
        parent = Parent.take(self.translator_.bundle, "the fitted model", table, old_share)
        return self._fit(X, y, Config(**given), dev, words, report, parent)

    def _fit(
        self,
        X: Any,
        y: Any,
        config: Config,
        dev: tuple[Any, Any] | None,
        words: Collection[str],
        report: str | Path | None,
        parent: Parent | None = None,
    ) -> Self:
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise ValueError("words must be a list of texts, one a word")
        train = _import_train()
        table = _build_table(X, y, config, "X", "y", minimum=2)
        dev_table = _build_table(*dev, config, "dev X", "dev y") if dev is not None else None
        history = begin_history()
        listener = _build_listener(self.verbose, history)
        page = Path(report) if report is not None else None
        told: dict[str, Any] = {"report": listener, "page": page, "parent": parent}
        trained = train(table, dev_table, config, words=words, **told)
        self.translator_ = trained.translator
        self.history_ = history
        self.n_features_in_ = 1
        if trained.was_interrupted:
            raise KeyboardInterrupt
        return self

    def predict(self, X: Any) -> NDArray[np.object_]:
        """Translate a column of sources.

        The result is an array, as scikit-learn has it, so that `model.predict(X) == y` compares
        text by text; its elements are plain strings.

        Example:
            model.predict(["foveate"])  # array(['F OW V IY EY T'], dtype=object)
        """
        check_is_fitted(self, "translator_")
        texts = read_column(X, "X")
        translations = self._translate(texts, attention=False)
        _warn_of_cuts(translations)
        _warn_of_unknown(translations)
        return np.array([translation.text for translation in translations], dtype=object)

    def translate(self, text: str, *, n_best: int = 1, **wishes: Any) -> Translation:
        """Translate one text; the result holds scores, attention and, on demand, alternatives.

        Further arguments are those of `foveate.Request`, such as `prefix` and `must_not`.

        Example:
            model.translate("foveate").plot()
        """
        check_is_fitted(self, "translator_")
        if not isinstance(text, str):
            raise ValueError(f"translate takes one text, not {text!r}; for more: translate_many")
        return self.translate_many([text], n_best=n_best, **wishes)[0]

    def translate_many(self, texts: Any, *, n_best: int = 1, **wishes: Any) -> list[Translation]:
        """Translate a column of texts, in its order; the arguments are those of `translate`."""
        check_is_fitted(self, "translator_")
        translations = self._translate(read_column(texts, "texts"), n_best=n_best, **wishes)
        _warn_of_cuts(translations)
        _warn_of_unknown(translations)
        return translations

    def score(self, X: Any, y: Any) -> float:
        """Return the share of rows whose translation is exactly their own target.

        A source that stands in several rows counts in each, and is right in those that have the
        target it is turned into. `foveate evaluate` has the same number as exact match by row,
        beside exact match by source: there, all targets of a source are right.
        """
        check_is_fitted(self, "translator_")
        sources, targets = read_column(X, "X", minimum=1), read_column(y, "y", minimum=1)
        check_consistent_length(sources, targets)
        outputs = self._translate(sources, attention=False)
        matching = Matching(self.translator_.source_codec, self.translator_.target_codec)
        pairs = zip(outputs, targets, strict=True)
        return float(np.mean([matching.is_right(output.text, [one]) for output, one in pairs]))

    def evaluate(self, X: Any, y: Any) -> Evaluation:
        """Return all metrics with their intervals, and the outputs, as `foveate evaluate` does.

        A source that stands in several rows counts once, and all of its targets are right.

        Example:
            model.evaluate(X, y).metrics["character_error_rate"].value
        """
        from foveate.evaluation import evaluate

        check_is_fitted(self, "translator_")
        sources, targets = read_column(X, "X", minimum=1), read_column(y, "y", minimum=1)
        check_consistent_length(sources, targets)
        return evaluate(
            self.translator_, zip(sources, targets, strict=True), beam_size=self.beam_size
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the model as a bundle: a folder that every door of Foveate reads.

        Args:
            path: a new folder, or that of this model.
            overwrite: another model may be there, which goes with all that belongs to it.
        """
        check_is_fitted(self, "translator_")
        self.translator_.save(path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, backend: Backend = "auto", *, trust_code: bool = False) -> Self:
        """Load a bundle, whichever door trained it, as a fitted estimator.

        For an exported model `foveate.Translator.load` is the way: it needs neither PyTorch nor
        scikit-learn.

        Args:
            path: the model's folder.
            backend: what computes, as for `Translator.load`.
            trust_code: the attention of somebody's own that the model names may be imported.
        """
        from foveate.translator import Translator

        translator = Translator.load(path, backend=backend, trust_code=trust_code)
        recalled = _recall_config(translator.bundle)
        options = dict(recalled.given)
        named = options.pop("attention_module", "") or None
        model = cls(attention=translator.bundle.attention or named, **options)
        model.translator_ = translator
        model._recalled = {**recalled.given, "seed": None, OWN: None}
        model.history_ = begin_history()
        model.n_features_in_ = 1
        return model

    def _build_config(self) -> Config:
        values = {name: getattr(self, name) for name in field_names() if name != OWN}
        if isinstance(self.attention, str):
            raise ConfigError(
                f"Seq2Seq: attention is the name {self.attention!r:.60}, which nobody has said to "
                "import: import it yourself, and give the class"
            )
        values |= self._read_sklearn_names()
        values[OWN] = name_attention(self.attention) if self.attention is not None else ""
        plain = {  # a grid made with NumPy holds NumPy's numbers
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in values.items()
        }
        defaults = Config().to_dict()
        given = {name: value for name, value in plain.items() if value != defaults[name]}
        config = build_config(given, origin="Seq2Seq")
        return config.replace(threads=cut_threads(config.threads, _warn))

    def _read_sklearn_names(self) -> dict[str, Any]:
        """Return the options that scikit-learn has other names for, where they are given."""
        for ours, theirs in (("seed", "random_state"), ("jobs", "n_jobs")):
            if getattr(self, theirs) is not None and getattr(self, ours) != 1:
                raise ConfigError(f"Seq2Seq: {ours} and {theirs} are the same option: give one")
        values: dict[str, Any] = {}
        if isinstance(self.random_state, np.random.RandomState):
            values["seed"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        elif self.random_state is not None:
            values["seed"] = self.random_state
        if self.n_jobs is not None:
            values["jobs"] = count_cores() if self.n_jobs == -1 else self.n_jobs
        return values

    def _translate(self, texts: list[str], **wishes: Any) -> list[Translation]:
        options = {"beam_size": self.beam_size, "length_penalty": self.length_penalty, **wishes}
        found = self.translator_.translate(texts, **options)
        if self.verbose is not None:
            return list(found)
        from foveate.console import watch

        return list(watch(found, len(texts), "texts", patience=PATIENCE))

    def _repr_html_inner(self) -> str:
        """Return what a notebook shows: a fitted model's curves, sizes, scores and an example.

        The parameters follow, as scikit-learn shows them.
        """
        diagram: str = super()._repr_html_inner()
        if "translator_" not in vars(self):
            return diagram
        bundle = self.translator_.bundle
        title, facts, scores = bundle.summary.plan, list_facts(bundle), list_scores(bundle)
        card = make_card(f"Seq2Seq: {title}", facts, self.history_, scores)
        parameters = f"<details><summary>Parameters</summary>{diagram}</details>"
        return draw_run_card(card, [*self._draw_example(), parameters])

    def _draw_example(self) -> Iterator[str]:
        """Draw what the model makes of a dev source."""
        for source in self.translator_.summary.examples[:1]:
            yield "<p>A dev source, and what the model writes:</p>"
            yield draw_card(self.translator_.translate_one(source, beam_size=self.beam_size))

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**options)
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and the bundle's files: no object of ours is ever pickled."""
        state = dict(super().__getstate__())
        if "translator_" in state:
            state["translator_"] = _pack(state["translator_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "translator_" in state:
            state["translator_"] = _unpack(state["translator_"], state.get("attention"))
            state.setdefault("history_", begin_history())
        super().__setstate__(state)


def _recall_config(bundle: Bundle) -> Config:
    """Return what asks for a model like this one, as far as its record says how it was trained.

    How files were read, and on what machine, is not asked for again.
    """
    asked = Config.from_parts(bundle.text, bundle.model)
    forgotten = ("skip_bad", "max_characters", "threads", "device")
    known = {name for name in hints(TrainingOptions) if name not in forgotten}
    record = {n: value for n, value in bundle.summary.training.items() if n in known}
    try:
        return Config.from_record({**asked.given, **record})
    except ConfigError:  # the record of a stranger
        return asked


def read_column(values: Any, name: str, *, minimum: int = 0) -> list[str]:
    """Return a column of texts as a list of strings.

    Args:
        values: a list, an array, a Series, or a table or 2-D array of one column.
        name: what to call it in an error.
        minimum: the least number of rows.

    Raises:
        ValueError: it is a single text, has several columns, or holds anything but texts.
        TypeError: it is a sparse matrix.

    Example:
        >>> read_column(("a", "b"), "X")
        ['a', 'b']
    """
    is_numeric = getattr(getattr(values, "dtype", None), "kind", "O") in "biufc"
    array = check_array(
        values,
        dtype=None if is_numeric else object,  # object: fixed-width strings of NumPy waste memory
        ensure_2d=False,
        ensure_all_finite=is_numeric,
        ensure_min_samples=0,
        input_name=name,
    )
    if array.ndim == 0:
        raise ValueError(
            f"{name} is {values!r:.60}, not a column of texts. "
            "Reshape your data: put the texts into a list, even a single one."
        )
    if len(array) < minimum:
        raise ValueError(f"{name} has {len(array)} sample(s), a minimum of {minimum} is required.")
    if array.ndim == 2 and array.shape[1] != 1:
        raise ValueError(
            f"{name} has {array.shape[1]} columns. Give the one column that holds the texts."
        )
    return _check_texts(array.ravel().tolist(), name)


def _check_texts(values: list[Any], name: str) -> list[str]:
    wrong = [row for row, value in enumerate(values) if not isinstance(value, str)]
    if wrong:
        value = values[wrong[0]]
        raise ValueError(
            f"{name} must hold texts (str); {len(wrong)} of {len(values)} rows do not, "
            f"the first is row {wrong[0]}: {value!r:.60} ({type(value).__name__}). "
            "Drop missing values, decode bytes, and turn numbers into texts first."
        )
    return values


def _build_table(
    X: Any, y: Any, config: Config, X_name: str, y_name: str, *, minimum: int = 1
) -> PairTable:
    if y is None:
        raise ValueError("Seq2Seq requires y to be passed, but the target y is None")
    sources = read_column(X, X_name, minimum=minimum)
    targets = read_column(y, y_name, minimum=minimum)
    check_consistent_length(sources, targets)
    bad: list[str] = []
    table = PairTable.from_pairs(_sift(sources, targets, config.max_characters, bad))
    if bad:
        _judge_rows(bad, len(sources), f"{X_name}, {y_name}", config.skip_bad)
    return table


def _sift(
    sources: list[str], targets: list[str], max_characters: int, bad: list[str]
) -> Iterator[Pair]:
    """Yield the good pairs; append what is wrong with the others to `bad`."""
    for row, pair in enumerate(map(Pair, sources, targets)):
        if fault := find_fault(pair, max_characters):
            bad.append(f"row {row}: {fault}")
        else:
            yield pair


def _judge_rows(bad: list[str], num_rows: int, name: str, skip_bad: bool) -> None:
    """Raise an error for bad rows, or warn when they may be skipped."""
    count = f"{name}: {len(bad):,} bad of {num_rows:,} rows"
    if len(bad) == num_rows or not skip_bad:
        listing = "\n  ".join([count, *bad[:NUM_SHOWN]])
        raise DataError(f"{listing}\nCorrect them, or leave them out with skip_bad=True.")
    warnings.warn(f"{count} left out (the first: {bad[0]})", UserWarning, stacklevel=4)


def _warn_of_cuts(translations: list[Translation]) -> None:
    cut = [row for row, translation in enumerate(translations) if translation.num_cut]
    if cut:
        warnings.warn(
            f"{len(cut):,} sources are far longer than those of the training and were cut "
            f"(the first: row {cut[0]}); Translator(max_source=...) reads more of them",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_unknown(translations: list[Translation]) -> None:
    rows = [row for row, translation in enumerate(translations) if translation.unknown]
    if rows:
        tokens = {
            translations[row].source_tokens[place]: None
            for row in rows
            for place in translations[row].unknown
        }
        _warn(
            f"{len(rows):,} of {counted(len(translations), 'source')} have symbols that were "
            f"not seen in training (the first: row {rows[0]}): "
            f"{', '.join(map(repr, [*tokens][:NUM_SHOWN]))}",
            level=4,
        )


def _warn(message: str, level: int = 5) -> None:
    warnings.warn(message, UserWarning, stacklevel=level)


def _build_listener(verbose: bool | int | None, history: History) -> Listener:
    """Return who is told what training says: the log, and the screen as far as it is wanted.

    The history gets the losses and the scores.
    """
    from foveate.console import LateDisplay, format_report

    shown = LateDisplay() if verbose is None else _print_report if verbose else None
    log = logging.getLogger("foveate")

    def listen(report: Report) -> None:
        add_report(history, report)
        if report.kind != "progress" and log.isEnabledFor(logging.INFO):
            log.info("%s", format_report(report))
        if shown is not None:
            shown(report)

    return listen


def _import_train() -> Callable[..., Trained]:
    try:
        from foveate.training.ensemble import train_models
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("PyTorch", "train", "training") from None
    return train_models


def _print_report(report: Report) -> None:
    """Tell on standard error what training says, without its many rows of progress."""
    line = report.message
    if report.kind == "validation" and report.dev:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in report.dev.items())
        line = f"update {report.update:,} of {report.total_updates:,}: dev {scores}"
    if line:
        sys.stderr.write(f"{line}\n")


def _pack(translator: Translator) -> dict[str, bytes]:
    """Return the files of the bundle, by their path in its folder."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        translator.save(bundle)
        files = (path for path in sorted(bundle.rglob("*")) if path.is_file())
        return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in files}


def _unpack(files: dict[str, bytes], attention: object) -> Translator:
    from foveate.bundle import load_bundle
    from foveate.translator import Translator

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        bundle = load_bundle(folder)
    if callable(attention):  # the pickle has imported it already
        bundle.attention = attention
    return Translator.from_bundle(bundle)
