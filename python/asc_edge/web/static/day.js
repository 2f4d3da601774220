// A day: what went on when, for how long, and going from day to day.

import { byId, clock, colourClass, element, setText, span, words } from "./text.js";

const MOST_LISTED = 200;

export class DayView {
  #day = null; // null is today, whichever day that is
  #today = "";
  #asked = 0;

  constructor() {
    byId("day-before").addEventListener("click", () => this.#step(-1));
    byId("day-after").addEventListener("click", () => this.#step(1));
    byId("day-today").addEventListener("click", () => this.show(null));
    byId("day-choice").addEventListener("change", (event) => event.target.value && this.show(event.target.value));
  }

  get isToday() {
    return this.#day === null;
  }

  async show(day) {
    this.#day = day === this.#today ? null : day;
    await this.refresh();
  }

  async refresh() {
    const asked = ++this.#asked;
    let timeline;
    try {
      const answer = await fetch(this.#day ? `/api/history?day=${this.#day}` : "/api/timeline");
      if (!answer.ok) return;
      timeline = await answer.json();
    } catch {
      return; // the connection says so already
    }
    if (asked === this.#asked) this.#draw(timeline);
  }

  #step(days) {
    const day = new Date(`${byId("day-choice").value}T12:00:00Z`);
    day.setUTCDate(day.getUTCDate() + days);
    this.show(day.toISOString().slice(0, 10));
  }

  #draw(timeline) {
    if (timeline.today) this.#today = timeline.day;
    const choice = byId("day-choice");
    choice.value = timeline.day;
    choice.max = this.#today;
    byId("day-after").disabled = timeline.day >= this.#today;
    byId("day-today").disabled = timeline.today;
    const named = new Date(`${timeline.day}T12:00:00Z`);
    const name = named.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" });
    setText(byId("day-title"), timeline.today ? "Today" : name);
    this.#track(timeline);
    const totals = timeline.totals.map(({ activity, seconds }) =>
      element("li", { cls: colourClass(activity) }, element("b", { text: words(activity) }), ` ${span(seconds)}`),
    );
    if (!totals.length) totals.push(element("li", { cls: "rest muted", text: "No activity on this day" }));
    byId("totals").replaceChildren(...totals);
    const newest = timeline.events.slice(-MOST_LISTED).reverse();
    byId("events").replaceChildren(...newest.map(eventItem));
  }

  #track(timeline) {
    const start = Date.parse(timeline.start);
    const length = Date.parse(timeline.end) - start;
    const percent = (time) => (100 * (Date.parse(time) - start)) / length;
    const place = (from, to, cls) => {
      const made = element("span", { cls });
      made.style.left = `${percent(from)}%`;
      if (to) made.style.width = `${percent(to) - percent(from)}%`;
      return made;
    };
    const pieces = timeline.events.map((event) => {
      const piece = place(event.start, event.end, colourClass(event.activity));
      piece.title = sentence(event);
      return piece;
    });
    if (timeline.today) {
      pieces.push(place(timeline.now, timeline.end, "ahead"), place(timeline.now, null, "clock"));
    }
    const track = byId("track");
    track.replaceChildren(...pieces);
    const spent = timeline.totals.map(({ activity, seconds }) => `${words(activity)} ${span(seconds)}`);
    track.setAttribute("aria-label", `The day from midnight to midnight. ${spent.join(", ") || "No activity"}.`);
    const hours = timeline.ticks.map(({ time, text }) => {
      const tick = element("span", { text });
      tick.style.left = `${percent(time)}%`;
      return tick;
    });
    byId("hours").replaceChildren(...hours);
  }
}

function sentence({ activity, start, end, going_on, seconds }) {
  return `${words(activity)}, ${clock(start)} to ${going_on ? "now" : clock(end)}, ${span(seconds)}`;
}

function eventItem(event) {
  const { activity, start, end, going_on, seconds } = event;
  const times = `${clock(start)}–${going_on ? "now" : clock(end)}`;
  return element(
    "li",
    { cls: colourClass(activity) },
    element("b", { text: words(activity) }),
    " ",
    element("time", { text: times, attributes: { datetime: start } }),
    ` · ${span(seconds)}`,
  );
}
