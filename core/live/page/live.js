// The page: who logs in, what is played or spoken, and what comes of it.
import { Session } from "/live/session.js";
import { words } from "/live/words.js";

const $ = (id) => document.getElementById(id);
let language = navigator.language.startsWith("pt") ? "pt" : "en";
let tokens = null;
let session = null;
let context = null;
let source = null;
let state = "idle";
const rows = new Map();

const t = (key) => words[language][key] ?? key;

function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  $("language").textContent = t("other");
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = t(element.dataset.word);
  show(state);
}

function show(name, text) {
  state = name;
  $("status").dataset.state = name;
  $("status").textContent = text ?? t({ live: "listening" }[name] ?? name);
}

function make(tag, text, fields = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  Object.assign(element.dataset, fields);
  return element;
}

// ── who is there ────────────────────────────────────────────────────────────────────────────────────────────────────

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (tokens && path !== "/v1/refresh") headers.Authorization = "Bearer " + (await token());
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

async function token() {
  if (Date.now() > tokens.until) keep(await ask("/v1/refresh", { refresh_token: tokens.refresh_token }));
  return tokens.access_token;
}

function keep(opened) {
  tokens = { ...opened, until: Date.now() + (opened.expires_in_s - 60) * 1000 };
}

$("entry").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { email: $("email").value, password: $("password").value };
  for (const name of ["tenant", "code"]) if ($(name).value) body[name] = $(name).value;
  try {
    keep(await ask("/v1/login", body));
    $("password").value = "";
    for (const deal of (await ask("/v1/deals?limit=100")).items) {
      if (!deal.outcome) $("deal").append(Object.assign(make("option", deal.name), { value: deal.id }));
    }
    $("spoken").value = language;
    $("entry").hidden = true;
    $("setup").hidden = false;
    show("idle");
  } catch (error) {
    show("error", error.message);
  }
});

// ── sound ───────────────────────────────────────────────────────────────────────────────────────────────────────────

$("setup").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("begin").disabled = true;
  try {
    context = new AudioContext({ sampleRate: 16000 });
    await context.audioWorklet.addModule("/live/capture.js");
    const file = $("file").files[0];
    await (file ? play(file) : listen());
    $("setup").hidden = true;
    $("talk").hidden = false;
  } catch (error) {
    show("error", error.message);
    $("begin").disabled = false;
  }
});

async function listen() {
  const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
  source = context.createMediaStreamSource(stream);
  source.stop = () => stream.getTracks().forEach((track) => track.stop());
  begin(["unknown"]);
}

async function play(file) {
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.onended = finish;
  begin(buffer.numberOfChannels > 1 ? ["seller", "customer"] : ["unknown"]);
  source.start();
}

function begin(channels) {
  const start = { type: "start", encoding: "pcm16", sample_rate_hz: context.sampleRate, channels, language: $("spoken").value };
  if ($("deal").value) start.deal_id = $("deal").value;
  session = new Session(start, token, told, show, (why) => show("error", why));
  const options = { processorOptions: { channels: channels.length }, channelCount: channels.length, channelCountMode: "explicit" };
  const capture = new AudioWorkletNode(context, "capture", options);
  capture.port.onmessage = (message) => session.send(message.data);
  source.connect(capture);
}

function finish() {
  if (!session || session.ended) return;
  session.end();
  source.stop();
  context.close();
  $("end").disabled = true;
  show("ending");
}

$("end").addEventListener("click", finish);

// ── what comes of it ────────────────────────────────────────────────────────────────────────────────────────────────

const tell = {
  speech_started: (event) => row(event),
  partial: (event) => (row(event).tail.textContent = event.text),
  stable: (event) => said(event),
  final: (event) => {
    said(event);
    if (!event.text) row(event).line.remove();
  },
  objection: (event) => row(event).line.append(make("mark", t("objection") + ": " + event.kind)),
  suggestion: suggest,
  battlecard: suggest,
  metrics: (event) => {
    const mine = event.talk_share.seller;
    if (mine !== undefined) {
      $("measures").dataset.sides = "both";
      $("share").firstElementChild.style.width = 100 * mine + "%";
      $("shareOf").textContent = Math.round(100 * mine) + " %";
    }
    const who = mine === undefined ? "unknown" : "seller";
    if (event.words_per_minute[who]) $("pace").textContent = Math.round(event.words_per_minute[who]);
    if (event.longest_monologue_s[who]) $("longest").textContent = Math.round(event.longest_monologue_s[who]) + " s";
  },
  mood: (event) => {
    const turn = event.trend > 0.1 ? t("rising") : event.trend < -0.1 ? t("falling") : "";
    $("mood").textContent = `${event.valence.toFixed(1)} ${turn}`;
  },
  warning: (event) => show("live", event.detail),
  session_ended: (event) => {
    show("idle");
    $("over").hidden = false;
    $("over").textContent = event.call_id ? t("over") + event.call_id : t("none") + (event.detail ?? event.reason);
    $("over").dataset.call = event.call_id ?? "";
    $("end").hidden = true;
  },
};

const told = (event) => tell[event.type]?.(event);

function row(event) {
  const key = event.side + event.utterance;
  if (!rows.has(key)) {
    const line = make("li", undefined, { side: event.side });
    const text = make("span", "");
    const tail = make("i", "");
    line.append(make("b", t(event.side), { word: event.side }), text, " ", tail);
    $("transcript").append(line);
    rows.set(key, { line, text, tail });
    line.scrollIntoView({ block: "nearest" });
  }
  return rows.get(key);
}

function said(event) {
  const { text, tail } = row(event);
  text.textContent = event.text;
  tail.textContent = "";
}

function suggest(event) {
  const item = make("li", undefined, { kind: event.kind });
  const buttons = make("div");
  buttons.className = "verdict";
  for (const verdict of ["accept", "dismiss"]) {
    const button = make("button", t(verdict), { word: verdict });
    button.type = "button";
    button.addEventListener("click", () => {
      session.say({ type: "feedback", suggestion: event.id, verdict });
      item.dataset.verdict = verdict;
      buttons.remove();
    });
    buttons.append(button);
  }
  item.append(make("div", event.text), make("small", `${event.source} · ${Math.round(100 * event.confidence)} %`), buttons);
  $("suggestions").prepend(item);
}

$("asking").addEventListener("submit", (event) => {
  event.preventDefault();
  session.say({ type: "ask", text: $("question").value.trim() || null });
  $("question").value = "";
});

$("language").addEventListener("click", () => {
  language = language === "pt" ? "en" : "pt";
  translate();
});

translate();
