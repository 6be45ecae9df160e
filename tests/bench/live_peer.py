"""Runs in the peer's environment, not in ours: plays recordings to whisper-streaming as fast as they were spoken.

    python live_peer.py MODEL FOLDER REST_S THREADS     FOLDER: <number>_<language>.npy, float32 (samples,), 16 kHz

Its last line is JSON: for each recording the words that were said for good: [when, text, when the word ended].
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from whisper_streaming import ASRProcessor, AudioReceiver, Backend, OutputSender, TimeTrimming
from whisper_streaming.backend import (
    FasterWhisperFeatureExtractorConfig,
    FasterWhisperModelConfig,
    FasterWhisperTranscribeConfig,
)

RATE = 16_000
CHUNK_S = 1.0  # its own recommendation for the least chunk


class Player(AudioReceiver):
    def __init__(self, sound):
        super().__init__()
        self.sound, self.at, self.begun = sound, 0, None

    def _do_receive(self):
        self.begun = self.begun or time.perf_counter()
        if self.at >= len(self.sound):
            return None
        part = self.sound[self.at : self.at + round(CHUNK_S * RATE)]
        self.at += len(part)
        time.sleep(max(0.0, self.begun + self.at / RATE - time.perf_counter()))
        waiting = [self.queue.get() for _ in range(self.queue.qsize())]  # what is late is heard in one go
        return np.concatenate([*waiting, part])

    def _do_close(self):
        pass


class Said(OutputSender):
    def __init__(self, player):
        super().__init__()
        self.player, self.words = player, []
        self.queue = self

    def put_nowait(self, word):
        self.words.append([time.perf_counter() - self.player.begun, word.word, word.end])

    def start(self):
        pass

    def close(self):
        pass

    def _do_output(self, data):
        pass

    def _do_close(self):
        pass


def main(model, folder, rest_s, threads):
    said = []
    for path in sorted(Path(folder).glob("*.npy"), key=lambda path: int(path.stem.split("_")[0])):
        sound = np.concatenate([np.load(path), np.zeros(round(float(rest_s) * RATE), np.float32)])
        player = Player(sound)
        words = Said(player)
        config = ASRProcessor.ProcessorConfig(
            sampling_rate=RATE,
            prompt_size=200,
            audio_receiver_timeout=1.2,
            audio_trimming=TimeTrimming(seconds=15),
            language=path.stem.split("_")[1],
        )
        processor = ASRProcessor(
            config,
            player,
            words,
            Backend.FASTER_WHISPER,
            FasterWhisperModelConfig(model, device="cpu", compute_type="int8", cpu_threads=int(threads), num_workers=1),
            FasterWhisperTranscribeConfig(beam_size=1, temperature=[0.0, 0.4], vad_filter=True),
            FasterWhisperFeatureExtractorConfig(),
        )
        processor.run()
        said.append(words.words)
    print(json.dumps(said))


main(*sys.argv[1:])
