// What a person has asked for: one plain value, with a past and a future.

const MOST_STEPS = 200;

export const NEW_SIDE = Object.freeze({
  model: "",
  beam_size: 5,
  n_best: 3,
  length_penalty: 1,
  method: "search", // or "sampling", "chrf", "edits"
  temperature: 1,
  seed: 1,
  must: "",
  must_not: "",
  prefix: "",
  target: null, // a whole output that is forced, up to its end
  pick: 0, // which of the n best is shown
});

/** Return the state of a page that nobody has touched. */
export function newState() {
  return { text: "", compare: false, view: "auto", sides: [{ ...NEW_SIDE }, { ...NEW_SIDE }] };
}

/** Keep a state, what it was before, and who wants to know of changes. */
export class Store {
  constructor(state) {
    this.state = state;
    this.past = [];
    this.future = [];
    this.listeners = [];
    this.lastKind = "";
  }

  /** Call a function after every change. */
  watch(listener) {
    this.listeners.push(listener);
  }

  /** Put values into the state; changes of one kind in a row are undone together. */
  update(values, kind = "") {
    const next = { ...this.state, ...values };
    if (same(next, this.state)) return;
    if (!kind || kind !== this.lastKind) this.past = [...this.past, this.state].slice(-MOST_STEPS);
    this.lastKind = kind;
    this.future = [];
    this.set(next);
  }

  /** Put values into one side of the state. */
  updateSide(number, values, kind = "") {
    const sides = this.state.sides.map((side, k) => (k === number ? { ...side, ...values } : side));
    this.update({ sides }, kind && `${kind}-${number}`);
  }

  /** Change the text: what was forced belonged to the old one. */
  write(text) {
    const free = { prefix: "", target: null, pick: 0 };
    this.update({ text, sides: this.state.sides.map((side) => ({ ...side, ...free })) }, "text");
  }

  undo() {
    if (!this.past.length) return;
    this.future.push(this.state);
    this.lastKind = "";
    this.set(this.past.pop());
  }

  redo() {
    if (!this.future.length) return;
    this.past.push(this.state);
    this.lastKind = "";
    this.set(this.future.pop());
  }

  set(state) {
    this.state = state;
    for (const listener of this.listeners) listener(state);
  }
}

function same(left, right) {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Return the options of a translation that a side asks for. */
export function optionsOf(side, can, { tree = false } = {}) {
  const options = {
    model: side.model || undefined,
    beam_size: side.beam_size,
    n_best: Math.min(side.n_best, side.beam_size),
    length_penalty: side.length_penalty,
    attention: true,
    choices: 8,
  };
  if (tree) options.tree = true;
  if (side.target !== null) return { ...options, n_best: 1, target: side.target };
  if (side.prefix) options.prefix = side.prefix;
  if (can.must) addLists(options, side);
  if (can.mbr && (side.method === "chrf" || side.method === "edits")) options.mbr = side.method;
  if (can.sampling && side.method === "sampling") {
    options.n_best = side.n_best;
    options.sampling = { temperature: side.temperature, seed: side.seed };
  }
  return options;
}

function addLists(options, side) {
  for (const name of ["must", "must_not"]) {
    const texts = side[name].split(",").map((text) => text.trim());
    const given = texts.filter((text) => text);
    if (given.length) options[name] = given;
  }
}
