"""Train `Seq2Seq` with an attention of your own, save the model, and load it again.

python examples/own_attention.py

The attention is the class in train_plain.py. It has to stand in a file that can be imported: the
model keeps the path `train_plain:CosineAttention`, and no code.
"""

import tempfile

import numpy as np
from train_plain import CosineAttention

from foveate import Seq2Seq
from foveate.errors import ModelMismatchError

chance = np.random.default_rng(2)
words = ["".join(chance.choice(list("abcdefgh"), size=chance.integers(2, 8))) for _ in range(1000)]
learner = Seq2Seq(attention=CosineAttention, max_updates=300, hidden_size=48, num_validations=2)
learner.fit(words, [word[::-1] for word in words])

with tempfile.TemporaryDirectory() as folder:
    learner.save(f"{folder}/model")
    try:
        Seq2Seq.load(f"{folder}/model")
    except ModelMismatchError as error:  # code that a model names does not run by itself
        print(str(error).removeprefix(folder))
    loaded = Seq2Seq.load(f"{folder}/model", trust_code=True)
    print("bagchef becomes", loaded.predict(["bagchef"])[0])
