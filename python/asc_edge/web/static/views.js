// What goes on now, how sure it is, microphones, health and configuration.

import { byId, clock, colourClass, element, setText, span, words } from "./text.js";

const QUIETEST_DB = -100;
const LATE_S = 30;
const CHANNEL_WORDS = { ok: ["fine", "ok"], clipped: ["too loud", "warn"], dead: ["no sound", "bad"] };

export class NowView {
  #activity = null;
  #presence = null;
  #state = "starting";
  #decision = null;
  #session = null;
  #ahead = 0; // how far the device's clock is ahead of the browser's, in ms

  constructor() {
    setInterval(() => this.#tick(), 1000);
  }

  setSession(session, now) {
    this.#session = session;
    this.#ahead = Date.parse(now) - Date.now();
  }

  setActivity(activity, presence) {
    this.#activity = activity;
    this.#presence = presence;
    this.#draw();
  }

  // What the input does: a decision's state, or "lost", "ended", "starting".
  setState(state, decision = null) {
    this.#state = state;
    this.#decision = decision;
    this.#draw();
  }

  #draw() {
    const activity = this.#activity;
    const gone = this.#state === "lost" || this.#state === "ended";
    const named = activity && !gone;
    byId("now").className = `card now ${named ? colourClass(activity.activity) : ""}`;
    setText(byId("activity"), named ? words(activity.activity) : this.#word());
    setText(byId("since-start"), named ? `since ${clock(activity.since)}` : "");
    setText(byId("presence"), gone ? "" : this.#who());
    setText(byId("now-hint"), this.#hint(named));
    document.title = `${named ? words(activity.activity) : this.#word()} · asc-edge`;
    this.#tick();
  }

  #word() {
    const known = { lost: "Microphone lost", ended: "Stopped", starting: "Listening", silent: "Quiet" };
    if (this.#state === "no_input") return "No sound arrives";
    return known[this.#state] ?? "Nothing in particular";
  }

  // Nothing where the bundle can't tell.
  #who() {
    if (!this.#presence) return "";
    const { somebody, since } = this.#presence;
    return somebody ? `Somebody is here, since ${clock(since)}` : `Nobody was heard since ${clock(since)}`;
  }

  #hint(named) {
    const session = this.#session;
    if (this.#state === "starting" && session) return `The first decision falls after ${session.window_s} s`;
    if (this.#state === "lost") return "It goes on as soon as the microphone is back";
    if (this.#state === "ended") return "Whoever started it has ended it; this page waits for the next start";
    if (this.#state === "no_input") return "No microphone delivers anything that could be sound";
    if (named && this.#state === "silent") return "Quiet at the moment";
    const top = this.#decision?.top;
    if (!top || (named && top === this.#activity.activity)) return "";
    return `At this moment most like ${words(top).toLowerCase()}, but not clearly or not for long enough`;
  }

  #tick() {
    const shown = this.#activity && this.#state !== "lost" && this.#state !== "ended";
    const seconds = shown ? (Date.now() + this.#ahead - Date.parse(this.#activity.since)) / 1000 : 0;
    setText(byId("since-span"), shown ? `for ${span(seconds)}` : "");
  }
}

export class Bars {
  #rows = new Map();

  setLabels(labels) {
    if (labels.join() === [...this.#rows.keys()].join()) return;
    this.#rows.clear();
    for (const label of labels) {
      const fill = element("span");
      const meter = meterOf(words(label), 0, 100, fill);
      const value = element("span", { cls: "value", text: "–" });
      const name = element("span", { cls: "name", text: words(label) });
      const row = element("li", { cls: colourClass(label) }, name, meter, value);
      this.#rows.set(label, { row, fill, meter, value });
    }
    byId("bars").replaceChildren(...[...this.#rows.values()].map(({ row }) => row));
  }

  show({ posterior, top, state }) {
    for (const [label, { row, fill, meter, value }] of this.#rows) {
      const percent = 100 * (posterior[label] ?? 0);
      fill.style.transform = `scaleX(${percent / 100})`;
      meter.setAttribute("aria-valuenow", Math.round(percent));
      setText(value, state === "ok" ? `${Math.round(percent)} %` : "–");
      row.classList.toggle("top-one", label === top);
    }
  }
}

export class Levels {
  #rows = [];

  show(channels) {
    if (channels.length !== this.#rows.length) this.#build(channels.length);
    channels.forEach(({ status, level_db }, place) => {
      const { state, value, meter, fill } = this.#rows[place];
      const [text, mark] = CHANNEL_WORDS[status] ?? [status, "warn"];
      setText(state, text);
      state.dataset.state = mark;
      setText(value, `${Math.round(level_db)} dB`.replace("-", "−"));
      fill.style.transform = `scaleX(${Math.min(1, Math.max(0, 1 - level_db / QUIETEST_DB))})`;
      meter.setAttribute("aria-valuenow", Math.max(QUIETEST_DB, Math.min(0, Math.round(level_db))));
    });
  }

  #build(count) {
    this.#rows = Array.from({ length: count }, (_, place) => {
      const name = `Microphone ${place + 1}`;
      const fill = element("span");
      const meter = meterOf(`Level of ${name.toLowerCase()}, dB`, QUIETEST_DB, 0, fill);
      const state = element("span", { cls: "status" });
      const value = element("span", { cls: "value" });
      const line = element("div", { cls: "line" }, element("span", { text: name }), state, value);
      return { row: element("li", {}, line, meter), state, value, meter, fill };
    });
    byId("levels").replaceChildren(...this.#rows.map(({ row }) => row));
  }
}

export function showHealth(health) {
  const { latency_ms, temperature_c, memory_mb, throttling } = health;
  const inputs = { ok: "arrives", lost: "lost", ended: "ended", starting: "starting" };
  const rows = [
    ["Sound", inputs[health.input] ?? health.input, health.input === "lost" ? "bad" : "ok"],
    ["Decisions", String(health.decisions), "ok"],
    ["Skipped, to keep up", String(health.skipped), health.skipped ? "warn" : "ok"],
    ["Gaps in the sound", gaps(health), health.gaps || health.inputs_lost ? "warn" : "ok"],
  ];
  if (health.input === "ok" && health.since_decision_s > LATE_S) {
    rows.push(["Last decision", `${span(health.since_decision_s)} ago`, "bad"]);
  }
  if (latency_ms) rows.push(["A decision takes", `${Math.round(latency_ms.median)} ms, at most ${Math.round(latency_ms.max)} ms`, "ok"]);
  if (temperature_c !== null) {
    rows.push(["Temperature", `${Math.round(temperature_c)} °C`, temperature_c >= 80 ? "warn" : "ok"]);
  }
  if (throttling?.length) rows.push(["Held back", throttling.join(", "), "warn"]);
  if (memory_mb !== null) rows.push(["Memory", `${Math.round(memory_mb)} MB`, "ok"]);
  byId("health").replaceChildren(
    ...rows.flatMap(([name, text, state]) => [
      element("dt", { text: name }),
      element("dd", state === "ok" ? { text } : { text, cls: "status", attributes: { "data-state": state } }),
    ]),
  );
  const notices = health.notices.toReversed().map(({ time, text }) =>
    element("li", {}, element("time", { text: clock(time), attributes: { datetime: time } }), ` ${text}`),
  );
  byId("notices").replaceChildren(...notices);
  byId("notices-box").hidden = !notices.length;
}

function gaps({ gaps: count, lost_s, inputs_lost }) {
  const lost = lost_s ? `, ${lost_s.toFixed(1)} s lost` : "";
  return `${count}${lost}${inputs_lost ? `; microphone lost ${inputs_lost} ×` : ""}`;
}

export function showConfiguration(values) {
  const rows = [];
  const walk = (prefix, value) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(prefix ? `${prefix}.${key}` : key, inner);
    } else {
      const text = Array.isArray(value) ? value.join(", ") : String(value ?? "–");
      rows.push(element("dt", { text: prefix }), element("dd", { text: text || "–" }));
    }
  };
  walk("", values);
  byId("configuration").replaceChildren(...rows);
}

function meterOf(name, low, high, fill) {
  const attributes = { role: "meter", "aria-label": name, "aria-valuemin": low, "aria-valuemax": high };
  return element("div", { cls: "bar", attributes: { ...attributes, "aria-valuenow": low } }, fill);
}
