// The engine that has the models in the page: no server, no network.

import { Translator } from "./translator.js";

const RUNTIME = "runtime/ort.wasm.bundle.min.mjs";
const BINARY = "runtime/ort-wasm-simd-threaded.wasm";
const DEFAULT_BEAM_SIZE = 5;
const WISHES = {
  model: null,
  beam_size: null,
  n_best: 1,
  length_penalty: 1,
  max_length: null,
  attention: false,
  prefix: "",
  choices: 0,
  tree: false,
  target: undefined,
};
// What a server can do besides; nothing but these values is taken for it.
const NOT_HERE = { must: [], must_not: [], no_repeat: 0, mbr: null, sampling: null, explain: false };
const MOST_PENALTY = 10;
// A browser compiles what is used often a second time, for a quarter of the time. So examples are
// translated while nobody asks for anything.
const WARMING = { turns: 24, wishes: { n_best: 3, attention: true, choices: 8 } };

/**
 * Return an engine that knows its models, and opens them when it is told to, or asked.
 *
 * @param {PackedFiles} files info.json, runtime/… and models/NAME/…
 */
export async function openModelEngine(files) {
  return new ModelEngine(files, JSON.parse(await files.readText("info.json")));
}

async function openRuntime(files) {
  await letPaint();
  const compiling = files.compile(BINARY);
  const [module] = await Promise.all([files.read(RUNTIME), compiling]);
  const place = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const ort = await import(place);
  URL.revokeObjectURL(place);
  ort.env.wasm.wasmBinary = new ArrayBuffer(0);
  handOver(await compiling);
  ort.env.wasm.numThreads = 1; // more need headers that a file cannot have
  ort.env.logLevel = "error";
  return ort;
}

/**
 * Let the runtime have a module that is compiled already. It takes bytes only, and would compile
 * them after they are unpacked, and not meanwhile.
 */
function handOver(module) {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (_, imports) => {
    WebAssembly.instantiate = instantiate;
    return { module, instance: await instantiate(module, imports) };
  };
}

/** Let the page be painted before the work begins. One in the background is not painted. */
function letPaint() {
  return new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
    setTimeout(done, 100);
  });
}

/** Call a function when the page has nothing else to do. */
function waitIdle(go) {
  if (globalThis.requestIdleCallback) requestIdleCallback(go);
  else setTimeout(go, 100);
}

class ModelEngine {
  constructor(files, about) {
    this.files = files;
    this.about = about;
    this.kind = "model";
    this.can = { must: false, mbr: false, sampling: false, stream: false };
    this.names = about.models.map((model) => model.name);
    this.runtime = null;
    this.opened = new Map();
  }

  /** Open the first model; this takes a second or two. */
  async open() {
    await this.find(this.names[0]);
    this.warmUp().catch(() => {}); // what goes wrong is told to those who ask
  }

  async warmUp() {
    const { examples } = this.about.models[0];
    for (let turn = 0; turn < WARMING.turns && examples.length; turn += 1) {
      await new Promise(waitIdle);
      await this.translate(examples[turn % examples.length], WARMING.wishes);
    }
  }

  async info() {
    return structuredClone(this.about);
  }

  /** Translate a text; the options are those of POST /translate, and `target` for a given output. */
  async translate(text, options = {}) {
    const wishes = completeWishes(text, options);
    const name = wishes.model ?? this.names[0];
    const translator = await this.find(name);
    const found = await translator.translate(text, wishes);
    const { id } = this.about.models.find((model) => model.name === name);
    return { ...found, model: name, model_id: id };
  }

  /** Open a model when it is first wanted. */
  find(name) {
    if (!this.names.includes(name)) {
      throw new Error(`there is no model "${name}": choose one of ${this.names.join(", ")}`);
    }
    if (!this.opened.has(name)) this.opened.set(name, this.openModel(name));
    return this.opened.get(name);
  }

  async openModel(name) {
    this.runtime ??= openRuntime(this.files);
    try {
      return await Translator.open(this.runtime, this.files.inFolder(`models/${name}/`));
    } catch (error) {
      throw new Error(`The model ${name} cannot be opened. ${error.message}`);
    }
  }
}

/** Return all options of a translation; raise what makes no sense. */
function completeWishes(text, options) {
  const wishes = { ...WISHES };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null) continue;
    if (Object.hasOwn(NOT_HERE, name)) refuse(name, value);
    else if (Object.hasOwn(WISHES, name)) wishes[name] = value;
    else throw new Error(`translate has no option ${name}`);
  }
  wishes.beam_size ??= Math.max(DEFAULT_BEAM_SIZE, wishes.n_best);
  const problems = [...findProblems(text, wishes)];
  if (problems.length) throw new Error(problems.join("; "));
  return wishes;
}

function refuse(name, value) {
  if (JSON.stringify(value) === JSON.stringify(NOT_HERE[name])) return;
  throw new Error(`${name} is not possible in a page without a server: use foveate serve`);
}

function* findProblems(text, wishes) {
  if (typeof text !== "string") yield "the source must be a text";
  const parts = Array.isArray(wishes.prefix) ? wishes.prefix : [wishes.prefix];
  if (parts.some((part) => typeof part !== "string")) yield "prefix must be a text or tokens";
  const least = { beam_size: 1, n_best: 1, max_length: 1, choices: 0 };
  for (const [name, lowest] of Object.entries(least)) {
    const number = wishes[name];
    if (number === null || (Number.isInteger(number) && number >= lowest)) continue;
    yield `${name} must be a whole number of at least ${lowest}, not ${number}`;
  }
  const { length_penalty: penalty, n_best: nBest, beam_size: beamSize } = wishes;
  if (!(penalty >= 0 && penalty <= MOST_PENALTY)) {
    yield `length_penalty must be from 0 to ${MOST_PENALTY}, not ${penalty}`;
  }
  if (nBest > beamSize) yield `n_best ${nBest} needs a beam_size of at least ${nBest}`;
}
