// Elements, and numbers and times as text.
export const id = (name) => document.getElementById(name);

export function make(tag, settings = {}, ...children) {
  const { dataset, ...rest } = settings;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset ?? {});
  element.append(...children);
  return element;
}

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(digits)).toString();
}

export const clock = (epoch) => new Date(epoch * 1000).toLocaleTimeString([], { hour12: false });

// Writes only what differs, so that a screen reader announces changes alone.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const describe = (differences) => differences.map(([key, before, after]) => `${key} ${before || "none"} → ${after || "none"}`).join(", ");

export const timing = (change) => `active after ${change.apply_s.toFixed(1)} s, ${change.clean_s === null ? "interrupted before old workers had drained" : `old workers drained after ${change.clean_s.toFixed(1)} s`}`;
