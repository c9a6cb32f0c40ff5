// The search for one source: greedy, beam, or along a given output. It knows ids, no text.
//
// The rules of pruning, stopping and ties are those of search/core.py and search/beam.py.
//
// A node is a prefix of an output: {parent, token, logProb, score, look, length, others}, where `look`
// has the attention weights of its last token, and `others` the log-probabilities of all tokens in its
// place. The root has no parent. Where the loop of the graph wrote a token, the others are not known.

import { BOS, EOS } from "./codec.js";
import { rankScore } from "./ranking.js";

const ROOT = { parent: null, token: BOS, logProb: 0, score: 0, look: null, length: 0, others: null };

/**
 * Return what has been found, best first: {node, isFinished, endLogProb, endOthers} each.
 *
 * @param {object} model graphs, see graphs.js
 * @param {object} begin the state of one row that the source starts with
 * @param {object} query beamSize, nBest, numFound, lengthPenalty, maxLength, places, attention, choices
 * @param {object[] | null} trace gets the nodes that were held, ended or just missed the beam
 */
export async function search(model, begin, query, trace = null) {
  if (query.beamSize === 1) return [await writeGreedily(model, begin, query, trace)];
  const beam = new Beam(query, trace);
  let state = begin;
  let rows = [{ node: ROOT, place: 0 }];
  while (rows.length) {
    const step = await model.step(state, rows.map(({ node }) => node.token), query.attention);
    rows = beam.advance(rows, step);
    const parents = rows.map(({ row }) => row);
    if (rows.length) state = model.reorder(step.state, parents);
  }
  return beam.choose();
}

/** Score a given output: one node a token, and the end. */
export async function follow(model, begin, target, attention) {
  let state = begin;
  let node = ROOT;
  for (const token of [...target, EOS]) {
    const step = await model.step(state, [node.token], attention);
    const [others] = step.logProbs;
    if (token === EOS) return { node, isFinished: true, endLogProb: others[EOS], endOthers: others };
    node = extend(node, token, others[token], step.attention?.[0] ?? null, others);
    state = step.state;
  }
  throw new Error("unreachable");
}

/** Return the tokens of a node from the first to the last. */
export function listNodes(node) {
  const nodes = [];
  for (let here = node; here.parent; here = here.parent) nodes.push(here);
  return nodes.reverse();
}

/** Return the k likeliest tokens of a row that may be written, the best first. */
export function takeBest(logProbs, k, allowed = null) {
  const best = [];
  const consider = (id) => {
    const value = logProbs[id];
    if (Number.isNaN(value)) throw new Error("the model gives no numbers: its file is damaged");
    if (value === -Infinity || (best.length === k && !(value > best[k - 1].logProb))) return;
    let at = best.length;
    while (at > 0 && value > best[at - 1].logProb) at -= 1;
    best.splice(at, 0, { id, logProb: value });
    if (best.length > k) best.pop();
  };
  if (allowed) [...allowed].sort((one, other) => one - other).forEach(consider);
  else for (let id = EOS; id < logProbs.length; id += 1) consider(id);
  return best;
}

function extend(parent, token, logProb, look, others) {
  const score = parent.score + logProb;
  return { parent, token, logProb, score, look, length: parent.length + 1, others };
}

/** Return the tokens that may be written at a place of the prefix; null where all may. */
function findAllowed(places, place) {
  return place < places.length ? places[place].keys() : null;
}

function followPlace(places, place, token) {
  return place < places.length ? places[place].get(token) : place;
}

async function writeGreedily(model, begin, query, trace) {
  const { places, maxLength, attention } = query;
  const isWatched = trace || query.choices > 0;
  let state = begin;
  let node = ROOT;
  let place = 0;
  const isFree = () => place >= places.length;
  for (;;) {
    if (isFree() && model.canWrite && !isWatched) return writeRest(model, state, node, query);
    const step = await model.step(state, [node.token], attention);
    const look = step.attention?.[0] ?? null;
    const [others] = step.logProbs;
    const found = takeBest(others, countLooked(query, trace), findAllowed(places, place));
    const nodes = found.map(({ id, logProb }) => extend(node, id, logProb, look, others));
    const [best] = nodes;
    const hasEnded = best?.token === EOS;
    const goesOn = best && !hasEnded && node.length < maxLength;
    record(trace, hasEnded ? [best] : [], goesOn ? [best] : [], nodes, query);
    if (hasEnded) return { node, isFinished: true, endLogProb: best.logProb, endOthers: others };
    if (!goesOn) return { node, isFinished: false, endLogProb: 0, endOthers: null };
    place = followPlace(places, place, best.token);
    [node, state] = [best, step.state];
  }
}

/** Return how many candidates of a row to look at; EOS may be one of them. */
function countLooked({ beamSize }, trace) {
  if (trace) return 2 * beamSize + 1;
  return beamSize === 1 ? 1 : beamSize + 1;
}

/** Tell the trace what ended, what goes on, and the best candidates that did neither. */
function record(trace, ended, kept, candidates, { beamSize, maxLength }) {
  if (!trace) return;
  const seen = new Set([...ended, ...kept]);
  const isPossible = (node) => node.token === EOS || node.length <= maxLength;
  const missed = candidates.filter((node) => !seen.has(node) && isPossible(node));
  const isFinished = new Set(ended);
  const all = [...ended, ...kept, ...missed.slice(0, beamSize)];
  trace.push(...all.map((node) => ({ node, isFinished: isFinished.has(node) })));
}

/** Let the loop of the graph write the rest of an output. */
async function writeRest(model, state, begin, { maxLength, attention }) {
  const room = maxLength - begin.length;
  const written = await model.write(state, begin.token, room + 1, attention);
  let node = begin;
  for (const [place, token] of written.ids.entries()) {
    const logProb = written.logProbs[place];
    if (Number.isNaN(logProb)) throw new Error("the model gives no numbers: its file is damaged");
    if (logProb === -Infinity || (place >= room && token !== EOS)) break;
    if (token === EOS) return { node, isFinished: true, endLogProb: logProb, endOthers: null };
    node = extend(node, token, logProb, written.attention?.[place] ?? null, null);
  }
  return { node, isFinished: false, endLogProb: 0, endOthers: null };
}

/** The K best prefixes of one source. */
class Beam {
  constructor(query, trace) {
    this.query = query;
    this.trace = trace;
    this.endings = [];
    this.bestRanks = []; // of finished hypotheses, the greatest first, at most nBest
    this.numFinished = 0;
  }

  /** Let hypotheses end, and return the rows that go on: {node, place, row}. */
  advance(rows, step) {
    const { beamSize, maxLength } = this.query;
    const { length } = rows[0].node;
    const found = this.listCandidates(rows, step);
    const head = found.slice(0, 2 * beamSize);
    const ending = head.slice(0, beamSize).filter((one) => one.node.token === EOS);
    const live = head.filter((one) => one.node.token !== EOS).slice(0, beamSize);
    this.end(ending, length);
    const isLast = maxLength <= length;
    if (isLast || !live.length) this.cut(rows, ending, length);
    const kept = live.filter((one) => !isLast && this.canStillWin(one, length + 1));
    const nodesOf = (candidates) => candidates.map(({ node }) => node);
    record(this.trace, nodesOf(ending), nodesOf(kept), nodesOf(found), this.query);
    return kept;
  }

  /** Return the best continuations of all rows, best first. */
  listCandidates(rows, step) {
    const { places } = this.query;
    const count = countLooked(this.query, this.trace);
    const found = rows.flatMap(({ node, place }, row) => {
      const look = step.attention?.[row] ?? null;
      const others = step.logProbs[row];
      const best = takeBest(others, count, findAllowed(places, place));
      return best.map(({ id, logProb }) => ({
        node: extend(node, id, logProb, look, others),
        place: followPlace(places, place, id),
        row,
      }));
    });
    return found.sort((one, other) => other.node.score - one.node.score);
  }

  end(ending, length) {
    const { lengthPenalty, nBest } = this.query;
    for (const { node, row } of ending) {
      const rank = rankScore(node.score, length + 1, lengthPenalty);
      const { parent, logProb, others } = node;
      const found = { node: parent, isFinished: true, endLogProb: logProb, endOthers: others };
      this.endings.push({ ...found, rank, numUnmet: 0, row });
      this.bestRanks.push(rank);
    }
    this.numFinished += ending.length;
    this.bestRanks.sort((one, other) => other - one).splice(nBest);
  }

  /** Record as unfinished the prefixes that have no room or no way on. */
  cut(rows, ending, length) {
    const { lengthPenalty, places } = this.query;
    const ended = new Set(ending.map(({ row }) => row));
    rows.forEach(({ node, place }, row) => {
      if (ended.has(row)) return;
      const rank = rankScore(node.score, length, lengthPenalty);
      const numUnmet = Number(place < places.length);
      const found = { node, isFinished: false, endLogProb: 0, endOthers: null };
      this.endings.push({ ...found, rank, numUnmet, row });
    });
  }

  canStillWin({ node }, length) {
    if (!this.numFinished) return true;
    const { beamSize, nBest, maxLength, lengthPenalty } = this.query;
    const horizon = this.numFinished >= beamSize ? length : maxLength + 1;
    const worst = this.bestRanks.length < nBest ? -Infinity : this.bestRanks[nBest - 1];
    return rankScore(node.score, horizon, lengthPenalty) > worst;
  }

  choose() {
    const { nBest, numFound } = this.query;
    const order = (one, other) =>
      Number(other.isFinished) - Number(one.isFinished) ||
      one.numUnmet - other.numUnmet ||
      other.rank - one.rank;
    return this.endings.sort(order).slice(0, numFound || nBest);
  }
}
