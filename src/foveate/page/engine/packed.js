// The files that a single page carries: packed with gzip, as base85, in script blocks of plain text.

const PACKED = 'script[type="text/plain"][data-file]';
const DIGITS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";
const VALUES = new Uint8Array(256);
for (let digit = 0; digit < DIGITS.length; digit += 1) VALUES[DIGITS.charCodeAt(digit)] = digit;

/** The files of a page. Each is unpacked when it is first asked for. */
export class PackedFiles {
  constructor(page = document) {
    const blocks = [...page.querySelectorAll(PACKED)];
    this.blocks = new Map(blocks.map((block) => [block.dataset.file, block]));
    this.unpacked = new Map();
  }

  /** Return the files of a folder as files of their own. */
  inFolder(folder) {
    return { read: (name) => this.read(folder + name), readText: (name) => this.readText(folder + name) };
  }

  /** Return the bytes of a file. */
  read(name) {
    if (!this.unpacked.has(name)) this.unpacked.set(name, this.unpack(name, readBytes));
    return this.unpacked.get(name);
  }

  /** Return a file as a text. */
  async readText(name) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await this.read(name));
  }

  /** Compile a file, while it is still being unpacked. */
  compile(name) {
    return this.unpack(name, compileStream);
  }

  async unpack(name, use) {
    const block = this.blocks.get(name);
    if (!block) throw new Error(`This file was cut off: ${name} is missing. Get it again.`);
    const packed = decode(block.textContent);
    block.textContent = ""; // it is not needed twice
    try {
      return await use(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
    } catch {
      throw new Error(`This file is damaged, or was cut off in ${name}: get it again.`);
    }
  }
}

async function readBytes(stream) {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function compileStream(stream) {
  return WebAssembly.compileStreaming(new Response(stream, { headers: { "Content-Type": "application/wasm" } }));
}

/** Return the bytes of a text in base85: five digits are four bytes, fewer digits one byte less. */
function decode(text) {
  const size = Math.floor((text.length * 4) / 5);
  const bytes = new Uint8Array(size + 4);
  const view = new DataView(bytes.buffer);
  for (let at = 0, to = 0; at < text.length; at += 5, to += 4) {
    let number = 0;
    for (let place = at; place < at + 5; place += 1) {
      number = number * 85 + (place < text.length ? VALUES[text.charCodeAt(place)] : 84);
    }
    view.setUint32(to, number);
  }
  return bytes.subarray(0, size);
}
