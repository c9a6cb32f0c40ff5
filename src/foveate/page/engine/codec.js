// Text to ids and back, for one side of the pairs: what text/codec.py does, in the page.

import { Subwords } from "./sentencepiece.js";

export const PAD = 0;
export const UNK = 1;
export const BOS = 2;
export const EOS = 3;
export const SUBWORD_KINDS = ["unigram", "bpe"];
export const BLANK_MARK = "\u2581";

const UNKNOWN_MARK = "\ufffd";
const RESERVED = ["<pad>", "<unk>", "<s>", "</s>"];
// What Python holds to be a blank; JavaScript's own class has other members.
const BLANKS = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const BLANK_RUN = new RegExp(`[${BLANKS}]+`, "u");
const OUTER_BLANKS = new RegExp(`^[${BLANKS}]+|[${BLANKS}]+$`, "gu");
const ENDS_BLANK = new RegExp(`[${BLANKS}]$`, "u");
const TAG_OR_CHARACTER = new RegExp(`<[^<>${BLANKS}]+>|.`, "gsu");
const NOT_ASCII = /[^\x00-\x7f]/;
const LONE_SURROGATE = /[\ud800-\udfff]/gu; // with the flag u, halves of pairs do not match
const FORMAT_CHARACTER = /^\p{Cf}$/u;
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/;
const ESCAPE = /\\(?:u[0-9a-f]{4}|.?)/gu;
const NAMED_ESCAPES = { "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t" };

/** Drop the blanks around a text. */
export function strip(text) {
  return text.replace(OUTER_BLANKS, "");
}

/** Cut a text at its blanks; there are no empty parts. */
export function splitAtBlanks(text) {
  return text.split(BLANK_RUN).filter((part) => part !== "");
}

/** Say whether the last character is a blank. */
export function endsWithBlank(text) {
  return ENDS_BLANK.test(text);
}

/** Say whether a text has nothing but ASCII, which is in every normal form. */
export function isAscii(text) {
  return !NOT_ASCII.test(text);
}

/** Bring a text into a Unicode normal form; half of a character becomes U+FFFD. */
export function normalizeText(text, form) {
  if (isAscii(text)) return text;
  const whole = text.replace(LONE_SURROGATE, UNKNOWN_MARK);
  return form === "none" ? whole : whole.normalize(form);
}

/** Return the tokens of a vocabulary file, in the order of their ids. */
export function readVocabulary(text) {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new Error("vocabulary: the last line is cut off");
  const tokens = lines.map((line) => line.replace(ESCAPE, unescapeOne));
  if (RESERVED.some((token, index) => tokens[index] !== token)) {
    throw new Error(`vocabulary: the first lines must be ${RESERVED.join(" ")}`);
  }
  return tokens;
}

function unescapeOne(escape) {
  if (escape.length === 6) return String.fromCharCode(parseInt(escape.slice(2), 16));
  if (escape in NAMED_ESCAPES) return NAMED_ESCAPES[escape];
  throw new Error(`vocabulary: unknown escape ${escape}`);
}

const TOKENIZERS = {
  characters: { split: (text) => [...text], join: (tokens) => tokens.join("") },
  tagged: { split: (text) => text.match(TAG_OR_CHARACTER) ?? [], join: (tokens) => tokens.join("") },
  whitespace: { split: splitAtBlanks, join: (tokens) => tokens.join(" ") },
  bytes: { split: splitBytes, join: joinBytes },
};

function splitBytes(text) {
  const bytes = new TextEncoder().encode(text);
  return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
}

function joinBytes(tokens) {
  // 0xFF is never part of UTF-8, so it decodes to a replacement character.
  const bytes = tokens.map((token) => parseInt(BYTE_TOKEN.exec(token)?.[1] ?? "FF", 16));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
}

/** Normalises a text, cuts it into tokens and numbers them; and all that backwards. */
export class Codec {
  /**
   * @param {{tokens: string, normalization: string, written?: string | null}} side one side of runtime.json
   * @param {string} vocabulary the text of its vocabulary file
   * @param {Uint8Array | null} subwords its sentencepiece model, if it has one
   */
  constructor(side, vocabulary, subwords) {
    this.kind = side.tokens;
    this.normalization = side.normalization;
    this.written = side.written ?? null; // older models have none
    this.entries = readVocabulary(vocabulary);
    this.idOf = new Map(this.entries.map((token, index) => [token, index]));
    for (const token of RESERVED) this.idOf.delete(token);
    const isSubword = SUBWORD_KINDS.includes(this.kind);
    this.tokenizer = isSubword ? new Subwords(subwords, this.kind) : TOKENIZERS[this.kind];
    if (!this.tokenizer) throw new Error(`unknown kind of tokens ${this.kind}`);
    this.known = this.kind === "bytes" ? null : new Set(this.entries.join(""));
  }

  get isSubword() {
    return SUBWORD_KINDS.includes(this.kind);
  }

  normalize(text) {
    return normalizeText(text, this.normalization);
  }

  split(text) {
    return this.tokenizer.split(this.normalize(text));
  }

  ids(tokens) {
    return tokens.map((token) => this.idOf.get(token) ?? UNK);
  }

  /** Return the tokens of ids; unknown ones as U+FFFD. */
  tokens(ids) {
    const written = ids.filter((id) => id === UNK || id > EOS);
    return written.map((id) => (id === UNK ? UNKNOWN_MARK : this.entries[id]));
  }

  join(tokens) {
    const text = this.tokenizer.join(tokens);
    return this.written ? text.normalize(this.written) : text;
  }

  decode(ids) {
    return this.join(this.tokens(ids));
  }

  /** Drop outer blanks, and format characters that the training pairs did not have. */
  clean(text) {
    if (isAscii(text)) return strip(text);
    return strip([...text].filter((letter) => !this.isDropped(letter)).join(""));
  }

  isDropped(letter) {
    if (this.known === null) return letter === "\ufeff";
    return !this.known.has(letter) && FORMAT_CHARACTER.test(letter);
  }
}
