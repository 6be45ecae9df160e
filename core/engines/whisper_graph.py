"""Whisper as two ONNX graphs for windows of any length, made from a faster-whisper folder.

The encoder's gives the keys and values that the decoder attends to, so that those of silence can be kept; the decoder's
takes any number of tokens at once. The decoder reads all it knows for each token, so it is kept in 8 bits, with a scale
for each 64: a token gets nearly the same answers alone and among others
(`MatMulNBits` and `MultiHeadAttention`: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.engines.whisper_weights import Weights, read
from core.kit.errors import Unavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MICROSOFT = "com.microsoft"
_BLOCK = 64  # weights that share a scale
_ALL = 2**40  # as far as there is something


@dataclass(frozen=True, slots=True)
class WhisperGraphs:
    """`encoder`: features (1, mels, frames) → `key0`, `value0`, … (1, heads, states, head size), of each layer.
    `decoder`: `embedded` (1, tokens, size), `asked` (1,), the first token whose answer is wanted, `unseen` (1, 1,
    tokens, all tokens up to now), 0 where a token may look and very low where not, `key0`, … of the encoder and
    `past_key0`, … of the tokens before → `logits` (1, tokens asked, vocabulary), `scores` (1, aligned
    heads, tokens, states) before the softmax, and `now_key0`, … of all tokens up to now.
    `embeddings` (vocabulary, size) and `positions` (places, size): what is added up for `embedded`."""

    encoder: bytes
    decoder: bytes
    layers: int
    heads: int
    head_size: int
    embeddings: NDArray[np.float16]
    positions: NDArray[np.float16]
    suppressed: tuple[int, ...]  # tokens that are no speech
    suppressed_first: tuple[int, ...]  # and no beginning of it


def load(folder: Path) -> WhisperGraphs:
    """Raises `Unavailable` for a folder that holds no Whisper model in CTranslate2's form."""
    weights = read(folder / "model.bin")
    config = json.loads((folder / "config.json").read_text())
    if "alignment_heads" not in config:
        raise Unavailable(f"{folder / 'config.json'} lacks alignment_heads. Convert the model with CTranslate2 4.")
    heads = int(weights["decoder/num_heads"])
    embeddings = weights["decoder/embeddings/weight"]
    return WhisperGraphs(
        _encoder(weights, heads),
        _decoder(weights, heads, [(layer, head) for layer, head in config["alignment_heads"]]),
        layers=len(_layers(weights, "decoder")),
        heads=heads,
        head_size=embeddings.shape[1] // heads,
        embeddings=embeddings.astype(np.float16),
        positions=weights["decoder/position_encodings/encodings"].astype(np.float16),
        suppressed=tuple(config["suppress_ids"]),
        suppressed_first=tuple(config["suppress_ids_begin"]),
    )


def _layers(weights: Weights, side: str) -> list[str]:
    numbers = {name.split("/")[1] for name in weights if name.startswith(f"{side}/layer_") and name.count("/") > 2}
    return [f"{side}/{name}" for name in sorted(numbers, key=lambda name: int(name.removeprefix("layer_")))]


def _encoder(weights: Weights, heads: int) -> bytes:
    graph = _Graph(weights, exact=True)
    hidden = "features"
    for name, stride in (("encoder/conv1", 1), ("encoder/conv2", 2)):
        kernel, bias = graph.constant(weights[f"{name}/weight"]), graph.constant(weights[f"{name}/bias"])
        hidden = graph.add("Gelu", graph.add("Conv", hidden, kernel, bias, pads=[1, 1], strides=[stride]))
    hidden = graph.add("Transpose", hidden, perm=[0, 2, 1])
    states = graph.add("Slice", graph.add("Shape", hidden), graph.integers(1), graph.integers(2))
    places = graph.constant(weights["encoder/position_encodings/encodings"])
    hidden = graph.add("Add", hidden, graph.add("Slice", places, graph.integers(0), states, graph.integers(0)))
    for layer in _layers(weights, "encoder"):
        said = graph.add(
            "MultiHeadAttention", *graph.queries_keys_values(hidden, layer), domain=_MICROSOFT, num_heads=heads
        )
        hidden = graph.add("Add", hidden, graph.linear(said, f"{layer}/self_attention/linear_1"))
        hidden = graph.feed_forward(hidden, layer)
    hidden = graph.norm(hidden, "encoder/layer_norm")
    outputs = []
    for number, layer in enumerate(_layers(weights, "decoder")):
        both = graph.add(
            "Split", graph.linear(hidden, f"{layer}/attention/linear_1"), outputs=2, axis=-1, num_outputs=2
        )
        for name, one in zip((f"key{number}", f"value{number}"), both, strict=True):
            parted = graph.add("Reshape", one, graph.integers(0, 0, heads, -1))
            graph.add("Transpose", parted, perm=[0, 2, 1, 3], names=[name])
            outputs.append(_float(name, 1, heads, "states", None))
    mels = weights["encoder/conv1/weight"].shape[1]
    return graph.made([_float("features", 1, mels, "frames")], outputs)


def _decoder(weights: Weights, heads: int, aligned: Sequence[tuple[int, int]]) -> bytes:
    graph = _Graph(weights, exact=False)
    vocabulary, size = weights["decoder/embeddings/weight"].shape
    inputs = [
        _float("embedded", 1, "tokens", size),
        helper.make_tensor_value_info("asked", TensorProto.INT64, [1]),
        _float("unseen", 1, 1, "tokens", "now"),
    ]
    outputs = [
        _float("logits", 1, None, vocabulary),
        _float("scores", 1, len(aligned), "tokens", "states"),
    ]
    hidden, scores = "embedded", []
    for number, layer in enumerate(_layers(weights, "decoder")):
        past, now, heard = ([f"{part}{kind}{number}" for kind in ("key", "value")] for part in ("past_", "now_", ""))
        inputs += [_float(name, 1, heads, "past", size // heads) for name in past]
        inputs += [_float(name, 1, heads, "states", size // heads) for name in heard]
        outputs += [_float(name, 1, heads, "now", size // heads) for name in now]
        said = graph.fresh()
        graph.add(
            "MultiHeadAttention", *graph.queries_keys_values(hidden, layer), "", "", "unseen", *past,
            names=[said, *now], domain=_MICROSOFT, num_heads=heads, unidirectional=1,
        )  # fmt: skip
        hidden = graph.add("Add", hidden, graph.linear(said, f"{layer}/self_attention/linear_1"))
        asking = graph.linear(graph.norm(hidden, f"{layer}/attention/layer_norm"), f"{layer}/attention/linear_0")
        said, told = graph.fresh(), f"scores{number}"
        wanted = [head for of, head in aligned if of == number]
        graph.add(
            "MultiHeadAttention", asking, *heard,
            names=[said, "", "", told] if wanted else [said], domain=_MICROSOFT, num_heads=heads,
        )  # fmt: skip
        if wanted:
            graph.types.append(_float(told, 1, heads, "tokens", "states"))
            scores.append(graph.add("Gather", told, graph.integers(*wanted), axis=1))
        hidden = graph.add("Add", hidden, graph.linear(said, f"{layer}/attention/linear_2"))
        hidden = graph.feed_forward(hidden, layer)
    graph.add("Concat", *scores, axis=1, names=["scores"])
    hidden = graph.norm(hidden, "decoder/layer_norm")
    hidden = graph.add("Slice", hidden, "asked", graph.integers(_ALL), graph.integers(1))
    graph.linear(hidden, "decoder/projection", names=["logits"])
    return graph.made(inputs, outputs)


def _float(name: str, *shape: int | str | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


class _Graph:
    """Nodes one after the other. `exact`: weights as they are, else in 8 bits."""

    def __init__(self, weights: Weights, *, exact: bool) -> None:
        self._weights = weights
        self._exact = exact
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._count = 0
        self.types: list[onnx.ValueInfoProto] = []

    def fresh(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def add(
        self, kind: str, *inputs: str, outputs: int = 1, names: Sequence[str] = (), domain: str = "", **how: Any
    ) -> Any:
        """→ the name of what comes out, or the names where they are more than one."""
        out = list(names) or [self.fresh() for _ in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, out, domain=domain, **how))
        return out[0] if len(out) == 1 else out

    def constant(self, array: NDArray[Any]) -> str:
        """Floats, whatever they were stored as."""
        return self._kept(array.astype(np.float32))

    def integers(self, *values: int) -> str:
        return self._kept(np.array(values, np.int64))

    def _kept(self, array: NDArray[Any]) -> str:
        name = self.fresh()
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def linear(self, hidden: str, name: str, *, names: Sequence[str] = ()) -> str:
        weight = self._weights[f"{name}/weight"].astype(np.float32)
        bias = self._weights.get(f"{name}/bias")
        last = [] if bias is not None else names
        if self._exact:
            product = self.add("MatMul", hidden, self._kept(weight.T), names=last)
        else:
            product = self._in_8_bits(hidden, weight, last)
        return str(product if bias is None else self.add("Add", product, self.constant(bias), names=names))

    def _in_8_bits(self, hidden: str, weight: NDArray[np.float32], names: Sequence[str]) -> str:
        outputs, inputs = weight.shape
        blocks = weight.reshape(outputs, inputs // _BLOCK, _BLOCK)
        scale = np.maximum(np.abs(blocks).max(-1) / 127, np.finfo(np.float32).tiny)
        small = (np.round(blocks / scale[..., None]) + 128).astype(np.uint8)
        how = {"K": inputs, "N": outputs, "bits": 8, "block_size": _BLOCK, "accuracy_level": 4}
        parts = self._kept(small), self._kept(scale)
        return str(self.add("MatMulNBits", hidden, *parts, names=names, domain=_MICROSOFT, **how))

    def norm(self, hidden: str, name: str) -> str:
        parts = [self.constant(self._weights[f"{name}/{part}"]) for part in ("gamma", "beta")]
        return str(self.add("LayerNormalization", hidden, *parts, axis=-1, epsilon=1e-5))

    def queries_keys_values(self, hidden: str, layer: str) -> Iterable[str]:
        all_three = self.linear(
            self.norm(hidden, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0"
        )
        return list(self.add("Split", all_three, outputs=3, axis=-1, num_outputs=3))

    def feed_forward(self, hidden: str, layer: str) -> str:
        wide = self.linear(self.norm(hidden, f"{layer}/ffn/layer_norm"), f"{layer}/ffn/linear_0")
        return str(self.add("Add", hidden, self.linear(self.add("Gelu", wide), f"{layer}/ffn/linear_1")))

    def made(self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> bytes:
        graph = helper.make_graph(self._nodes, "whisper", inputs, outputs, self._constants, value_info=self.types)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_MICROSOFT, 1)]
        found: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
        return found
