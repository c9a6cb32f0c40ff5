"""What comes in and goes out, as FastAPI checks and documents it, and what it means to a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from foveate.records import Request, Sampling
from foveate.server.limits import Limits
from foveate.wishes import DEFAULT_BEAM_SIZE, DEFAULT_LENGTH_PENALTY

Whole = Annotated[int, Field(strict=False, ge=1, le=10**9)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class TooMuchError(Exception):
    """A request goes beyond the limits of this server, or asks for what does not go together."""


class Draw(BaseModel):
    """Draw the outputs instead of searching for the best."""

    model_config = ConfigDict(extra="forbid")
    temperature: Number = 1.0
    top_k: Annotated[int, Field(ge=0, le=10**9)] = 0
    top_p: Number = 1.0
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1


TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("text", {"type": "string"}),
    ("texts", TEXTS),
    ("q", {"anyOf": [{"type": "string"}, TEXTS]}),
)


class TranslateBody(BaseModel):
    """One text, several texts, or LibreTranslate's form; and what is wanted of each output."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": [name], "properties": {name: kind}} for name, kind in FORMS]
        },
    )
    text: str | None = Field(None, description="One text.")
    texts: list[str] | None = Field(None, description="Several texts.")
    model: str | None = Field(None, description="Name of the model; the first if left out.")
    beam_size: Whole | None = Field(None, description="Hypotheses that the search keeps (5).")
    n_best: Whole = Field(1, description="Outputs for each text, best first.")
    length_penalty: Annotated[Number, Field(ge=0)] | None = Field(
        None, description="How much longer outputs are favoured (1)."
    )
    max_length: Whole | None = Field(None, description="Most tokens of an output.")
    attention: bool = Field(False, description="Whether to return attention weights.")
    prefix: str | list[str] = Field(
        "", description="What the output has to begin with: a text, or whole tokens."
    )
    must: list[str] = Field([], description="Texts that have to stand in the output.")
    must_not: list[str] = Field([], description="Texts that may not stand in the output.")
    no_repeat: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="Sequences of so many tokens stand in the output once at most."
    )
    mbr: Literal["chrf", "edits"] | None = Field(
        None, description="Choose the output that is most like the others."
    )
    sampling: Draw | None = None
    choices: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="How many of the likeliest tokens to return for each place."
    )
    tree: bool = Field(False, description="Whether to return all prefixes of the search.")
    stream: bool = Field(False, description="Send the tokens as they are written.")
    timeout_seconds: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="How long the request may wait for its turn."
    )
    q: str | list[str] | None = Field(None, description="LibreTranslate: the text or texts.")
    source: str | None = Field(None, description="LibreTranslate: source language.")
    target: str | None = Field(None, description="LibreTranslate: target language.")
    alternatives: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="LibreTranslate: number of further outputs."
    )
    format: str | None = Field(None, description='LibreTranslate: only "text".')
    api_key: str | None = Field(None, description="LibreTranslate: the key.")

    def list_texts(self) -> list[str]:
        """Return the texts, whatever form they came in.

        Raises:
            TooMuchError: there is none of the three forms, or there are several.
        """
        given = [value for value in (self.text, self.texts, self.q) if value is not None]
        if len(given) != 1:
            raise TooMuchError('give exactly one of "text", "texts" and "q"')
        return [given[0]] if isinstance(given[0], str) else list(given[0])

    def make_requests(self, texts: Sequence[str], limits: Limits) -> tuple[Request, ...]:
        """Return what the model is asked.

        Raises:
            TooMuchError: it goes beyond the limits, or texts of two kinds are mixed.
            SearchError: what is wanted makes no sense.
        """
        check_texts(texts, limits)
        problems = list(self._find_problems(limits))
        if problems:
            raise TooMuchError("; ".join(problems))
        wishes = self._list_wishes()
        return tuple(Request(text, **wishes) for text in texts)

    def _list_wishes(self) -> dict[str, Any]:
        n_best = max(self.n_best, self.alternatives + 1)
        usual = 1 if self.stream else max(DEFAULT_BEAM_SIZE, n_best)
        penalty = self.length_penalty
        return {
            "beam_size": self.beam_size or usual,
            "n_best": n_best,
            "length_penalty": DEFAULT_LENGTH_PENALTY if penalty is None else penalty,
            "max_length": self.max_length,
            "attention": self.attention,
            "prefix": self.prefix if isinstance(self.prefix, str) else tuple(self.prefix),
            "must": tuple(self.must),
            "must_not": tuple(self.must_not),
            "no_repeat": self.no_repeat,
            "mbr": self.mbr,
            "sampling": Sampling(**self.sampling.model_dump()) if self.sampling else None,
            "choices": self.choices,
            "tree": self.tree,
        }

    def _find_problems(self, limits: Limits) -> Iterator[str]:
        steering = sum(map(len, (*self.prefix, *self.must, *self.must_not)))
        numbers = (
            ("beam_size", self.beam_size, limits.max_beam_size, "--max-beam-size"),
            ("n_best", self.n_best, limits.max_n_best, "--max-n-best"),
            ("alternatives", self.alternatives, limits.max_n_best - 1, "--max-n-best"),
            ("choices", self.choices, limits.max_n_best, "--max-n-best"),
            ("max_length", self.max_length, limits.max_output, "--max-output"),
            ("timeout_seconds", self.timeout_seconds, limits.max_seconds, "--max-seconds"),
            ("characters of prefix, must and must_not", steering, limits.max_steering,
             "--max-steering"),
        )  # fmt: skip
        for name, value, most, flag in numbers:
            if value is not None and value > most:
                yield f"{name}: {value:,} is more than {most:,}, the most here ({flag})"
        if self.format not in (None, "text"):
            yield f'format: only "text" is there, not {self.format!r:.40}'
        if self.stream and self.text is None:
            yield 'stream: goes with one "text"'


class AttendBody(BaseModel):
    """One text, to be shown with its attention; a given target is forced and scored."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(description="The text.")
    target: str | None = Field(None, description="The output; the model's own if left out.")
    model: str | None = Field(None, description="Name of the model; the first if left out.")
    choices: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="How many of the likeliest tokens to return for each place."
    )
    timeout_seconds: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="How long the request may wait for its turn."
    )

    def check(self, limits: Limits) -> None:
        """Raise TooMuchError where it goes beyond the limits."""
        check_texts([self.text, self.target or ""], limits)
        if self.choices > limits.max_n_best:
            raise TooMuchError(
                f"choices: {self.choices:,} is more than {limits.max_n_best:,}, the most here "
                "(--max-n-best)"
            )
        if self.timeout_seconds is not None and self.timeout_seconds > limits.max_seconds:
            raise TooMuchError(
                f"timeout_seconds: {self.timeout_seconds:g} is more than {limits.max_seconds:g}, "
                "the most here (--max-seconds)"
            )


def check_texts(texts: Sequence[str], limits: Limits) -> None:
    """Raise TooMuchError for too many texts or characters."""
    if len(texts) > limits.max_texts:
        raise TooMuchError(
            f"texts: {len(texts):,} are more than {limits.max_texts:,}, the most here (--max-texts)"
        )
    size = sum(map(len, texts))
    if size > limits.max_characters:
        raise TooMuchError(
            f"characters: {size:,} are more than {limits.max_characters:,}, the most of a request "
            "here (--max-characters)"
        )


class Problem(BaseModel):
    """What went wrong, how much it was, and what to do."""

    error: str


class ChoiceAnswer(BaseModel):
    """A token that the model might have written at a place."""

    token: str
    log_prob: float | None
    prefix: str
    is_end: bool


class NodeAnswer(BaseModel):
    """A prefix that the search held."""

    parent: int
    token: str
    log_prob: float | None
    score: float | None
    prefix: str
    state: Literal["kept", "dropped", "finished"]


class TranslationAnswer(BaseModel):
    """A translation; what was not asked for is left out or null."""

    source_tokens: list[str]
    tokens: list[str]
    text: str
    score: float | None
    rank_score: float | None
    is_finished: bool
    token_scores: list[float | None]
    unknown: list[int]
    num_cut: int
    attention: list[list[float]] | None
    alternatives: list[TranslationAnswer]
    choices: list[list[ChoiceAnswer]] | None = None
    tree: list[NodeAnswer] | None = None


class OneAnswer(TranslationAnswer):
    """The translation of `text`."""

    model: str
    model_id: str


class ManyAnswer(BaseModel):
    """The translations of `texts`."""

    model: str
    model_id: str
    translations: list[TranslationAnswer]


class LibreAnswer(BaseModel):
    """LibreTranslate's answer to `q`."""

    translatedText: str | list[str]  # noqa: N815  LibreTranslate's name
    alternatives: list[str] | list[list[str]] | None = None
