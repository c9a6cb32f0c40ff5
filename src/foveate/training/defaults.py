"""Good defaults, found from the data: the sizes that fit the pairs and the minutes.

The rule in one paragraph. What decides the quality of a small model on a slow machine is how often
it sees every pair, so the minutes, which are worth more on a faster machine, are shared out between
passes over the data and width: width grows with the 0.4th power of the arithmetic that is there for
one training token, up to what so many pairs can fill. Dropout grows with the number of passes that
follow from that. The peak learning rate falls as the model widens and, for the attention RNN, as
the run gets longer. Batches grow with the square root of the number of pairs. Many pairs of
characters or symbols that are seen only a few times get a table of n-grams, which costs no
arithmetic; the more often they are seen, the more of its n-grams are dropped. The Transformer,
which learns late what stands side by side, gets it earlier, and a convolution below its encoder.
Noise on the tokens only helps runs that see every pair many times. Attention over subwords is shown
where to look in the first half of the run. A model that goes on from another one keeps its sizes,
and gets half of the minutes and a low learning rate.
Does not load PyTorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from foveate.config import Config
from foveate.counted import counted
from foveate.options import (
    ARCHITECTURES,
    SUBWORD_KINDS,
    AttendingOptions,
    AttentionOptions,
    LetterCase,
    ModelOptions,
    Normalization,
    Options,
    TextOptions,
    TraditionalOptions,
    TrainingOptions,
    pick_part,
)

FLOPS_PER_CORE = 2.4e10  # a second, of a training step's products, on the slow core
SECONDS_OF_NO_PRODUCT = 0.03  # of an update, whatever its size, on the slow core
MANY_UPDATES = 19_000  # from which on a longer run wants no lower learning rate
FEW_PASSES = 20  # from which on a longer run over the same pairs does not, either
HIGHEST_RATE = 1.6e-2
LARGE_BATCH = 1_400  # tokens, from which on Muon wants its highest rate (docs/decisions/0064)
MANY_PASSES = 150  # estimated ones; fewer get no noise on the tokens (docs/decisions/0017)
MOST_BATCH_TOKENS = 2_000  # characters or symbols; long rows want many updates, too
LONGEST_NGRAM = 5  # of characters and symbols
NGRAM_PAIRS = 20_000  # fewer gain nothing by n-grams (docs/decisions/0033)
NGRAM_PASSES = 15  # estimated ones, up to which n-grams were measured
NGRAM_DROPOUT = 0.06  # for each of them (docs/decisions/0031)
MOST_NGRAM_DROPOUT = 0.6
TRANSFORMER_NGRAM_PAIRS = 10_000  # from which on a Transformer has n-grams, in any number of passes
TRANSFORMER_WINDOW = 5  # positions (docs/decisions/0027)
LOCATION_WINDOW = 7  # positions (docs/decisions/0030)
LESS_TIME = 0.5  # of the minutes of a new model, for one that goes on (docs/decisions/0059)
SLOW_WARMUP = 0.1  # of its updates
GENTLE = 0.25  # of the learning rate of a long run, for it
FEW_SENTENCES = 20_000  # up to which a lexicon knows more words than the model


@dataclass(frozen=True)
class DataFacts:
    """What the rule looks at. Lengths are mean tokens."""

    num_pairs: int
    source_length: float
    target_length: float
    source_size: int
    target_size: int
    source_kind: str
    target_kind: str
    is_shared: bool = False
    source_case: LetterCase = "keep"
    normalization: Normalization = "NFC"
    is_going_on: bool = False  # from a trained model

    @property
    def has_subwords(self) -> bool:
        """Say whether the target is made of subwords: sentences, as a rule."""
        return self.target_kind in SUBWORD_KINDS

    @property
    def pair_length(self) -> float:
        """Tokens of a pair, end mark included."""
        return self.source_length + self.target_length + 1

    @property
    def training_tokens(self) -> float:
        """Target tokens, end marks included, of one pass over the data."""
        return self.num_pairs * (self.target_length + 1)


def default_minutes(facts: DataFacts) -> float:
    """Return the minutes to train for when nothing is told: 1 to 60, with the size of the data.

    Example:
        >>> default_minutes(DataFacts(100_000, 7.5, 6.5, 30, 45, "characters", "whitespace"))
        29.0
    """
    minutes = 30 * (facts.training_tokens / 800_000) ** 0.5 * (2 if facts.has_subwords else 1)
    minutes *= LESS_TIME if facts.is_going_on else 1
    return float(round(min(max(minutes, 1.0), 60.0)))


def resolve(config: Config, facts: DataFacts, threads: int = 2, speed: float = 1.0) -> Options:
    """Find everything that was not asked for.

    The learning rate is left open: it follows from the number of updates, which is known when some
    have been timed (`choose_learning_rate`).

    Args:
        config: what was asked for.
        facts: the data.
        threads: of the processor; two share their work at 1.4 times the speed of one.
        speed: of one thread, beside the slow core that the rule was found on
            (`training.speed.measure_speed`).
    """
    values = {**_find_values(config, facts, threads, speed), **config.given}
    values |= {"source_tokens": facts.source_kind, "target_tokens": facts.target_kind}
    values |= {"shared_vocabulary": facts.is_shared, "source_case": facts.source_case}
    values |= {"normalization": facts.normalization}
    return Options(
        text=pick_part(TextOptions, values),
        model=pick_part(ARCHITECTURES[config.architecture], values),
        training=pick_part(TrainingOptions, values),
    )


def _find_values(config: Config, facts: DataFacts, threads: int, speed: float) -> dict[str, Any]:
    """Return a value for every option that the data decide, whether it was asked for or not."""
    minutes = config.minutes or default_minutes(facts)
    seconds = 60 * minutes * speed  # on slow cores
    flops = FLOPS_PER_CORE * threads**0.5
    hidden = config.hidden_size or choose_hidden_size(
        facts, seconds * flops / facts.training_tokens
    )
    batch_tokens = config.batch_tokens or choose_batch_tokens(facts)
    updates = config.max_updates or seconds / estimate_seconds(facts, hidden, batch_tokens, flops)
    passes = updates / count_batches(facts, batch_tokens)
    is_noise_useful = facts.has_subwords and passes > MANY_PASSES
    has_sentences = facts.has_subwords and config.architecture != "traditional"
    is_transformer = config.architecture == "transformer"
    has_ngrams = facts.num_pairs >= NGRAM_PAIRS and passes <= NGRAM_PASSES
    if is_transformer:
        has_ngrams = facts.num_pairs >= TRANSFORMER_NGRAM_PAIRS
    is_spelled = facts.source_kind not in SUBWORD_KINDS
    is_new = not facts.is_going_on
    longest = config.source_ngrams or (LONGEST_NGRAM if has_ngrams and is_spelled else 1)
    ngram_dropout = round(min(NGRAM_DROPOUT * passes, MOST_NGRAM_DROPOUT), 2)
    return {
        "minutes": minutes,
        "hidden_size": hidden,
        "embedding_size": min(hidden, 256) if facts.has_subwords else min(hidden, 128),
        "source_ngrams": longest,
        "ngram_rows": choose_ngram_rows(facts),
        "ngram_dropout": ngram_dropout if longest > 1 and not is_transformer else 0.0,
        "source_window": TRANSFORMER_WINDOW if is_transformer else 1,
        "num_heads": 4 if is_transformer and hidden % 8 == 0 else 1,
        "location_window": LOCATION_WINDOW,
        "dropout": round(min(max(passes * (0.015 if facts.has_subwords else 0.01), 0.02), 0.35), 2),
        "word_dropout": 0.1 if is_noise_useful else 0.0,
        "subword_sampling": 0.1 if is_noise_useful else 0.0,
        "guidance": 0.3 if has_sentences and is_new else 0.0,
        "optimizer": "muon" if is_transformer else "adamw",
        "warmup": TrainingOptions.warmup if is_new else SLOW_WARMUP,
        "lexicon": has_sentences and facts.num_pairs <= FEW_SENTENCES and not config.copy,
        "batch_tokens": batch_tokens,
    }


def choose_hidden_size(facts: DataFacts, work: float) -> int:
    """Choose a width, a multiple of 16.

    Args:
        facts: the data.
        work: floating-point operations that there are for each training token.
    """
    least, scale = (96, 100) if facts.has_subwords else (48, 128)
    for_time: float = scale * (work / 26e6) ** 0.4
    for_pairs: float = 64 * (facts.num_pairs / 100) ** 0.3
    return 16 * round(min(max(min(for_time, for_pairs), least), 512) / 16)


def estimate_seconds(facts: DataFacts, hidden: int, batch_tokens: int, flops: float) -> float:
    """Estimate how long an update takes on slow cores, at so many operations a second."""
    parameters = 36 * hidden**2  # two bidirectional layers, two decoder layers, readout
    if facts.has_subwords:
        parameters += facts.target_size * min(hidden, 256)
    tokens = facts.training_tokens / count_batches(facts, batch_tokens)
    return SECONDS_OF_NO_PRODUCT + 6 * parameters * tokens / flops


def count_batches(facts: DataFacts, batch_tokens: int) -> float:
    """Return about how many updates a pass over the data has."""
    return facts.num_pairs * facts.pair_length / batch_tokens


def choose_learning_rate(options: Options, facts: DataFacts, updates: int) -> float:
    """Choose the peak learning rate of a run, where none was asked for.

    A short run cannot afford a low one, and few pairs, seen often, are learnt by heart with one.
    That is the attention RNN: with a high one the traditional model learns less, however short the
    run, and the Transformer may learn nothing by AdamW. Muon wants a high one.

    Args:
        options: resolved.
        facts: the data.
        updates: that the run will do.
    """
    if options.training.learning_rate is not None:
        return options.training.learning_rate
    rate = 4e-3 * min(128 / options.model.hidden_size, 1)
    if options.model.architecture == "transformer":
        rate *= 0.5
        if options.training.optimizer == "muon":
            rate *= 4 * min(options.training.batch_tokens / LARGE_BATCH, 1) ** 0.5
    if facts.is_going_on:
        rate *= GENTLE
    elif options.model.architecture == "attention":
        few = FEW_PASSES * count_batches(facts, options.training.batch_tokens)
        counted = max(min(updates, few), 1)
        rate = min(rate * max(MANY_UPDATES / counted, 1) ** 0.4, HIGHEST_RATE)
    return float(f"{rate:.2g}")


def choose_batch_tokens(facts: DataFacts) -> int:
    """Choose a batch of 16 to 96 pairs of mean length: the more pairs there are, the larger.

    Long pairs of characters or symbols are fewer, but at least four.
    """
    pairs = min(max(0.3 * math.sqrt(facts.num_pairs), 16), 96)
    if not facts.has_subwords:
        pairs = min(pairs, max(MOST_BATCH_TOKENS / facts.pair_length, 4))
    return max(64, round(pairs * facts.pair_length))


def choose_ngram_rows(facts: DataFacts) -> int:
    """Choose a power of two: about one row for every eight source tokens of the data."""
    tokens = facts.num_pairs * facts.source_length
    return int(2 ** min(max(round(math.log2(tokens / 8)), 12), 16))


KIND_WORDS = {
    "characters": "characters",
    "tagged": "characters and tags",
    "whitespace": "symbols",
    "bytes": "bytes",
    "unigram": "subwords",
    "bpe": "subwords",
}


def describe_plan(options: Options, facts: DataFacts, parameters: int, learning_rate: float) -> str:
    """Say in one line what will be trained on what."""
    model, training = options.model, options.training
    kinds = f"{KIND_WORDS[facts.source_kind]} to {KIND_WORDS[facts.target_kind]}"
    extras = f", n-grams to {model.source_ngrams}" if model.source_ngrams > 1 else ""
    if isinstance(model, AttendingOptions):
        extras += ", copying" if model.copy else ", lexicon" if model.lexicon else ""
    return (
        f"{counted(facts.num_pairs, 'pair')}, {kinds}: {model.num_layers}-layer "
        f"{_name_model(model)} {model.hidden_size}{extras}, {parameters / 1e6:.2f} M parameters, "
        f"dropout {model.dropout}, learning rate {learning_rate}, "
        f"{training.batch_tokens} tokens a batch"
    )


def _name_model(model: ModelOptions) -> str:
    if isinstance(model, AttentionOptions):
        return f"{model.layout} attention {model.cell.upper()}"
    return (
        f"traditional {model.cell.upper()}"
        if isinstance(model, TraditionalOptions)
        else "Transformer"
    )
