// Sound → frames of PCM16 with the channels interleaved, 100 ms each. Runs on the audio thread.
class Capture extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.channels = options.processorOptions.channels;
    this.frame = new Int16Array(Math.round(sampleRate / 10) * this.channels);
    this.filled = 0;
  }

  process(inputs) {
    const input = inputs[0];
    const count = input.length ? input[0].length : 128; // nothing connected is silence
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < this.channels; c++) {
        const channel = input[Math.min(c, input.length - 1)];
        const sample = channel ? Math.max(-1, Math.min(1, channel[i])) : 0;
        this.frame[this.filled++] = Math.round(sample * 32767);
      }
      if (this.filled === this.frame.length) {
        const full = this.frame;
        this.frame = new Int16Array(full.length);
        this.filled = 0;
        this.port.postMessage(full, [full.buffer]);
      }
    }
    return true;
  }
}
registerProcessor("capture", Capture);
