// Words, times and colours, and making elements: nothing here ever turns text into markup.

export const byId = (id) => document.getElementById(id);

export function element(name, { text, cls, attributes = {} } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (cls) made.className = cls;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Writes only what differs, so that screen readers and selections are left in peace.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function words(label) {
  const spaced = label.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

// The device's own clock, as it is written in the time itself.
export const clock = (iso) => iso.slice(11, 16);

export function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

let colours = new Map();

// Classes of activities.css by activity, as the device gives them, so that other pages have the same.
export function setColours(named) {
  colours = new Map(Object.entries(named));
}

export const colourClass = (label) => colours.get(label) ?? "rest";
