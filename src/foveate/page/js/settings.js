// The settings of a side: model, search and what the output must hold.

import { make } from "./dom.js";

const METHODS = { search: "Beam search", sampling: "Sampling", chrf: "Most alike (chrF)", edits: "Most alike (edits)" };

/** Return the settings of a side as a form, and a function that shows a side's values in it. */
export function makeSettings({ name, models, can, onChange }) {
  const fields = {
    model: chooser("Model", Object.fromEntries(models.map((model) => [model.name, model.name]))),
    beam_size: number("Beam size", 1, 20, 1),
    n_best: number("Outputs", 1, 20, 1),
    length_penalty: number("Length penalty", 0, 10, 0.1),
  };
  if (can.sampling || can.mbr) fields.method = chooser("Method", offered(can));
  if (can.sampling) Object.assign(fields, { temperature: number("Temperature", 0.1, 5, 0.1), seed: number("Seed", 0, 1e6, 1) });
  if (can.must) Object.assign(fields, { must: words("Must hold"), must_not: words("Must not hold") });
  for (const [field, label] of Object.entries(fields)) {
    const input = label.querySelector("input, select");
    input.name = `${name}-${field}`;
    input.addEventListener("change", () => onChange({ [field]: read(input) }));
  }
  const { model, ...others } = fields;
  const more = make("details", { class: "more" }, make("summary", {}, "Settings"),
    make("div", { class: "fields" }, ...Object.values(others)));
  const form = make("form", { class: "settings", "aria-label": name, onsubmit: (event) => event.preventDefault() }, model, more);
  return { form, show: (side) => show(fields, side, models) };
}

function offered(can) {
  const isOffered = (method) => method === "search" || (method === "sampling" ? can.sampling : can.mbr);
  return Object.fromEntries(Object.entries(METHODS).filter(([method]) => isOffered(method)));
}

function show(fields, side, models) {
  for (const [field, label] of Object.entries(fields)) {
    const input = label.querySelector("input, select");
    const value = field === "model" ? side.model || models[0]?.name : side[field];
    if (document.activeElement !== input || input.localName === "select") input.value = value;
  }
  if (fields.temperature) {
    for (const field of ["temperature", "seed"]) fields[field].hidden = side.method !== "sampling";
  }
  if (fields.must) fields.must.hidden = side.method === "sampling";
}

function read(input) {
  if (input.type !== "number") return input.value;
  const value = Math.min(Math.max(input.valueAsNumber || 0, Number(input.min)), Number(input.max));
  const kept = input.step === "1" ? Math.round(value) : value;
  input.value = kept;
  return kept;
}

function chooser(label, options) {
  const items = Object.entries(options).map(([value, text]) => make("option", { value }, text));
  return make("label", {}, make("span", {}, label), make("select", {}, ...items));
}

function number(label, min, max, step) {
  return make("label", {}, make("span", {}, label), make("input", { type: "number", min, max, step, inputmode: "decimal" }));
}

function words(label) {
  return make("label", { class: "wide" }, make("span", {}, label), make("input", { type: "text", dir: "auto", placeholder: "texts, with commas between", autocomplete: "off" }));
}
