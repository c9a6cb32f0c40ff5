// Tokens, numbers and widths as text. The rules for tokens are those of the pictures in Python.

const VISIBLE = { " ": "␣", "\t": "⇥", "\n": "↵", "\r": "␍", "\u00a0": "⍽", "\u3000": "␣", "▁": "␣" };
// The parts of a syllable of Hangul, as the letters that fonts draw alone.
const HANGUL_PARTS = [
  [0x1100, "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"],
  [0x1161, "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"],
  [0x11a8, "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"],
];
for (const [begin, letters] of HANGUL_PARTS) {
  [...letters].forEach((letter, place) => (VISIBLE[String.fromCharCode(begin + place)] = letter));
}
const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;
const JOINER = /^[\u200c\u200d]$/;
const HIDDEN = /^[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Zs}]$/u;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const NUM_LEVELS = 24;
const EXPONENT = 0.7; // small weights stay visible

/** Return the level (0 to 23) of the colour that shows a weight between 0 and 1. */
export function levelOf(weight) {
  return Math.round((NUM_LEVELS - 1) * Math.min(Math.max(weight, 0), 1) ** EXPONENT);
}

/** Return one visible label for each token. */
export function showTokens(tokens) {
  const usesPieces = tokens.some((token) => token.length > 1 && token.startsWith("▁"));
  if (!usesPieces) return tokens.map(showToken);
  return tokens.map((token) => showToken(token.replace(/^▁/, "") || " "));
}

/** Return a token as visible characters: a mark sits on a dotted circle, a blank is drawn. */
export function showToken(token) {
  const byte = BYTE.exec(token);
  if (byte) {
    const value = parseInt(byte[1], 16);
    token = value >= 0x20 && value < 0x7f ? String.fromCharCode(value) : byte[1].toUpperCase();
  }
  const letters = [...token.normalize("NFC")]; // so what is left of parts stands alone
  const isLoneJoiner = letters.every((letter) => JOINER.test(letter));
  const shown = letters.map((letter) => showLetter(letter, isLoneJoiner)).join("");
  if (/^\p{M}/u.test(shown)) return "◌" + shown;
  return shown || "∅";
}

function showLetter(letter, isLoneJoiner) {
  if (letter in VISIBLE) return VISIBLE[letter];
  if (HIDDEN.test(letter) && (!JOINER.test(letter) || isLoneJoiner)) {
    return "U+" + letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  }
  return letter;
}

/** Tell whether most letters of the tokens belong to a script written right to left. */
export function isRightToLeft(tokens) {
  let count = 0;
  for (const letter of tokens.join("")) {
    if (RIGHT_TO_LEFT.test(letter)) count += 1;
    else if (/\p{L}/u.test(letter)) count -= 1;
  }
  return count > 0;
}

const clusters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Cut a label to a number of graphemes, with an ellipsis. */
export function shorten(label, most = 24) {
  const parts = [...clusters.segment(label)].map((part) => part.segment);
  return parts.length <= most ? label : parts.slice(0, most - 1).join("") + "…";
}

let ruler = null;

/** Return the width of a text in pixels, in the font of the page. */
export function measure(text, size, weight = 400) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

/** Return a weight as the number in its cell: .25, or 1. */
export function shortWeight(weight) {
  return weight.toFixed(2).replace(/^0/, "").replace(/\.00$/, "");
}

/** Return the probability of a log-probability, as a percentage. */
export function percent(logProb) {
  const share = 100 * Math.exp(logProb);
  if (share >= 99.95) return "100%";
  if (share >= 10) return share.toFixed(1).replace(/\.0$/, "") + "%";
  if (share >= 0.1) return share.toFixed(1) + "%";
  return share >= 0.001 ? share.toFixed(3) + "%" : "< 0.001%";
}

/** Return a number with four decimals and a true minus sign; a dash where there is none. */
export function decimal(number, digits = 4) {
  return Number.isFinite(number) ? number.toFixed(digits).replace("-", "−") : "–";
}

/** Return "1 token", "2 tokens". */
export function count(number, name) {
  return `${number} ${name}${number === 1 ? "" : "s"}`;
}

/** Return the places of two lists of tokens that are not in a longest common part of both. */
export function findDifferences(left, right) {
  const lengths = left.map(() => new Uint16Array(right.length + 1));
  lengths.push(new Uint16Array(right.length + 1));
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      const both = lengths[i + 1][j + 1] + 1;
      lengths[i][j] = left[i] === right[j] ? both : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const differ = [new Set(left.keys()), new Set(right.keys())];
  for (let i = 0, j = 0; i < left.length && j < right.length; ) {
    if (left[i] === right[j]) {
      differ[0].delete(i++);
      differ[1].delete(j++);
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return differ;
}
