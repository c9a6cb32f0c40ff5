// What somebody points at or focuses, and who wants to light up because of it.

/** Keep a point: {source: j}, {target: i} or both; every picture of a side listens. */
export class Pointing {
  constructor() {
    this.point = null;
    this.pinned = null;
    this.listeners = [];
  }

  watch(listener) {
    this.listeners.push(listener);
  }

  /** Point somewhere; null falls back to what is pinned. */
  set(point) {
    this.point = point ?? this.pinned;
    for (const listener of this.listeners) listener(this.point);
  }

  /** Keep a point lit when the pointer leaves; the same one again lets it go. */
  pin(point) {
    const isSame = JSON.stringify(point) === JSON.stringify(this.pinned);
    this.pinned = isSame ? null : point;
    this.set(point);
  }

  /** Forget everything: the picture is another one. */
  clear() {
    this.pinned = null;
    this.listeners = [];
    this.point = null;
  }
}

/**
 * Return how bright the tokens of both sides are: weights, 1 for what is pointed at, or null where
 * a side is not lit.
 */
export function brightness(point, attention, [numSource, numTarget]) {
  const none = { source: null, target: null };
  if (!point || !attention) return none;
  const only = (length, place) => Array.from({ length }, (_, k) => (k === place ? 1 : 0));
  const { source, target } = point;
  if (source !== undefined && target !== undefined) {
    return { source: only(numSource, source), target: only(numTarget, target) };
  }
  if (target !== undefined) return { source: attention[target] ?? null, target: null };
  return { source: null, target: attention.map((row) => row[source]) };
}
