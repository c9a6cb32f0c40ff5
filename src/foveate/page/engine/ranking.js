// How outputs are ordered: what ranking.py, outputs.py and text/word_list.py do.

import { splitAtBlanks } from "./codec.js";

/** Return score / length ** penalty; greater is better. */
export function rankScore(score, length, penalty) {
  return score / Math.max(length, 1) ** penalty;
}

/** Words of the target language, and what an output gains that is made of them. */
export class WordList {
  constructor({ words, bonus, rarity = 0 }) {
    this.bonus = bonus;
    this.rarity = rarity;
    this.ranks = new Map();
    for (const word of words) if (!this.ranks.has(word)) this.ranks.set(word, this.ranks.size + 1);
  }

  gain(text, length) {
    const ranks = this.findRanks(text);
    if (!ranks) return 0;
    const rarity = ranks.reduce((total, rank) => total + Math.log(rank), 0);
    return this.bonus * length - this.rarity * rarity;
  }

  findRanks(text) {
    if (this.ranks.has(text)) return [this.ranks.get(text)];
    const found = splitAtBlanks(text).map((part) => this.ranks.get(part));
    return found.length && found.every((rank) => rank !== undefined) ? found : null;
  }
}

/** Return the outputs of a search, one for each text, best first; at most `nBest` of them. */
export function orderOutputs(found, nBest, penalty, words) {
  const ranked = mergeTexts(found).map((one) => {
    const length = one.tokens.length + Number(one.is_finished);
    const gained = one.score + (words ? words.gain(one.text, length) : 0);
    return { ...one, rank_score: rankScore(gained, length, penalty) };
  });
  return limitRanks(sortBest(ranked, (one) => one.rank_score), nBest);
}

/** Put a remembered output before the others. */
export function putFirst(best, others, nBest) {
  const rest = others.filter((one) => one.text !== best.text);
  const highest = Math.max(best.rank_score, ...rest.map((one) => one.rank_score));
  return limitRanks([{ ...best, rank_score: highest }, ...rest], nBest);
}

/** Make one output of all that have the same text, with their probability together. */
function mergeTexts(found) {
  const groups = new Map();
  for (const one of sortBest(found, (other) => other.score)) {
    if (!groups.has(one.text)) groups.set(one.text, []);
    groups.get(one.text).push(one);
  }
  return [...groups.values()].map(([best, ...others]) => {
    const alike = others.filter((one) => one.is_finished === best.is_finished);
    const extra = alike.reduce((sum, one) => sum + Math.exp(one.score - best.score), 0);
    return extra ? { ...best, score: best.score + Math.log1p(extra) } : best;
  });
}

function sortBest(found, value) {
  const isCut = (one) => Number(!one.is_finished);
  return [...found].sort((one, other) => isCut(one) - isCut(other) || value(other) - value(one));
}

/** What was cut off stands below the others; its rank is no higher than theirs. */
function limitRanks(ranked, nBest) {
  const kept = ranked.slice(0, nBest);
  for (let place = 1; place < kept.length; place += 1) {
    const { rank_score: own, is_finished: isFinished } = kept[place];
    const least = isFinished ? own : Math.min(own, kept[place - 1].rank_score);
    kept[place] = { ...kept[place], rank_score: least };
  }
  return kept;
}
