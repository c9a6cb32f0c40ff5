// A graph whose large weights stand beside it in 8 bits: what page_graphs.py packs.

/** Return a graph with the floats of its weights in the holes that were left for them. */
export async function readGraph(name, files) {
  const [rest, integers] = await Promise.all([files.read(name), files.read(`${name}.int8`)]);
  const { size, holes } = JSON.parse(await files.readText(`${name}.json`));
  const numbers = new Int8Array(integers.buffer);
  const held = holes.reduce((sum, hole) => sum + hole.size, 0);
  if (numbers.length !== held || rest.length + 4 * held !== size) {
    throw new Error(`${name} is damaged: get this file again.`);
  }
  const whole = new Uint8Array(size);
  let [from, to, taken] = [0, 0, 0];
  for (const hole of holes) {
    whole.set(rest.subarray(from, from + hole.at - to), to);
    from += hole.at - to;
    const floats = scale(numbers.subarray(taken, taken + hole.size), hole);
    whole.set(new Uint8Array(floats.buffer), hole.at);
    to = hole.at + floats.byteLength;
    taken += hole.size;
  }
  whole.set(rest.subarray(from), to);
  return whole;
}

/** Return integers times scales, of which each holds for `inner` of them. */
function scale(integers, { inner, scales }) {
  const floats = new Float32Array(integers.length);
  for (let begin = 0, turn = 0; begin < integers.length; begin += inner, turn += 1) {
    const factor = scales[turn % scales.length];
    for (let at = begin; at < begin + inner; at += 1) floats[at] = integers[at] * factor;
  }
  return floats;
}
