// The whole state in the fragment of the address, in words that a person can read.

import { NEW_SIDE, newState } from "./state.js";

const NUMBERS = { beam_size: [1, 100], n_best: [1, 100], length_penalty: [0, 10], temperature: [0.01, 100], seed: [0, 2 ** 31], pick: [0, 99] };
const TEXTS = ["model", "method", "must", "must_not", "prefix", "target"];
const METHODS = ["search", "sampling", "chrf", "edits"];
const VIEWS = ["auto", "map", "ribbons"];

/** Return the fragment of a state, without what is as in a new one. */
export function writeFragment(state) {
  const values = new URLSearchParams();
  if (state.text) values.set("text", state.text);
  if (state.view !== "auto") values.set("view", state.view);
  writeSide(values, state.sides[0], "");
  if (state.compare) {
    values.set("compare", "1");
    writeSide(values, state.sides[1], "2");
  }
  return values.size ? "#" + values : "";
}

function writeSide(values, side, mark) {
  for (const [name, value] of Object.entries(side)) {
    if (value !== NEW_SIDE[name]) values.set(name + mark, value);
  }
}

/** Return the state of a fragment; what makes no sense is as in a new one. */
export function readFragment(fragment) {
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  const state = newState();
  state.text = values.get("text") ?? "";
  state.compare = values.get("compare") === "1";
  if (VIEWS.includes(values.get("view"))) state.view = values.get("view");
  state.sides = ["", "2"].map((mark) => readSide(values, mark));
  return state;
}

function readSide(values, mark) {
  const side = { ...NEW_SIDE };
  for (const name of TEXTS) {
    if (values.has(name + mark)) side[name] = values.get(name + mark);
  }
  if (!METHODS.includes(side.method)) side.method = "search";
  for (const [name, [least, most]] of Object.entries(NUMBERS)) {
    const number = Number(values.get(name + mark) ?? NaN);
    if (number >= least && number <= most) side[name] = number;
  }
  return side;
}
