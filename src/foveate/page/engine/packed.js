// The files that a single page carries: packed with gzip, as base85, in script blocks of plain text.

const PACKED = 'script[type="text/plain"][data-file]';
const DIGITS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

/** Return the files of a page by their names. */
export async function readPackedFiles(page = document) {
  const blocks = [...page.querySelectorAll(PACKED)];
  const unpacked = blocks.map(async (block) => [block.dataset.file, await unpack(block)]);
  return new Map(await Promise.all(unpacked));
}

async function unpack(block) {
  const packed = decode(block.textContent);
  block.textContent = ""; // it is not needed twice
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error(`This file is damaged, or was cut off in ${block.dataset.file}: get it again.`);
  }
}

/** Return the bytes of a text in base85: five digits are four bytes, fewer digits one byte less. */
function decode(text) {
  const values = new Uint8Array(128);
  for (let digit = 0; digit < DIGITS.length; digit += 1) values[DIGITS.charCodeAt(digit)] = digit;
  const size = Math.floor((text.length * 4) / 5);
  const bytes = new Uint8Array(size + 4);
  const view = new DataView(bytes.buffer);
  const last = values[DIGITS.charCodeAt(84)];
  for (let at = 0, to = 0; at < text.length; at += 5, to += 4) {
    let number = 0;
    for (let place = at; place < at + 5; place += 1) {
      number = number * 85 + (place < text.length ? values[text.charCodeAt(place)] : last);
    }
    view.setUint32(to, number);
  }
  return bytes.subarray(0, size);
}
