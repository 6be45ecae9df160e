// One session over /v1/live: frames are numbered and held until acknowledged; a lost connection is taken up again.
const BACK_MS = [200, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000];

export class Session {
  // token(): a promise of an access token. told(event): each event once, in order. state(name): "live" or "away".
  constructor(start, token, told, state, failed) {
    Object.assign(this, { start, token, told, state, failed });
    this.id = null;
    this.last = 0;
    this.number = 0;
    this.held = new Map();
    this.ended = false;
    this.over = false;
    this.open = false;
    this.attempt = 0;
    this.connect();
  }

  async connect() {
    let token;
    try {
      token = await this.token();
    } catch (error) {
      return this.again(error.message);
    }
    const address = new URL("/v1/live", location.href.replace(/^http/, "ws"));
    const socket = new WebSocket(address, ["salesedge", "bearer." + token]);
    this.socket = socket;
    socket.onopen = () =>
      socket.send(JSON.stringify(this.id ? { type: "resume", session: this.id, last_event: this.last } : this.start));
    socket.onmessage = (message) => this.take(JSON.parse(message.data));
    socket.onclose = (close) => {
      this.open = false;
      const refused = close.code > 4000 && close.code !== 4401 && close.code !== 4429;
      if (!this.over && !refused) this.again();
      else if (!this.over) this.failed(this.reason || String(close.code));
    };
  }

  again() {
    if (this.attempt >= BACK_MS.length) return this.failed(this.reason || "");
    this.state("away");
    setTimeout(() => this.connect(), BACK_MS[this.attempt++]);
  }

  take(message) {
    if (message.type === "ack") return this.acknowledged(message.frame);
    if (message.type === "error") return void (this.reason = message.detail);
    if (message.type === "resumed") {
      this.acknowledged(message.frame);
      for (const [number, sound] of this.held) this.post(number, sound);
      this.opened();
      if (this.ended) this.say({ type: "end" });
      return;
    }
    if (!message.number || message.number <= this.last) return;
    this.last = message.number;
    if (message.type === "session_started") {
      this.id = message.session;
      for (const [number, sound] of this.held) this.post(number, sound);
      this.opened();
    }
    if (message.type === "session_ended") this.over = true;
    this.told(message);
  }

  opened() {
    this.open = true;
    this.attempt = 0;
    this.state("live");
  }

  acknowledged(number) {
    for (const held of this.held.keys()) if (held <= number) this.held.delete(held);
  }

  send(pcm) {
    if (this.ended) return;
    this.held.set(++this.number, pcm);
    if (this.open) this.post(this.number, pcm);
  }

  post(number, pcm) {
    const message = new Uint8Array(4 + pcm.byteLength);
    new DataView(message.buffer).setUint32(0, number);
    message.set(new Uint8Array(pcm.buffer), 4);
    this.socket.send(message);
  }

  say(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  end() {
    this.ended = true;
    this.say({ type: "end" });
  }
}
