// Subwords of a learnt sentencepiece model, cut as the sentencepiece library cuts them.

const BLANK_MARK = "\u2581";
const NORMAL = 1;
const UNKNOWN_PENALTY = 10; // an unknown character is that much worse than the worst piece
const PIECE_FIELD = 1;
const [TEXT_FIELD, SCORE_FIELD, TYPE_FIELD] = [1, 2, 3];

/** Cuts texts into the subwords of a model; "▁" in a token stands for a blank. */
export class Subwords {
  /**
   * @param {Uint8Array} model the bytes of the model
   * @param {string} kind unigram or bpe
   */
  constructor(model, kind) {
    this.kind = kind;
    this.scores = new Map();
    for (const piece of readPieces(model)) {
      if (piece.type === NORMAL) this.scores.set(piece.text, piece.score);
    }
    let least = Infinity;
    this.longest = 1; // characters of a piece
    for (const [text, score] of this.scores) {
      least = Math.min(least, score);
      this.longest = Math.max(this.longest, [...text].length);
    }
    this.unknownScore = Math.fround(least - UNKNOWN_PENALTY);
  }

  split(text) {
    if (text === "") return [];
    const letters = [...(BLANK_MARK + text.replaceAll(" ", BLANK_MARK))];
    const parts = this.kind === "bpe" ? this.merge(letters) : this.findBest(letters);
    return joinUnknown(parts, this.scores);
  }

  join(tokens) {
    const text = tokens.join("").replaceAll(BLANK_MARK, " ");
    return text.startsWith(" ") ? text.slice(1) : text; // the library adds a blank in front
  }

  /** Return the most probable pieces. Sums are rounded to 32 bits, as the library keeps them. */
  findBest(letters) {
    const best = Array.from({ length: letters.length + 1 }, () => ({ score: 0, begin: -1 }));
    letters.forEach((letter, begin) => {
      const here = best[begin].score;
      let piece = "";
      const last = Math.min(letters.length, begin + this.longest);
      for (let end = begin + 1; end <= last; end += 1) {
        piece += letters[end - 1];
        const score = this.scores.get(piece);
        if (score !== undefined) improve(best[end], here + score, begin);
      }
      if (!this.scores.has(letter)) improve(best[begin + 1], here + this.unknownScore, begin);
    });
    const parts = [];
    for (let end = letters.length; end > 0; end = best[end].begin) {
      parts.push(letters.slice(best[end].begin, end).join(""));
    }
    return parts.reverse();
  }

  /** Merge neighbours into the best piece there is, the leftmost of equals, until none is left. */
  merge(letters) {
    const parts = [...letters];
    for (;;) {
      let bestScore = -Infinity;
      let at = -1;
      for (let place = 0; place + 1 < parts.length; place += 1) {
        const score = this.scores.get(parts[place] + parts[place + 1]);
        if (score !== undefined && score > bestScore) [bestScore, at] = [score, place];
      }
      if (at < 0) return parts;
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
  }
}

function improve(place, score, begin) {
  if (place.begin >= 0 && score <= place.score) return;
  place.score = Math.fround(score);
  place.begin = begin;
}

/** Make one token of unknown characters that stand side by side. */
function joinUnknown(parts, known) {
  const joined = [];
  let wasUnknown = false;
  for (const part of parts) {
    const isUnknown = !known.has(part);
    if (isUnknown && wasUnknown) joined[joined.length - 1] += part;
    else joined.push(part);
    wasUnknown = isUnknown;
  }
  return joined;
}

// --- the file: a Protocol Buffers message -------------------------------------------------------

function* readPieces(model) {
  for (const [field, value] of readFields(model)) {
    if (field !== PIECE_FIELD) continue;
    const piece = { text: "", score: 0, type: NORMAL };
    for (const [inner, part] of readFields(value)) {
      if (inner === TEXT_FIELD) piece.text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(part);
      if (inner === SCORE_FIELD) piece.score = new DataView(part.buffer, part.byteOffset).getFloat32(0, true);
      if (inner === TYPE_FIELD) piece.type = part;
    }
    yield piece;
  }
}

/** Yield number and content of each field: bytes, or a number for a varint. */
function* readFields(bytes) {
  let at = 0;
  const readNumber = () => {
    let number = 0;
    for (let shift = 1; ; shift *= 128) {
      if (at >= bytes.length) throw new Error("not a sentencepiece model");
      const byte = bytes[at];
      at += 1;
      number += (byte & 127) * shift;
      if (byte < 128) return number;
    }
  };
  const take = (size) => {
    at += size;
    if (at > bytes.length) throw new Error("not a sentencepiece model");
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    const key = readNumber();
    const kind = key & 7;
    if (kind === 0) yield [key >>> 3, readNumber()];
    else if (kind === 1) yield [key >>> 3, take(8)];
    else if (kind === 2) yield [key >>> 3, take(readNumber())];
    else if (kind === 5) yield [key >>> 3, take(4)];
    else throw new Error("not a sentencepiece model");
  }
}
