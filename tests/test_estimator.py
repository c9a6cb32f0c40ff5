"""`Seq2Seq` against scikit-learn's own checks, and against what the rest of Foveate says."""

from __future__ import annotations

import dataclasses
import inspect
import io
import os
import pickle
import pickletools
import signal
import subprocess
import sys
import unicodedata
import zlib
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from foveate.config import Config, field_names
from foveate.errors import ConfigError, DataError
from foveate.estimator import Seq2Seq, read_column
from foveate.flags import build_flags, given_flags, merge_config
from foveate.translator import Translator

TINY: dict[str, Any] = {
    "max_updates": 3,
    "num_layers": 1,
    "embedding_size": 7,
    "hidden_size": 22,
    "num_validations": 1,
    "threads": 1,
}
FIRST = {**TINY, "max_updates": 1}
SOURCES = ["abba", "cab", "bead", "face", "deaf", "fade", "bad", "cafe", "dab", "fab", "ace"]
TARGETS = [
    " ".join(word.upper()).replace("A", "\N{LATIN CAPITAL LETTER A WITH ACUTE}") for word in SOURCES
]


@pytest.fixture(scope="module")
def fitted() -> Seq2Seq:
    return Seq2Seq(**TINY).fit(SOURCES, TARGETS)


@pytest.fixture(scope="module")
def taught() -> Seq2Seq:
    """A model that has learnt its pairs, or most of them."""
    options = {"max_updates": 60, "embedding_size": 22, "learning_rate": 0.02, "average_decay": 0.9}
    taught = Seq2Seq(**{**TINY, "hidden_size": 38, **options})
    return taught.fit(SOURCES, TARGETS, dev=(SOURCES, TARGETS))


# --- one option, one home ---------------------------------------------------------------------


def init_defaults() -> dict[str, Any]:
    parameters = inspect.signature(Seq2Seq).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def test_parameters_are_the_fields_of_config_with_their_defaults() -> None:
    given = Config().to_dict().items()
    named = ("attention_module", "attention")  # a path there is the class itself here
    fields = {
        named[1] if n == named[0] else n: None if n == named[0] else value for n, value in given
    }
    own: dict[str, Any] = dict.fromkeys(("beam_size", "length_penalty", "random_state", "n_jobs"))
    own |= {"warm_start": False, "verbose": None}
    assert list(init_defaults().items()) == list({**fields, **own}.items())


def test_parameters_are_the_flags_of_the_command_line() -> None:
    flags = build_flags()
    assert [field.name for field in dataclasses.fields(flags)] == list(field_names())
    names = [name for name in field_names() if name != "attention_module"]
    defaults = {name: init_defaults()[name] for name in names}
    assert merge_config(None, given_flags(flags())) == Config(**defaults)


# --- scikit-learn's checks --------------------------------------------------------------------
# They fit tables of numbers. Run on Seq2Seq itself, they show that numbers are refused as
# scikit-learn expects; run on NumberTexts, which writes each row of numbers as a text, they go
# all the way through fit, predict, score and pickle.

NUMBERS = "fits numbers, which Seq2Seq refuses; NumberTexts runs the same check on texts"
ONE_COLUMN = "takes columns of X after it has been told that X is a single column"
REFUSED = {
    "check_fit_score_takes_y": NUMBERS,
    "check_estimators_overwrite_params": NUMBERS,
    "check_estimators_fit_returns_self": NUMBERS,
    "check_readonly_memmap_input": NUMBERS,
    "check_n_features_in_after_fitting": NUMBERS,
    "check_positive_only_tag_during_fit": NUMBERS,
    "check_estimators_dtypes": NUMBERS,
    "check_dtype_object": NUMBERS,
    "check_pipeline_consistency": NUMBERS,
    "check_estimators_nan_inf": NUMBERS,
    "check_estimators_pickle": NUMBERS,
    "check_array_api_input": NUMBERS,
    "check_fit_idempotent": NUMBERS,
    "check_fit_check_is_fitted": NUMBERS,
    "check_n_features_in": NUMBERS,
    "check_dont_overwrite_parameters": ONE_COLUMN,
    "check_f_contiguous_array_estimator": ONE_COLUMN,
    "check_methods_sample_order_invariance": ONE_COLUMN,
    "check_methods_subset_invariance": ONE_COLUMN,
    "check_fit2d_1sample": ONE_COLUMN,
    "check_fit2d_1feature": ONE_COLUMN,
    "check_dict_unchanged": ONE_COLUMN,
    "check_fit2d_predict1d": ONE_COLUMN,
    "check_estimator_sparse_array": "its own preparation fails on a sparse column (scipy)",
}


def name_check(check: Any) -> str:
    while not hasattr(check, "__name__"):
        check = getattr(check, "__wrapped__", None) or check.func
    return str(check.__name__)


def run_check(
    check: Callable[[Seq2Seq], None], estimator: Seq2Seq, failing: dict[str, str]
) -> None:
    """Run a check that has to pass, or one that has to fail.

    A mark `xfail` would do the same, but pytest takes half a second to lay out each failure.
    """
    if name_check(check) not in failing:
        check(estimator)
        return
    with pytest.raises((Exception, pytest.fail.Exception)):
        check(estimator)


@pytest.mark.long
@parametrize_with_checks([Seq2Seq(**FIRST, beam_size=1)])  # type: ignore[untyped-decorator]
def test_numbers_are_refused(
    estimator: Seq2Seq, check: Callable[[Seq2Seq], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips a check
    run_check(check, estimator, REFUSED)


def write_numbers(values: Any) -> Any:
    """Turn a table of good numbers into texts; leave anything else for Seq2Seq to judge."""
    if sparse.issparse(values):
        return values
    array = np.asarray(values)
    if array.ndim != 2 or not array.size:
        return values
    if not all(isinstance(value, Real) and np.isfinite(float(value)) for value in array.flat):
        return values
    return np.array([" ".join(f"{value:.1f}" for value in row) for row in array], dtype=object)


class NumberTexts(Seq2Seq):
    """Seq2Seq on texts that are written numbers, with predictions that are numbers."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False
        return tags

    def fit(self, X: Any, y: Any, *, dev: Any = None) -> NumberTexts:
        return super().fit(write_numbers(X), self._write_targets(y), dev=dev)

    def predict(self, X: Any) -> Any:
        return np.array([zlib.crc32(text.encode()) for text in super().predict(write_numbers(X))])

    def score(self, X: Any, y: Any) -> float:
        return super().score(write_numbers(X), self._write_targets(y))

    def _write_targets(self, y: Any) -> Any:
        return y if y is None else write_numbers(np.asarray(y).reshape(-1, 1))


# Those that fit more than twice; `check_methods_sample_order_invariance` and others stay.
MANY_FITS = (
    "check_array_api_input",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_fit_idempotent",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
)
UNSUITABLE = {
    "check_n_features_in": "a table of two columns; a text is one column, however it was made",
    "check_n_features_in_after_fitting": "the same, with four columns and one",
    "check_fit2d_predict1d": "a 1-D X is no mistake here but the usual column of texts",
}


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(
            one,
            check,
            marks=[pytest.mark.long] * (name_check(check) in MANY_FITS),
            id=name_check(check),
        )
        for one, check in estimator_checks_generator(NumberTexts(**FIRST, beam_size=1))
    ],
)
def test_written_numbers_pass(
    estimator: Seq2Seq, check: Callable[[Seq2Seq], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips a check
    run_check(check, estimator, UNSUITABLE)


# --- columns of texts -------------------------------------------------------------------------

COLUMNS: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "fixed-width array": np.array,
    "object array": lambda texts: np.array(texts, dtype=object),
    "variable-width array": lambda texts: np.array(texts, dtype=np.dtypes.StringDType()),
    "2-D array": lambda texts: np.array(texts).reshape(-1, 1),
    "Series": pd.Series,
    "object Series": lambda texts: pd.Series(texts, dtype=object),
    "categorical Series": lambda texts: pd.Series(texts, dtype="category"),
    "shuffled index": lambda texts: pd.Series(texts, index=np.arange(len(texts))[::-1]),
    "table": lambda texts: pd.DataFrame({"text": texts}),
}


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS.keys())
def test_a_column_comes_in_many_containers(make: Callable[[list[str]], Any]) -> None:
    texts = read_column(make(SOURCES), "X")
    assert texts == SOURCES
    assert {type(text) for text in texts} == {str}


def test_read_only_memory_is_a_column() -> None:
    array = np.array(SOURCES)
    array.flags.writeable = False
    assert read_column(array, "X") == SOURCES


def test_an_empty_column_gives_an_empty_result(fitted: Seq2Seq) -> None:
    assert fitted.predict([]).shape == (0,)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("abba", ["X is 'abba'", "list"]),
        (None, ["X is None"]),
        ((text for text in SOURCES), ["generator", "list"]),
        ({"abba": 1}, ["not a column of texts"]),
        ([1, 2, 3], ["3 of 3 rows", "row 0", "int"]),
        (np.arange(3.0), ["3 of 3 rows", "row 0", "float"]),
        (["ab", None], ["1 of 2 rows", "row 1", "None"]),
        (pd.Series(["ab", "c", None]), ["1 of 3 rows", "row 2", "nan", "missing"]),
        (pd.Series(["ab", pd.NA], dtype="string"), ["1 of 2 rows", "row 1", "NA"]),
        ([b"ab"], ["row 0", "bytes"]),
        ([["a", "b"], ["c", "d"]], ["2 columns"]),
        (pd.DataFrame({"source": ["a"], "target": ["b"]}), ["2 columns"]),
        (np.array([0.5, np.nan]), ["NaN"]),
        (np.array([[["a"]]]), ["dim 3"]),
    ],
)
def test_anything_else_is_refused_with_the_reason(values: Any, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        read_column(values, "X")
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_sparse_matrix_is_refused() -> None:
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        read_column(sparse.csr_array(np.eye(3)), "X")


# --- fit --------------------------------------------------------------------------------------


def weights(model: Seq2Seq) -> dict[str, Any]:
    return model.translator_.bundle.weights


def are_equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(fitted: Seq2Seq) -> None:
    again = clone(fitted).fit(pd.DataFrame({"word": SOURCES}), pd.Series(TARGETS))
    other = clone(fitted).set_params(seed=5).fit(SOURCES, TARGETS)
    assert are_equal(weights(again), weights(fitted))
    assert not are_equal(weights(other), weights(fitted))


def test_what_was_learnt_has_names_that_end_in_an_underscore(fitted: Seq2Seq) -> None:
    assert fitted.config_.max_updates == 3
    assert fitted.config_.hidden_size == 22
    assert fitted.config_.dropout is not None
    assert fitted.summary_["updates"] == 3
    assert fitted.n_features_in_ == 1
    assert not hasattr(clone(fitted), "config_")


def test_a_dev_set_may_be_given() -> None:
    model = Seq2Seq(**TINY).fit(SOURCES[:7], TARGETS[:7], dev=(SOURCES[7:], TARGETS[7:]))
    assert model.summary_["pairs"] == 7
    assert model.summary_["dev_pairs"] == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_size": 0}, ["Seq2Seq", "hidden_size"]),
        ({"cell": "rnn", "dropout": 2.0}, ["cell", "dropout"]),
        ({"minutes": 1.0}, ["minutes", "max_updates"]),
    ],
)
def test_bad_options_are_named_all_at_once(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Seq2Seq(**{**TINY, **options}).fit(SOURCES, TARGETS)
    assert [word for word in words if word not in str(caught.value)] == []


def test_numbers_of_numpy_are_numbers() -> None:
    model = Seq2Seq(**{**TINY, "max_updates": np.int64(2), "dropout": np.float32(0.25)})
    assert model.fit(SOURCES, TARGETS).summary_["updates"] == 2


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Seq2Seq(**TINY).fit(SOURCES, TARGETS[:-1])


def test_bad_rows_are_named_all_at_once() -> None:
    sources, targets = [*SOURCES, "", "b" * 31], [*TARGETS, "X", "B"]
    with pytest.raises(DataError) as caught:
        Seq2Seq(**{**TINY, "max_characters": 30}).fit(sources, targets)
    for word in ("row 11", "row 12", "2 bad", "skip_bad"):
        assert word in str(caught.value)


def test_bad_rows_are_left_out_on_demand() -> None:
    sources, targets = [*SOURCES, "", "b" * 31], [*TARGETS, "X", "B"]
    model = Seq2Seq(**{**TINY, "max_characters": 30, "skip_bad": True})
    with pytest.warns(UserWarning, match="2 bad of 13"):
        model.fit(sources, targets)
    plain = Seq2Seq(**TINY).fit(SOURCES, TARGETS)
    assert are_equal(weights(model), weights(plain))


def test_training_tells_what_it_does_only_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    Seq2Seq(**TINY).fit(SOURCES, TARGETS)
    assert capsys.readouterr() == ("", "")
    Seq2Seq(**TINY, verbose=True).fit(SOURCES, TARGETS)
    assert "pairs" in capsys.readouterr().err


class Impatient(io.StringIO):
    """A terminal whose user presses Ctrl-C at the first score."""

    def write(self, text: str) -> int:
        if text.startswith("update"):
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_ctrl_c_keeps_the_best_model_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Seq2Seq(**{**TINY, "max_updates": 9, "num_validations": 3}, verbose=True)
    monkeypatch.setattr(sys, "stderr", Impatient())
    with pytest.raises(KeyboardInterrupt):
        model.fit(SOURCES, TARGETS)
    assert model.summary_["updates"] == 3
    assert model.predict(["bead"]).shape == (1,)


# --- predict, translate, score ----------------------------------------------------------------


def test_predict_gives_an_array_of_plain_strings(taught: Seq2Seq) -> None:
    predictions = taught.predict(SOURCES)
    assert predictions.shape == (11,)
    assert predictions.dtype == object
    assert {type(text) for text in predictions} == {str}
    assert (predictions == np.array(TARGETS)).sum() >= 6


def test_predict_is_the_text_of_translate(taught: Seq2Seq) -> None:
    one_by_one = [taught.translate(source).text for source in SOURCES]
    together = [translation.text for translation in taught.translate_many(SOURCES)]
    assert taught.predict(SOURCES).tolist() == one_by_one == together


def test_translate_shows_where_the_model_looked(taught: Seq2Seq) -> None:
    translation = taught.translate("bead", n_best=3)
    assert translation.source_tokens == list("bead")
    assert translation.attention is not None
    assert translation.attention.shape == (len(translation.tokens), 4)
    np.testing.assert_allclose(translation.attention.sum(axis=1), 1, atol=1e-5)
    scores = [translation.score, *(other.score for other in translation.alternatives)]
    assert len(scores) == 3
    assert max(scores) <= 0


def test_translate_takes_one_text(taught: Seq2Seq) -> None:
    with pytest.raises(ValueError, match="translate_many"):
        taught.translate(["bead"])  # type: ignore[arg-type]


def test_search_options_reach_the_search(taught: Seq2Seq) -> None:
    greedy = clone(taught).set_params(beam_size=1)
    greedy.translator_ = taught.translator_
    expected = [t.text for t in taught.translator_.translate(SOURCES, beam_size=1)]
    assert greedy.predict(SOURCES).tolist() == expected


def test_score_is_the_share_of_exact_matches(taught: Seq2Seq) -> None:
    targets = [*TARGETS[:-2], "A B", ""]
    expected = accuracy_score(targets, taught.predict(SOURCES).tolist())
    assert 0 < expected < 1
    assert taught.score(SOURCES, targets) == pytest.approx(expected)
    assert taught.score(pd.Series(SOURCES), pd.Series(targets)) == pytest.approx(expected)


def test_score_takes_two_spellings_of_a_letter_for_one(taught: Seq2Seq) -> None:
    decomposed = [unicodedata.normalize("NFD", target) for target in TARGETS]
    assert decomposed != TARGETS
    assert taught.score(SOURCES, decomposed) == taught.score(SOURCES, TARGETS) > 0


@pytest.mark.parametrize("method", ["predict", "translate", "translate_many", "save"])
def test_an_unfitted_model_says_so(method: str) -> None:
    with pytest.raises(NotFittedError, match="fit"):
        getattr(Seq2Seq(), method)("abba")


# --- bundles and pickles ----------------------------------------------------------------------


def test_a_saved_model_is_a_bundle_that_translates_the_same(
    taught: Seq2Seq, tmp_path: Path
) -> None:
    taught.save(tmp_path / "model")
    loaded = Seq2Seq.load(tmp_path / "model")
    texts = [t.text for t in Translator.load(tmp_path / "model").translate(SOURCES)]
    assert taught.predict(SOURCES).tolist() == loaded.predict(SOURCES).tolist() == texts
    assert loaded.score(SOURCES, TARGETS) == taught.score(SOURCES, TARGETS)
    assert loaded.summary_["updates"] == taught.summary_["updates"]


def test_a_loaded_model_can_be_trained_anew(fitted: Seq2Seq, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    again = clone(Seq2Seq.load(tmp_path / "model")).fit(SOURCES, TARGETS)
    assert are_equal(weights(again), weights(fitted))


def test_a_pickle_brings_the_model_back_and_names_nothing_else_of_ours(taught: Seq2Seq) -> None:
    pickled = pickle.dumps(taught)
    back = pickle.loads(pickled)
    assert back.get_params() == taught.get_params()
    assert back.predict(SOURCES).tolist() == taught.predict(SOURCES).tolist()
    assert are_equal(weights(back), weights(taught))
    strings = {text for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)}
    modules = {text for text in strings if text.startswith(("foveate.", "torch", "numpy"))}
    assert modules == {"foveate.estimator"}


def test_an_unfitted_model_can_be_pickled() -> None:
    model = Seq2Seq(**TINY)
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()


def test_joblib_writes_and_reads_it(taught: Seq2Seq) -> None:
    file = io.BytesIO()
    joblib.dump(taught, file)
    file.seek(0)
    assert joblib.load(file).predict(["bead"]) == taught.predict(["bead"])


# --- among scikit-learn's tools ---------------------------------------------------------------


def test_clone_copies_parameters_and_nothing_learnt(fitted: Seq2Seq) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "translator_")


def lower(texts: Any) -> list[str]:
    return [text.lower() for text in texts]


def test_a_pipeline_can_lower_case_first() -> None:
    pipeline = make_pipeline(FunctionTransformer(lower), Seq2Seq(**TINY))
    pipeline.fit([source.upper() for source in SOURCES], TARGETS)
    assert pipeline[-1].translate("bead").source_tokens == list("bead")
    entries = pipeline[-1].translator_.source_codec.vocabulary.entries
    assert sorted(entries[4:]) == list("abcdef")
    shouted = pipeline.predict([source.title() for source in SOURCES])
    assert shouted.tolist() == pipeline[-1].predict(SOURCES).tolist()


@pytest.mark.long
def test_a_grid_search_runs_in_worker_processes() -> None:
    grid = {"hidden_size": [14, 22]}
    search = GridSearchCV(Seq2Seq(**TINY), grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(np.array(SOURCES), np.array(TARGETS))
    assert search.best_params_["hidden_size"] in grid["hidden_size"]
    assert search.predict(SOURCES).shape == (11,)
    assert search.best_estimator_.config_.hidden_size == search.best_params_["hidden_size"]


@pytest.mark.long
def test_a_fitted_model_works_in_worker_processes(taught: Seq2Seq) -> None:
    halves = (SOURCES[:5], SOURCES[5:])
    with joblib.Parallel(n_jobs=2) as parallel:
        results = parallel(joblib.delayed(taught.predict)(half) for half in halves)
    assert np.concatenate(results).tolist() == taught.predict(SOURCES).tolist()


def test_cross_validation_takes_series() -> None:
    X, y = pd.Series(SOURCES), pd.Series(TARGETS)
    assert cross_val_score(Seq2Seq(**TINY), X, y, cv=2).shape == (2,)
    assert cross_val_predict(Seq2Seq(**TINY), X, y, cv=2).shape == (11,)


def test_it_draws_itself_in_a_notebook(fitted: Seq2Seq) -> None:
    page = fitted._repr_html_()
    assert "Seq2Seq" in page
    assert "hidden_size" in page


@pytest.mark.long
def test_importing_it_does_not_import_torch() -> None:
    program = "import sys, foveate.estimator; print(sorted(sys.modules.keys() & {'torch'}))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "[]\n"
