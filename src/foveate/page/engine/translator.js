// One model: a text in, a translation out, as translator.py does it.

import { Codec, EOS, UNK } from "./codec.js";
import { openGraphs } from "./graphs.js";
import { WordList, orderOutputs, putFirst, rankScore } from "./ranking.js";
import { follow, listNodes, search, takeBest } from "./search.js";
import { Steering } from "./steering.js";

const FOUND = Symbol("found"); // of an output: the node it comes from; JSON knows no symbols
const SPARE_SOURCE = { timesLonger: 4, least: 100, usual: 500 }; // tokens that a source may have

/** A model that is ready to use. */
export class Translator {
  /**
   * @param {Promise<object>} ort onnxruntime-web, as soon as it is there
   * @param {object} files of the bundle: read(name), readText(name)
   */
  static async open(ort, files) {
    const readJson = async (name) => JSON.parse(await files.readText(name));
    const runtime = await readJson("runtime.json");
    const buildCodec = async (side) =>
      new Codec(side, await files.readText(side.vocabulary), side.subwords && (await files.read(side.subwords)));
    const parts = {
      source: await buildCodec(runtime.source),
      target: await buildCodec(runtime.target),
      memory: runtime.memory ? new Map(Object.entries(await readJson(runtime.memory))) : null,
      confidence: runtime.confidence ?? null,
      standIns: runtime.stand_ins ?? [],
      words: runtime.words ? new WordList(await readJson(runtime.words)) : null,
      model: await openGraphs(await ort, runtime, files),
    };
    return new Translator(runtime, parts);
  }

  constructor(runtime, { source, target, memory, words, model, confidence, standIns }) {
    this.runtime = runtime;
    this.source = source;
    this.target = target;
    this.memory = memory;
    this.confidence = confidence;
    this.standIns = standIns.map((token) => [token, source.ids([token])[0]]);
    this.words = words;
    this.model = model;
    this.steering = new Steering(target);
    const { timesLonger, least, usual } = SPARE_SOURCE;
    const longest = runtime.longest_source;
    this.maxSource = longest ? Math.max(least, timesLonger * longest) : usual;
  }

  /** Return the best output for a text, with the others as its alternatives. */
  async translate(text, options) {
    const source = this.readSource(text, options.attention);
    if (options.target !== undefined) return this.scoreTarget(source, options);
    if (!source.ids.length) return this.leaveEmpty(source, options);
    source.begin = await this.model.start(source.ids);
    const query = this.aim(source.ids, options);
    const trace = options.tree ? [] : null;
    const found = await search(this.model, source.begin, query, trace);
    const described = found.map((one) => this.describe(source, one));
    const { n_best: nBest, length_penalty: penalty } = options;
    let outputs = orderOutputs(described, nBest, penalty, query.words);
    outputs = outputs.map((one) => ({ ...one, confidence: this.judge(one) }));
    outputs = await this.recall(source, outputs, options);
    if (trace) outputs[0].tree = this.buildTree(trace, outputs);
    await this.addChoices(source, outputs, options.choices);
    return joinOutputs(outputs);
  }

  readSource(text, attention) {
    const cleaned = foldCase(this.source.clean(text), this.runtime.source_case);
    const all = this.source.split(cleaned);
    const tokens = all.slice(0, this.maxSource);
    const own = this.source.ids(tokens);
    const { ids, restored } = putIn(tokens, own, this.standIns);
    return {
      text: cleaned,
      ids,
      restored,
      unknown: own.flatMap((id, place) => (id === UNK ? [place] : [])),
      tokens,
      numCut: all.length - ids.length,
      attention: attention && this.model.hasAttention,
    };
  }

  /** Return what the search has to do. */
  aim(ids, options) {
    const { beam_size: beamSize, n_best: nBest, prefix } = options;
    const places = this.steering.begin(prefix);
    const words = beamSize > 1 ? this.words : null;
    const mayBeOneText = !["characters", "whitespace"].includes(this.target.kind);
    return {
      beamSize,
      nBest: words ? Math.max(beamSize, nBest) : nBest,
      numFound: mayBeOneText ? Math.max(beamSize, nBest) : 0,
      lengthPenalty: options.length_penalty,
      maxLength: options.max_length ?? this.limitOutput(ids.length) + places.length,
      places,
      attention: options.attention,
      choices: options.choices,
      words,
    };
  }

  limitOutput(sourceLength) {
    return Math.ceil(sourceLength * this.runtime.length_ratio) + this.runtime.length_extra;
  }

  /** Return an output as the values of its translation. */
  describe(source, found) {
    const { node, isFinished, endLogProb } = found;
    const nodes = listNodes(node);
    const ids = nodes.map(({ token }) => token);
    const scores = nodes.map(({ logProb }) => logProb);
    const looks = nodes.map(({ look }) => look && Array.from(look.subarray(0, source.ids.length)));
    const tokens = this.target.tokens(ids).map((token) => source.restored.get(token) ?? token);
    return {
      source_tokens: source.tokens,
      tokens,
      text: this.target.join(tokens),
      score: scores.reduce((sum, score) => sum + score, endLogProb),
      rank_score: 0,
      confidence: null,
      is_finished: isFinished,
      token_scores: scores,
      unknown: source.unknown,
      num_cut: source.numCut,
      attention: source.attention ? looks : null,
      [FOUND]: found,
    };
  }

  leaveEmpty(source, { prefix }) {
    return {
      source_tokens: [],
      tokens: [],
      text: "",
      score: 0,
      rank_score: 0,
      confidence: null,
      is_finished: !prefix.length,
      token_scores: [],
      unknown: [],
      num_cut: 0,
      attention: source.attention ? [] : null,
      alternatives: [],
    };
  }

  /** Return the probability that an output is right, where the model knows it (confidence.py). */
  judge({ score, is_finished: isFinished }) {
    if (!this.confidence || !isFinished) return null;
    const { bias, likely, unlikely } = this.confidence;
    const logProb = Math.min(score, -1e-6);
    const odds = bias + likely * logProb - unlikely * Math.log(-Math.expm1(logProb));
    return 1 / (1 + Math.exp(-odds));
  }

  /** Put what a source became in training before what the model would write. */
  async recall(source, outputs, options) {
    const target = this.memory?.get(this.source.normalize(source.text));
    if (target === undefined || target === outputs[0].text) return outputs;
    if (!this.steering.isMet(target, options.prefix)) return outputs;
    const best = await this.score(source, target);
    best.rank_score = rankScore(best.score, best.tokens.length + 1, options.length_penalty);
    best.confidence = this.confidence?.recalled ?? null;
    return putFirst(best, outputs, options.n_best);
  }

  async scoreTarget(source, options) {
    if (!source.ids.length || !this.target.split(options.target).length) {
      throw new Error("a text is empty: there is nothing to score");
    }
    source.begin = await this.model.start(source.ids);
    const best = await this.score(source, options.target);
    best.rank_score = best.score;
    await this.addChoices(source, [best], options.choices);
    return joinOutputs([best]);
  }

  /** Return a given output with the model's score and weights for it. */
  async score(source, target) {
    const tokens = this.target.split(target);
    const found = await follow(this.model, source.begin, this.target.ids(tokens), source.attention);
    return { ...this.describe(source, found), tokens, text: target };
  }

  /** Add to outputs the likeliest tokens at each place, what was written among them. */
  async addChoices(source, outputs, count) {
    if (!count) return;
    for (const output of outputs) output.choices = await this.listChoices(source, output, count);
  }

  async listChoices(source, output, count) {
    const { node, isFinished, endOthers } = await this.findOthers(source, output);
    const places = listNodes(node).map(({ token, others }) => [token, others]);
    if (isFinished) places.push([EOS, endOthers]);
    return places.map(([written, others], place) => {
      const best = takeBest(others, count);
      const isThere = best.some(({ id }) => id === written);
      if (!isThere) best.push({ id: written, logProb: others[written] });
      return best.map((one) => this.describeChoice(output.tokens.slice(0, place), one));
    });
  }

  /** Return an output as it was found; anew where a stand-in was read for an unknown token. */
  async findOthers(source, output) {
    const found = output[FOUND];
    const ids = this.target.ids(output.tokens);
    if (listNodes(found.node).every(({ token }, place) => token === ids[place])) return found;
    const again = await follow(this.model, source.begin, ids, false);
    return output.is_finished ? again : { ...again, isFinished: false };
  }

  describeChoice(before, { id, logProb }) {
    const written = this.target.tokens([id]); // none for the end
    const prefix = this.steering.spellPrefix([...before, ...written]);
    return { token: written.join(""), log_prob: logProb, prefix, is_end: id === EOS };
  }

  /** Return the beam as nodes, parents first; what lies on the way to an output is `kept`. */
  buildTree(trace, outputs) {
    const root = { parent: -1, token: "", log_prob: 0, score: 0, prefix: "", state: "kept" };
    const nodes = [root];
    const numbers = new Map();
    const histories = [[]];
    for (const { node, isFinished } of trace) {
      const parent = numbers.get(node.parent) ?? 0;
      const written = this.target.tokens([node.token]);
      histories.push([...histories[parent], ...written]);
      numbers.set(node, nodes.length);
      nodes.push({
        parent,
        token: written.join(""),
        log_prob: node.logProb,
        score: node.score,
        prefix: this.steering.spellPrefix(histories.at(-1)),
        state: isFinished ? "finished" : "dropped",
      });
    }
    markKept(nodes, outputs);
    return nodes;
  }
}

function foldCase(text, letterCase) {
  if (letterCase === "lower") return text.toLowerCase();
  return letterCase === "upper" ? text.toUpperCase() : text;
}

/** Let known tokens stand in for unknown ones, and tell for which (text/stand_ins.py). */
function putIn(tokens, ids, standIns) {
  const free = standIns.filter(([token]) => !tokens.includes(token));
  const given = new Map();
  tokens.forEach((token, place) => {
    if (ids[place] !== UNK || given.has(token) || given.size === free.length) return;
    given.set(token, free[given.size]);
  });
  const replaced = ids.map((id, place) => {
    return id === UNK && given.has(tokens[place]) ? given.get(tokens[place])[1] : id;
  });
  const restored = new Map([...given].map(([token, [standIn]]) => [standIn, token]));
  return { ids: replaced, restored };
}

function markKept(nodes, outputs) {
  const key = (parent, token) => `${parent} ${token}`;
  const places = new Map(nodes.map(({ parent, token }, place) => [key(parent, token), place]));
  for (const { tokens } of outputs) {
    let place = 0;
    for (const token of tokens) {
      place = places.get(key(place, token));
      if (place === undefined) break;
      if (nodes[place].state === "dropped") nodes[place].state = "kept";
    }
  }
}

function joinOutputs(outputs) {
  const [best, ...others] = outputs.map(({ [FOUND]: _, ...output }) => ({ ...output, alternatives: [] }));
  return { ...best, alternatives: others };
}
