// The sound of the last minute: columns of mel bands, each in its place in time, scrolling.

import { byId, element, setText } from "./text.js";

const SECONDS = 60;
const FREQUENCIES_HZ = [100, 200, 500, 1000, 2000, 4000, 8000, 16000];
const TIMES_S = [60, 45, 30, 15, 0];
const MIN_RANGE_DB = 45;
const FRAME_MS = 33;

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

export class Spectrogram {
  #columns = new Map(); // number of a column since the session's start -> one Uint8Array per channel
  #newest = -1;
  #shown = 0; // number, with a fraction, of the column at the right edge
  #bands = [];
  #columnS = 0.1;
  #range = null;
  #channel = "all";
  #tables = {};
  #image = document.createElement("canvas");
  #drawnAt = 0;

  constructor(tables) {
    for (const [name, text] of Object.entries(tables)) this.#tables[name] = bytes(text);
    this.canvas = byId("spectrogram");
    this.plain = this.canvas.getContext("2d");
    dark.addEventListener("change", () => this.#paint());
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    for (const seconds of TIMES_S) {
      const tick = element("span", { text: seconds ? `−${seconds} s` : "now" });
      tick.style.left = `${100 * (1 - seconds / SECONDS)}%`;
      byId("axis-x").append(tick);
    }
    requestAnimationFrame((at) => this.#tick(at));
  }

  clear() {
    this.#columns.clear();
    this.#newest = -1;
    this.#range = null;
  }

  choose(channel) {
    this.#channel = channel;
    this.#paint();
  }

  // A few columns, as the device sends them.
  add({ end_s, column_s, bands_hz, cells, low_db, high_db }) {
    const channels = cells.map(bytes);
    const count = bands_hz.length ? channels[0].length / bands_hz.length : 0;
    if (!count) return;
    if (bands_hz.join() !== this.#bands.join()) this.#setBands(bands_hz);
    this.#columnS = column_s;
    this.unit = (high_db - low_db) / 255;
    this.low = low_db;
    // Frames don't end where decisions fall: a column's place may be rounded either way.
    let first = Math.round(end_s / column_s) - count;
    if (Math.abs(first - this.#newest - 1) <= 1) first = this.#newest + 1;
    for (let column = 0; column < count; column++) {
      const part = (channel) => channel.subarray(column * bands_hz.length, (column + 1) * bands_hz.length);
      this.#columns.set(first + column, channels.map(part));
    }
    this.#newest = first + count - 1;
    for (const number of this.#columns.keys()) {
      if (number < this.#newest - this.#width) this.#columns.delete(number);
    }
    if (this.#newest - this.#shown > 4 * count + 2) this.#shown = this.#newest;
    this.#paint();
  }

  get #width() {
    return Math.round(SECONDS / this.#columnS);
  }

  #setBands(bands) {
    this.#bands = bands;
    const ticks = [];
    for (const hz of FREQUENCIES_HZ) {
      const above = bands.findIndex((band) => band >= hz);
      if (above < 1) continue;
      const place = above - 1 + (hz - bands[above - 1]) / (bands[above] - bands[above - 1]) + 0.5;
      const tick = element("span", { text: hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz` });
      tick.style.bottom = `${(100 * place) / bands.length}%`;
      if (!ticks.length || place - ticks.at(-1).place > bands.length / 12) ticks.push({ place, tick });
    }
    byId("axis-y").replaceChildren(...ticks.map(({ tick }) => tick));
  }

  #cells(channels) {
    if (this.#channel !== "all") return channels[this.#channel] ?? channels[0];
    return channels[0].map((cell, band) => Math.max(...channels.map((channel) => channel[band])));
  }

  // From the quietest twentieth to the loudest cells of what is shown; it moves slowly, for the eye's sake.
  #measure(columns) {
    const counts = new Uint32Array(256);
    let total = 0;
    for (const cells of columns.values()) for (const cell of cells) counts[cell]++, total++;
    const quantile = (share) => {
      let left = share * total;
      return counts.findIndex((count) => (left -= count) <= 0);
    };
    let [low, high] = [quantile(0.05), quantile(0.997)];
    low = Math.min(low, high - MIN_RANGE_DB / this.unit);
    const follow = this.#range ? 0.25 : 1;
    const before = this.#range ?? { low, high };
    this.#range = { low: before.low + follow * (low - before.low), high: before.high + follow * (high - before.high) };
  }

  #paint() {
    if (this.#newest < 0) return;
    const columns = new Map();
    for (const [number, channels] of this.#columns) columns.set(number, this.#cells(channels));
    this.#measure(columns);
    const table = this.#table();
    const [width, height] = [this.#width + 1, this.#bands.length];
    const pixels = new ImageData(width, height);
    const { low, high } = this.#range;
    for (const [number, cells] of columns) {
      const x = number - this.#newest + width - 1;
      if (x < 0) continue;
      for (let band = 0; band < height; band++) {
        const share = Math.min(1, Math.max(0, (cells[band] - low) / (high - low)));
        const colour = 3 * Math.round(255 * share);
        const place = 4 * ((height - 1 - band) * width + x);
        pixels.data.set(table.subarray(colour, colour + 3), place);
        pixels.data[place + 3] = 255;
      }
    }
    this.#image.width = width;
    this.#image.height = height;
    this.#image.getContext("2d").putImageData(pixels, 0, 0);
    this.imageEnd = this.#newest;
    this.#scale(table);
    this.#draw();
  }

  // Loud is always what stands out from the page: light on dark, dark on light.
  #table() {
    const table = this.#tables.magma;
    if (dark.matches) return table;
    const turned = new Uint8Array(table.length);
    for (let entry = 0; entry < 256; entry++) turned.set(table.subarray(3 * entry, 3 * entry + 3), 3 * (255 - entry));
    return turned;
  }

  #scale(table) {
    const pixels = new ImageData(256, 1);
    for (let entry = 0; entry < 256; entry++) {
      pixels.data.set([...table.subarray(3 * entry, 3 * entry + 3), 255], 4 * entry);
    }
    byId("scale").getContext("2d").putImageData(pixels, 0, 0);
    const db = (cell) => `${Math.round(this.low + cell * this.unit)} dB`.replace("-", "−");
    setText(byId("scale-low"), `quiet, ${db(this.#range.low)}`);
    setText(byId("scale-high"), `${db(this.#range.high)}, loud`);
    this.canvas.setAttribute(
      "aria-label",
      `Picture of the sound of the last minute: ${this.#bands.length} bands up to ${this.#bands.at(-1)} Hz, ` +
        `levels from ${db(this.#range.low)} to ${db(this.#range.high)}`,
    );
  }

  #tick(at) {
    requestAnimationFrame((next) => this.#tick(next));
    const elapsed = at - this.#drawnAt;
    if (this.#newest < 0 || elapsed < FRAME_MS) return;
    this.#drawnAt = at;
    const before = this.#shown;
    if (still.matches) this.#shown = this.#newest;
    else this.#shown = Math.min(this.#newest, this.#shown + Math.min(elapsed, 1000) / 1000 / this.#columnS);
    if (this.#shown !== before) this.#draw();
  }

  #draw() {
    if (this.#newest < 0) return;
    const sharpness = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.round(this.canvas.clientWidth * sharpness);
    const height = Math.round(this.canvas.clientHeight * sharpness);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const step = width / this.#width;
    const ahead = (this.imageEnd - this.#shown) * step;
    this.plain.clearRect(0, 0, width, height);
    this.plain.imageSmoothingQuality = "high";
    this.plain.drawImage(this.#image, ahead - step, 0, width + step, height);
  }
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
