// Two sides next to each other: what differs is marked on both.

import { findDifferences } from "./text.js";

/** Return for both translations the places of tokens that differ; nothing where one is missing. */
export function compareOutputs(left, right) {
  if (!left || !right) return [null, null];
  return findDifferences(left.tokens, right.tokens);
}

/** Return one sentence about how two translations differ. */
export function describeDifference(left, right) {
  if (!left || !right) return "";
  if (left.text === right.text) return "Both write the same.";
  const counts = compareOutputs(left, right).map((places) => places.size);
  return `They differ: ${counts[0]} of ${left.tokens.length} tokens on one side, ${counts[1]} of ${right.tokens.length} on the other.`;
}
