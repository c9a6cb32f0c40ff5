"""Joey NMT's design, written anew in plain PyTorch: what its shape costs without its surroundings.

A bidirectional LSTM, and a decoder with input feeding that runs step by step: keys computed once,
additive attention with the current state, the vocabulary's product after the loop for all steps
together. Sentences are shuffled in batches of a fixed number, as in Joey NMT; `plain-torch-sorted`
takes batches of similar length, and shows what that alone is worth.

Reference: Luong et al. 2015, section 3.3; Kreutzer et al. 2019 (Joey NMT), section 3.1.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rivals.job import Job, Meter, measure_decoding

if TYPE_CHECKING:
    from flops import Sizes, Work

PINS = None
CONTENDERS: dict[str, dict[str, Any]] = {
    "plain-torch": {"sorted": False},
    "plain-torch-sorted": {"sorted": True},
}
NOTES = {"plain-torch": "Joey NMT's design, written by us; batches at random"}
NOTES["plain-torch-sorted"] = "the same with batches of similar length"
PAD, UNK, BOS, EOS = range(4)
Pair = tuple[list[int], list[int]]


def train(job: Job) -> dict[str, Any]:
    """Train with Adam and clipped gradients."""
    import torch

    torch.manual_seed(job.seed)
    model = build_model(job)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    meter = Meter(job)
    meter.vocabulary = model.readout.out_features
    meter.watch_optimizers()

    def loop() -> None:
        for pairs in make_batches(job):
            sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
            meter.see([len(s) for s in sources], [len(t) + 1 for t in targets])
            history = pad([[BOS, *t] for t in targets])
            wanted = pad([[*t, EOS] for t in targets])
            logits = model(pad(sources), history)
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1),
                wanted.flatten(),
                ignore_index=PAD,
                label_smoothing=job.label_smoothing,
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return meter.run(loop)


def prepare(job: Job) -> None:
    """Save a random model."""
    import torch

    torch.manual_seed(job.seed)
    job.work.mkdir(parents=True, exist_ok=True)
    torch.save(build_model(job).state_dict(), job.work / "weights.pt")


def decode(job: Job) -> list[dict[str, Any]]:
    """Translate greedily, every output as long as all others."""
    import torch

    model = build_model(job)
    model.load_state_dict(torch.load(job.work / "weights.pt", weights_only=True))
    ids = read_vocabulary(job, "source")

    @torch.inference_mode()
    def translate(texts: list[str]) -> int:
        sources = pad([[ids.get(token, UNK) for token in text.split()] for text in texts])
        return model.write(sources, job.length).numel()

    return measure_decoding(job, translate)


def read_vocabulary(job: Job, side: str) -> dict[str, int]:
    """Return the number of every token of a side."""
    tokens = job.lines(f"{side}.vocabulary")
    return {token: number for number, token in enumerate(tokens, start=EOS + 1)}


def make_batches(job: Job) -> Iterator[list[Pair]]:
    """Yield batches of a fixed number of pairs, epoch after epoch."""
    sides = []
    for side in ("source", "target"):
        ids = read_vocabulary(job, side)
        sides.append(
            [[ids[token] for token in line.split()] for line in job.lines(f"train.{side}")]
        )
    pairs = list(zip(*sides, strict=True))
    generator = random.Random(job.seed)
    while True:
        generator.shuffle(pairs)
        if job.settings["sorted"]:
            pairs.sort(key=lambda pair: (len(pair[1]), len(pair[0])))
        batches = [pairs[k : k + job.batch] for k in range(0, len(pairs), job.batch)]
        generator.shuffle(batches)
        yield from batches


def pad(rows: list[list[int]]) -> Any:
    """Return rows of ids as a tensor, padded on the right."""
    import torch

    longest = max(len(row) for row in rows)
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def build_model(job: Job) -> Any:
    """Build the model; the class stands in here because PyTorch is loaded only where it is used."""
    import torch
    from torch import nn

    class Model(nn.Module):
        """Encoder, loop with input feeding, readout."""

        def __init__(self, source_size: int, target_size: int, E: int, H: int, dropout: float):
            super().__init__()
            self.source_embedding = nn.Embedding(source_size, E, padding_idx=PAD)
            self.target_embedding = nn.Embedding(target_size, E, padding_idx=PAD)
            self.encoder = nn.LSTM(E, H // 2, batch_first=True, bidirectional=True)
            self.bridge = nn.Linear(H, H)
            self.cell = nn.LSTMCell(E + H, H)
            self.query = nn.Linear(H, H, bias=False)
            self.key = nn.Linear(H, H, bias=False)
            self.energy = nn.Linear(H, 1, bias=False)
            self.combine = nn.Linear(2 * H, H)
            self.readout = nn.Linear(H, target_size, bias=False)
            self.dropout = nn.Dropout(dropout)

        def encode(self, source: Any) -> tuple[Any, Any, Any, Any]:
            """Return states [B, S, H], keys [B, S, H], the mask [B, S] and the first state."""
            lengths = (source != PAD).sum(1)
            packed = nn.utils.rnn.pack_padded_sequence(
                self.dropout(self.source_embedding(source)),
                lengths,
                batch_first=True,
                enforce_sorted=False,
            )
            outputs, (last, _) = self.encoder(packed)
            states, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
            first = torch.tanh(self.bridge(torch.cat((last[0], last[1]), dim=-1)))
            return states, self.key(states), source != PAD, (first, first)

        def step(self, embedded: Any, fed: Any, state: Any, encoded: Any) -> tuple[Any, Any]:
            """Return the attentional state [B, H] and the next state."""
            states, keys, mask = encoded
            state = self.cell(self.dropout(torch.cat((embedded, fed), dim=-1)), state)
            energies = self.energy(torch.tanh(self.query(state[0])[:, None] + keys))[..., 0]
            weights = torch.softmax(energies.masked_fill(~mask, -torch.inf), dim=-1)
            context = (weights[:, None] @ states)[:, 0]
            joined = self.dropout(torch.cat((state[0], context), dim=-1))
            return torch.tanh(self.combine(joined)), state

        def forward(self, source: Any, history: Any) -> Any:
            """Return logits [B, T, V]."""
            *encoded, state = self.encode(source)
            fed, outputs = torch.zeros_like(state[0]), []
            embedded = self.target_embedding(history)
            for step in range(history.shape[1]):
                fed, state = self.step(embedded[:, step], fed, state, encoded)
                outputs.append(fed)
            return self.readout(torch.stack(outputs, dim=1))

        def write(self, source: Any, length: int) -> Any:
            """Return the most probable tokens [B, T], one after the other, and no end mark."""
            self.eval()
            *encoded, state = self.encode(source)
            fed, tokens = torch.zeros_like(state[0]), torch.full((len(source),), BOS)
            written = []
            for _ in range(length):
                fed, state = self.step(self.target_embedding(tokens), fed, state, encoded)
                tokens = self.readout(fed)[:, EOS + 1 :].argmax(-1) + EOS + 1
                written.append(tokens)
            return torch.stack(written, dim=1)

    sizes = [len(read_vocabulary(job, side)) + EOS + 1 for side in ("source", "target")]
    return Model(*sizes, job.embedding, job.hidden, job.dropout)


def work(settings: dict[str, Any], sizes: Sizes) -> Work:
    """Count the necessary products."""
    import flops

    return flops.input_feeding(sizes)
