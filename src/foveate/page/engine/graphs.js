// The graphs of an exported model behind one small interface: start, step, write, reorder.
//
// `start` encodes a source, `step` writes one token, and where `step` has a loop it writes several
// in one call. The entries of the decoder's state are named like their inputs and outputs, so this
// file does not know what kind of model it runs.

import { readGraph } from "./weights.js";

const NEXT = "next_";
const LAST = "last_";
const STEPS = "steps";
// Graphs come as they should be run: a browser would take seconds to optimise them.
const OPTIONS = { executionProviders: ["wasm"], logSeverityLevel: 3, graphOptimizationLevel: "disabled" };

/** Open the graphs of a model: one that decides alone, or an ensemble. */
export async function openGraphs(ort, runtime, files) {
  const members = [];
  for (const graphs of runtime.models) {
    const open = (graph) => openSession(ort, graph.file, files);
    members.push(new Member(ort, await open(graphs.start), await open(graphs.step)));
  }
  if (!members.length) throw new Error("the model was not exported: it has no graphs");
  return members.length === 1 ? members[0] : new Ensemble(members);
}

async function openSession(ort, file, files) {
  const graph = await readGraph(file, files);
  try {
    return await ort.InferenceSession.create(graph, OPTIONS);
  } catch (error) {
    throw new Error(`${file} is damaged, or the runtime cannot run here: ${error.message ?? error}`);
  }
}

class Member {
  constructor(ort, first, step) {
    this.ort = ort;
    this.first = first;
    this.session = step;
    const { inputNames, outputNames } = step;
    const moving = outputNames.filter((name) => name.startsWith(NEXT));
    this.moving = moving.map((name) => name.slice(NEXT.length));
    const isOwn = (name) => name === "tokens" || name === STEPS || this.moving.includes(name);
    this.fixed = inputNames.filter((name) => !isOwn(name));
    this.hasSteps = inputNames.includes(STEPS);
    this.hasAttention = outputNames.includes("attention");
    this.canWrite = this.hasSteps && outputNames.includes("written");
  }

  /** Encode a source and return the state of one row. */
  async start(ids) {
    const mask = new this.ort.Tensor("bool", new Uint8Array(ids.length).fill(1), [1, ids.length]);
    const feeds = { source: this.integers(ids, [1, ids.length]), source_mask: mask };
    // A graph may not read the mask; what is no input of it would be refused.
    const taken = this.first.inputNames.map((name) => [name, feeds[name]]);
    const entries = { ...(await this.first.run(Object.fromEntries(taken))), source_mask: mask };
    return { fixed: pick(entries, this.fixed), moving: pick(entries, this.moving), numRows: 1 };
  }

  /** Feed each row its last token and return the log-probabilities of the next one. */
  async step(state, tokens, attention) {
    const outputs = await this.run(state, tokens, 1, NEXT, [
      "log_probs",
      ...(attention && this.hasAttention ? ["attention"] : []),
    ]);
    const [numRows, size] = outputs.log_probs.dims;
    return {
      state: this.follow(state, outputs, NEXT),
      logProbs: cutRows(outputs.log_probs.data, numRows, size),
      attention: outputs.attention ? cutRows(outputs.attention.data, numRows) : null,
    };
  }

  /** Write up to `steps` tokens of one row greedily. */
  async write(state, token, steps, attention) {
    const outputs = await this.run(state, [token], steps, LAST, [
      "written",
      "written_log_probs",
      ...(attention && this.hasAttention ? ["written_attention"] : []),
    ]);
    const ids = Array.from(outputs.written.data, Number);
    const looks = outputs.written_attention;
    return {
      ids,
      logProbs: Array.from(outputs.written_log_probs.data),
      attention: looks ? cutRows(looks.data, ids.length) : null,
    };
  }

  async run(state, tokens, steps, following, wanted) {
    const feeds = { tokens: this.integers(tokens, [tokens.length]), ...state.fixed, ...state.moving };
    if (this.hasSteps) feeds[STEPS] = this.integers([steps], []);
    const kept = following === NEXT ? this.moving.map((name) => NEXT + name) : [];
    return this.session.run(feeds, [...wanted, ...kept]);
  }

  follow(state, outputs, following) {
    const moving = this.moving.map((name) => [name, outputs[following + name]]);
    return { ...state, moving: Object.fromEntries(moving) };
  }

  /** Pick rows, in the given order, with repetition. All of them belong to one source. */
  reorder(state, rows) {
    const take = (entries) => mapEntries(entries, (tensor) => this.takeRows(tensor, rows));
    const isSame = rows.length === state.numRows;
    const fixed = isSame ? state.fixed : take(state.fixed);
    return { fixed, moving: take(state.moving), numRows: rows.length };
  }

  takeRows(tensor, rows) {
    const [numRows, ...shape] = tensor.dims;
    const size = tensor.data.length / numRows;
    const data = new tensor.data.constructor(size * rows.length);
    rows.forEach((row, place) => {
      data.set(tensor.data.subarray(row * size, (row + 1) * size), place * size);
    });
    return new this.ort.Tensor(tensor.type, data, [rows.length, ...shape]);
  }

  integers(numbers, shape) {
    return new this.ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), shape);
  }
}

/** Several models that share their vocabularies: the mean of their probabilities and weights. */
class Ensemble {
  constructor(members) {
    this.members = members;
    this.hasAttention = members.some((member) => member.hasAttention);
    this.canWrite = false;
  }

  async start(ids) {
    const states = [];
    for (const member of this.members) states.push(await member.start(ids));
    return states;
  }

  async step(states, tokens, attention) {
    const steps = [];
    for (const [place, member] of this.members.entries()) {
      steps.push(await member.step(states[place], tokens, attention));
    }
    const looks = steps.map((step) => step.attention).filter((own) => own !== null);
    return {
      state: steps.map((step) => step.state),
      logProbs: steps[0].logProbs.map((_, row) => joinRows(steps.map((step) => step.logProbs[row]))),
      attention: looks.length ? looks[0].map((_, row) => averageRows(looks.map((own) => own[row]))) : null,
    };
  }

  reorder(states, rows) {
    return this.members.map((member, place) => member.reorder(states[place], rows));
  }
}

/** Return the logarithm of the mean of probabilities. */
function joinRows(rows) {
  const joined = new Float32Array(rows[0].length);
  for (let token = 0; token < joined.length; token += 1) {
    let greatest = -Infinity;
    for (const row of rows) if (row[token] > greatest) greatest = row[token];
    let sum = 0;
    for (const row of rows) sum += Math.exp(row[token] - greatest);
    joined[token] = greatest === -Infinity ? greatest : greatest + Math.log(sum / rows.length);
  }
  return joined;
}

function averageRows(rows) {
  return rows[0].map((_, place) => rows.reduce((total, row) => total + row[place], 0) / rows.length);
}

function cutRows(data, numRows, size = data.length / numRows) {
  return Array.from({ length: numRows }, (_, row) => data.subarray(row * size, (row + 1) * size));
}

function pick(entries, names) {
  return Object.fromEntries(names.map((name) => [name, entries[name]]));
}

function mapEntries(entries, change) {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value)]));
}
