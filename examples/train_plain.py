"""Train with Foveate's parts in a PyTorch loop of your own, an attention of your own among them.

python examples/train_plain.py

No options, no runs, no files: words are learnt to be written backwards.
"""

import numpy as np
import torch
from torch import Tensor, nn

from foveate.data.batching import collate
from foveate.models import Attention, BidirectionalEncoder, LuongDecoder, Seq2SeqModel
from foveate.models.attention import split_heads
from foveate.models.seq2seq import build_embedding
from foveate.text.vocabulary import BOS, EOS, Vocabulary
from foveate.training.trainer import to_tensors


def normalize(states: Tensor) -> Tensor:
    """Return the states with length 1, by operations that can be exported."""
    return states / (states * states).sum(dim=-1, keepdim=True).add(1e-9).sqrt()


class CosineAttention(Attention):
    """e_ij = t cos(W s_i, h_j): only the angle counts, and how sharp to look is learnt."""

    def __init__(self, query_size: int, key_size: int, num_heads: int = 1) -> None:
        super().__init__(num_heads)
        self.projection = nn.Linear(query_size, key_size)
        self.sharpness = nn.Parameter(torch.tensor(5.0))

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return h_j / |h_j|, which no query changes."""
        return normalize(split_heads(encoder_states, self.num_heads))

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return the sharpened cosines [B, N, T, S]."""
        query = split_heads(self.projection(query), self.num_heads)
        return self.sharpness * (normalize(query) @ keys.transpose(-1, -2))


def build_model(vocabulary_size: int, width: int = 64) -> Seq2SeqModel:
    """Put the parts together; source and target share one table of embeddings."""
    table = build_embedding(vocabulary_size, width)
    encoder = BidirectionalEncoder("gru", width, width, num_layers=1, dropout=0.0)
    attention = CosineAttention(width, width)
    decoder = LuongDecoder("gru", width, width, width, attention, num_layers=1, dropout=0.0)
    return Seq2SeqModel(table, table, encoder, decoder)


def train(model: Seq2SeqModel, rows: list[list[int]], num_updates: int = 200) -> float:
    """Learn to write the rows backwards; return the last loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    chance = np.random.default_rng(1)
    for _ in range(num_updates):
        picked = [rows[place] for place in chance.integers(len(rows), size=32)]
        batch = to_tensors(collate(picked, [row[::-1] for row in picked]), torch.device("cpu"))
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return loss.item()


@torch.inference_mode()
def write(model: Seq2SeqModel, row: list[int], most: int = 20) -> tuple[list[int], Tensor]:
    """Write the likeliest token after the other; return them and where the model looked [T, S]."""
    source = torch.tensor([row])
    state, token, written, looks = model.start(source, torch.ones_like(source).bool()), BOS, [], []
    while len(written) < most:
        logits, attention, state = model.step(torch.tensor([token]), state)
        token = int(logits.argmax())
        if token == EOS:
            break
        written.append(token)
        looks.append(attention[0, 0, 0])
    return written, torch.stack(looks)


if __name__ == "__main__":
    torch.manual_seed(1)
    chance = np.random.default_rng(2)
    words = [
        "".join(chance.choice(list("abcdefgh"), size=chance.integers(2, 8))) for _ in range(2000)
    ]
    vocabulary = Vocabulary.learn(words)
    model = build_model(len(vocabulary))
    loss = train(model, [vocabulary.ids(word) for word in words])
    tokens, looks = write(model, vocabulary.ids("bagchef"))
    print(f"loss {loss:.3f}: bagchef becomes {''.join(vocabulary.entries[one] for one in tokens)}")
    print("looked at", " ".join("bagchef"[place] for place in looks.argmax(dim=1).tolist()))
