// The files that a single page carries: packed with gzip, as base64, in script blocks of plain text.

const PACKED = 'script[type="text/plain"][data-file]';

/** Return the files of a page by their names. */
export async function readPackedFiles(page = document) {
  const blocks = [...page.querySelectorAll(PACKED)];
  const unpacked = blocks.map(async (block) => [block.dataset.file, await unpack(block.textContent)]);
  return new Map(await Promise.all(unpacked));
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
