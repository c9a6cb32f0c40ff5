"""A stream hands out, token by token, what the greedy search gives as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foveate.errors import SearchError
from foveate.outputs import Partial
from foveate.records import Request, Sampling, Translation
from foveate.translator import Translator
from test_server import close

ONNX = Path(__file__).parent / "golden-onnx" / "format-1"
TORCH = Path(__file__).parent / "golden" / "format-2"


@pytest.mark.parametrize("text", ["cabbac", "a", ""])
@pytest.mark.parametrize("wishes", [{}, {"prefix": "bc"}, {"max_length": 2}, {"no_repeat": 1}])
@pytest.mark.parametrize("place", [ONNX, TORCH], ids=["onnx", "torch"])
def test_a_stream_is_the_greedy_translation(place: Path, text: str, wishes: dict[str, Any]) -> None:
    translator = Translator.load(place, threads=1)
    whole = translator.translate_one(text, beam_size=1, **wishes)
    *parts, last = translator.stream(Request(text, beam_size=1, **wishes))
    assert isinstance(last, Translation)
    assert close(last.to_dict(), whole.to_dict())
    tokens = [part for part in parts if isinstance(part, Partial)]
    assert len(tokens) == len(parts)
    assert [part.token for part in tokens] == whole.tokens
    assert close([part.log_prob for part in tokens], list(whole.token_scores))
    for part, row in zip(tokens, () if whole.attention is None else whole.attention, strict=True):
        assert part.attention is not None
        assert close(part.attention.tolist(), row.tolist())


@pytest.mark.parametrize(
    "wishes",
    [{"beam_size": 2}, {"must": ("a",)}, {"sampling": Sampling()}, {"choices": 1}],
    ids=str,
)
def test_what_only_a_whole_output_shows_is_refused(wishes: dict[str, Any]) -> None:
    translator = Translator.load(ONNX, threads=1)
    with pytest.raises(SearchError, match="a stream is greedy"):
        translator.stream(Request("abc", **{"beam_size": 1, **wishes}))


def test_a_remembered_target_is_streamed() -> None:
    translator = Translator.load(ONNX, threads=1)
    translator.bundle.decoding.memory["abc"] = "bbbb"
    *parts, last = translator.stream(Request("abc", beam_size=1))
    assert isinstance(last, Translation)
    assert last.text == "bbbb" == translator.translate_one("abc", beam_size=1).text
    assert [part.text for part in parts if isinstance(part, Partial)] == ["b", "bb", "bbb", "bbbb"]
