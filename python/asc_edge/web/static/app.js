// Ties the page together: who may look, what arrives, and which part shows it.

import { Connection } from "./connection.js";
import { DayView } from "./day.js";
import { Spectrogram } from "./spectrogram.js";
import { byId, element, setColours, setText } from "./text.js";
import { Bars, Levels, NowView, showConfiguration, showHealth } from "./views.js";

const LINK_WORDS = { live: "Live", lost: "Connection lost, trying again", wait: "Connecting" };
const DAY_EVERY_MS = 60_000;

let version = null;
let channelCount = 0;
let spectrogram = null;
let connection = null;
const now = new NowView();
const bars = new Bars();
const levels = new Levels();
const day = new DayView();

function link(state) {
  byId("link").dataset.state = state;
  setText(byId("link-text"), LINK_WORDS[state]);
  byId("page").classList.toggle("stale", state === "lost");
}

function takeState(state) {
  const { session } = state;
  if (!session) return;
  const kind = session.synthetic ? "synthetic sounds, no microphone" : `${session.channels} channels`;
  setText(byId("source"), `${session.source} · ${kind} · bundle ${session.bundle}`);
  setColours(session.colours);
  bars.setLabels(session.labels);
  now.setSession(session, state.now);
  offerChannels(session.channels);
  setText(byId("belief-hint"), `About the last ${session.window_s} s, every ${session.hop_s === 1 ? "second" : `${session.hop_s} s`} anew`);
  setText(byId("levels-hint"), `Level over the last ${session.window_s} s, in dB of a full-scale sine`);
  now.setActivity(state.activity, state.presence);
  now.setState(state.input === "ok" ? state.decision.state : state.input, state.decision);
  if (state.decision) bars.show(state.decision);
  if (state.channels.length) levels.show(state.channels);
}

function offerChannels(count) {
  if (count === channelCount) return;
  channelCount = count;
  const choices = [["all", "All"], ...Array.from({ length: count }, (_, place) => [String(place), String(place + 1)])];
  const offered = choices.map(([value, text]) => {
    const input = element("input", { attributes: { type: "radio", name: "channel", value } });
    if (value !== "all") input.setAttribute("aria-label", `Microphone ${text}`);
    input.checked = value === "all";
    input.addEventListener("change", () => spectrogram.choose(value));
    return element("label", {}, input, element("span", { text }));
  });
  const fieldset = byId("channel-choice");
  fieldset.replaceChildren(fieldset.firstElementChild, ...offered);
  fieldset.hidden = count < 2;
  spectrogram.choose("all");
}

const on = {
  link,
  locked: () => showDoor(),
  hello(snapshot) {
    // A page of another release than the device's would misunderstand it.
    version ??= snapshot.version;
    if (version !== snapshot.version) location.reload();
    takeState(snapshot);
    spectrogram.clear();
    snapshot.picture.forEach((columns) => spectrogram.add(columns));
    showHealth(snapshot.health);
    day.refresh();
    loadConfiguration();
  },
  state: takeState,
  decision(decision) {
    bars.show(decision);
    now.setState(decision.state, decision);
  },
  activity({ activity, presence }) {
    now.setActivity(activity, presence);
    if (day.isToday) day.refresh();
  },
  glimpse(glimpse) {
    spectrogram.add(glimpse);
    levels.show(glimpse.channels);
  },
  notice({ kind, health }) {
    showHealth(health);
    if (kind === "input_lost") now.setState("lost");
  },
  health: showHealth,
  end({ health }) {
    showHealth(health);
    now.setState("ended");
  },
};

async function loadConfiguration() {
  const answer = await fetch("/api/configuration");
  if (answer.ok) showConfiguration(await answer.json());
}

function showDoor() {
  connection?.close();
  byId("page").hidden = true;
  byId("sign-out").hidden = true;
  byId("door").hidden = false;
  link("wait");
  setText(byId("link-text"), "Locked");
  byId("token").focus();
}

async function showPage(tokenNeeded) {
  byId("door").hidden = true;
  byId("page").hidden = false;
  byId("sign-out").hidden = !tokenNeeded;
  spectrogram ??= new Spectrogram(await (await fetch("/api/colours")).json());
  connection ??= new Connection(on);
  link("wait");
  connection.open();
}

async function giveToken(event) {
  event.preventDefault();
  const field = byId("token");
  setText(byId("door-error"), "");
  let complaint = "";
  try {
    const answer = await fetch("/api/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: field.value }),
    });
    if (answer.ok) {
      field.value = "";
      await showPage(true);
      byId("now").focus();
      return;
    }
    complaint = answer.status === 401 ? "That is not the token. Look into the device's token file and try again."
      : "The device did not understand. Try again.";
  } catch {
    complaint = "The device does not answer. Is it still on?";
  }
  setText(byId("door-error"), complaint);
  field.select();
}

async function signOut() {
  await fetch("/api/session", { method: "DELETE" });
  showDoor();
}

byId("door-form").addEventListener("submit", giveToken);
byId("sign-out").addEventListener("click", signOut);
setInterval(() => {
  if (day.isToday && !document.hidden && !byId("page").hidden) day.refresh();
}, DAY_EVERY_MS);

const session = await (await fetch("/api/session")).json();
if (session.token_needed && !session.signed_in) showDoor();
else await showPage(session.token_needed);
