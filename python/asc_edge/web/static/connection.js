// The stream of events: it comes back by itself, whatever ended it.

const EVENTS = ["hello", "state", "decision", "activity", "notice", "glimpse", "health", "end"];
// The device says something every five seconds. A stream that is silent for longer is dead, though still open.
const SILENCE_MS = 15_000;
const AGAIN_MS = [1000, 2000, 4000, 8000];

export class Connection {
  #stream = null;
  #watch = 0;
  #again = 0;
  #tries = 0;
  #wanted = false;

  // on: functions by event name; "link" is told "live", "lost" or "full", and "locked" when a token is needed.
  constructor(on) {
    this.on = on;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#close();
      else if (this.#wanted) this.open();
    });
    window.addEventListener("pagehide", () => this.#close());
  }

  open() {
    this.#wanted = true;
    this.#close();
    const stream = new EventSource("/api/events");
    this.#stream = stream;
    for (const name of EVENTS) {
      stream.addEventListener(name, (event) => {
        this.#alive();
        if (name === "hello") {
          this.#tries = 0;
          this.on.link("live");
        }
        this.on[name](JSON.parse(event.data));
      });
    }
    stream.onerror = () => this.#failed();
    this.#alive();
  }

  close() {
    this.#wanted = false;
    this.#close();
  }

  #close() {
    clearTimeout(this.#watch);
    clearTimeout(this.#again);
    this.#stream?.close();
    this.#stream = null;
  }

  #alive() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#failed(), SILENCE_MS);
  }

  // A browser comes back by itself only where a connection broke, and not after an answer that it didn't like.
  #failed() {
    this.#close();
    this.on.link("lost");
    const wait = AGAIN_MS[Math.min(this.#tries++, AGAIN_MS.length - 1)];
    this.#again = setTimeout(() => this.#knock(), wait);
  }

  async #knock() {
    try {
      const answer = await fetch("/api/session");
      if (!answer.ok) throw new Error(answer.statusText);
      const session = await answer.json();
      if (session.token_needed && !session.signed_in) this.on.locked();
      else this.open();
    } catch {
      this.#failed();
    }
  }
}
