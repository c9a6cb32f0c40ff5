// A prefix of the output, as a table of the tokens that may stand at each place of it: what
// text/steering.py does. A prefix may end inside a token, and inside a character.

import { BLANK_MARK, EOS, endsWithBlank, isAscii, splitAtBlanks, strip } from "./codec.js";

/** Turns the text of a prefix into places: `places[i]` maps a token to the place it leads to. */
export class Steering {
  constructor(codec) {
    this.codec = codec;
    this.texts = new Map();
    codec.entries.forEach((entry, id) => {
      if (id > EOS) this.texts.set(id, codec.isSubword ? entry.replaceAll(BLANK_MARK, " ") : entry);
    });
  }

  /**
   * Return the places of a prefix; the end of the table is where everything is free.
   *
   * @returns {Map<number, number>[]}
   */
  begin(prefix) {
    if (Array.isArray(prefix)) return this.follow(prefix);
    const tidy = this.tidy(prefix);
    const wanted = this.decompose(tidy);
    if (wanted === "") return [];
    if (this.codec.kind === "bytes" || this.endsWhole(tidy)) {
      return this.follow(this.codec.tokenizer.split(tidy));
    }
    this.contributions ??= this.findContributions();
    const places = buildPlaces(wanted, ...this.contributions);
    if (!places[0].size) throw new Error(`prefix "${prefix}": no tokens of the model spell it`);
    return shortenPlaces(places);
  }

  /** Return the places of tokens that are given one by one. */
  follow(tokens) {
    return tokens.map((token, place) => {
      const id = this.codec.idOf.get(token);
      if (id === undefined) throw new Error(`prefix: the model has no token "${token}"`);
      return new Map([[id, place + 1]]);
    });
  }

  /** Say whether a prefix says itself that its last token ends there. */
  endsWhole(tidy) {
    return this.codec.kind === "whitespace" && tidy.endsWith(" ");
  }

  /** Return a prefix that some tokens spell; half a character of bytes is left out. */
  spellPrefix(tokens) {
    const text = this.codec.join(tokens);
    if (this.codec.kind === "whitespace" && text) return `${text} `;
    return this.codec.kind === "bytes" ? text.replace(/\ufffd+$/, "") : text;
  }

  /** Return a text in the form in which outputs have it. */
  tidy(text) {
    const normalized = this.codec.normalize(text);
    if (this.codec.kind !== "whitespace") return normalized;
    const isOpen = strip(normalized) !== "" && endsWithBlank(normalized);
    return splitAtBlanks(normalized).join(" ") + (isOpen ? " " : "");
  }

  /** Say whether an output begins with a prefix. */
  isMet(output, prefix) {
    if (Array.isArray(prefix)) {
      const tokens = this.codec.split(output);
      return prefix.every((token, place) => tokens[place] === token);
    }
    const tidy = this.tidy(prefix);
    const text = this.tidy(output) + (this.endsWhole(tidy) ? " " : "");
    return this.decompose(text).startsWith(this.decompose(tidy));
  }

  decompose(text) {
    const isWhole = this.codec.normalization === "none" || this.codec.kind === "bytes";
    return isWhole || isAscii(text) ? text : text.normalize("NFD");
  }

  /** Return what each token adds to a text, as its first token and as a later one. */
  findContributions() {
    const { kind, isSubword } = this.codec;
    const texts = [...this.texts].map(([id, text]) => [id, this.decompose(text)]);
    if (kind === "whitespace") return [index(texts), index(texts.map(([id, text]) => [id, ` ${text}`]))];
    if (!isSubword) return [index(texts), index(texts)];
    return [index(texts.map(([id, text]) => [id, text.replace(/^ /, "")])), index(texts)];
  }
}

function index(texts) {
  const found = new Map();
  for (const [id, text] of texts) {
    const first = text.slice(0, 1);
    if (!found.has(first)) found.set(first, []);
    found.get(first).push([id, text]);
  }
  return found;
}

/** Return what may be written at each place: the start, and after n characters at n + 1. */
function buildPlaces(wanted, first, later) {
  const end = wanted.length + 1;
  const places = Array.from({ length: end }, () => new Map());
  for (let place = end - 1; place >= 0; place -= 1) {
    const written = Math.max(0, place - 1);
    const rest = wanted.slice(written);
    for (const [id, text] of (place ? later : first).get(rest.slice(0, 1)) ?? []) {
      if (!rest.startsWith(text) && !text.startsWith(rest)) continue;
      const target = Math.min(written + text.length + 1, end);
      if (target === end || places[target].size) places[place].set(id, target); // no dead ends
    }
  }
  if (end > 1 && places[1].size) {
    for (const [id] of first.get("") ?? []) places[0].set(id, 1); // a blank mark alone
  }
  return places;
}

/** Leave out the places that are never reached. */
function shortenPlaces(places) {
  const end = places.length;
  const reached = new Set([0, end]);
  places.forEach((edges, place) => {
    if (reached.has(place)) for (const target of edges.values()) reached.add(target);
  });
  const order = [...reached].sort((one, other) => one - other);
  const numbers = new Map(order.map((place, number) => [place, number]));
  return order
    .filter((place) => place < end)
    .map((place) => new Map([...places[place]].map(([id, target]) => [id, numbers.get(target)])));
}
