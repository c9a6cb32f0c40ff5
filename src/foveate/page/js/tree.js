// The beam as a tree: what the search kept, what it finished, and what it dropped.

import { draw, focusOnly } from "./dom.js";
import { isRightToLeft, measure, percent, shorten, showTokens } from "./text.js";

const FONT = 13;
const ROW = 26;
const GAP = 26;
const FEW = 14; // leaves that are shown at first

/** Return how many leaves a tree has. */
export function countLeaves(nodes) {
  return findLeaves(nodes).length;
}

/** Return the tree as a picture; a press on a node takes it up. */
export function drawTree(nodes, { onTakeUp, isWhole = false }) {
  const shown = choose(nodes, isWhole ? Infinity : FEW);
  const place = layOut(nodes, shown);
  const svg = draw("svg", {
    class: "picture tree",
    role: "group",
    "aria-label": "The search as a tree: press a branch to take it up",
    width: place.width,
    height: place.height,
    viewBox: `0 0 ${place.width} ${place.height}`,
  });
  const lines = shown.filter((k) => nodes[k].parent >= 0).map((k) => drawLine(nodes, place, k));
  const words = shown.map((k) => drawNode(nodes, place, k, onTakeUp));
  svg.append(draw("g", { "aria-hidden": "true" }, ...lines), ...words);
  const byNode = new Map(shown.map((k, at) => [k, words[at]]));
  words[0]?.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => move(event, nodes, place, byNode));
  return svg;
}

function findLeaves(nodes) {
  const inner = new Set(nodes.map((node) => node.parent));
  return nodes.map((_, k) => k).filter((k) => !inner.has(k) && k > 0);
}

/** Return the places of the best leaves and of all above them, parents first. */
function choose(nodes, most) {
  const rank = (k) => (nodes[k].state === "dropped" ? 1 : 0);
  const leaves = findLeaves(nodes);
  leaves.sort((a, b) => rank(a) - rank(b) || nodes[b].score - nodes[a].score);
  const kept = new Set([0]);
  for (const leaf of leaves.slice(0, most)) {
    for (let k = leaf; k > 0; k = nodes[k].parent) kept.add(k);
  }
  return [...kept].sort((a, b) => a - b);
}

function layOut(nodes, shown) {
  const labels = new Map(shown.map((k) => [k, labelOf(nodes, k)]));
  const children = new Map(shown.map((k) => [k, []]));
  for (const k of shown) if (k > 0) children.get(nodes[k].parent).push(k);
  const worth = (k) => (nodes[k].state === "dropped" ? -1e6 : 0) + best(nodes, children, k);
  for (const list of children.values()) list.sort((a, b) => worth(b) - worth(a));
  const depths = new Map([[0, 0]]);
  for (const k of shown) if (k > 0) depths.set(k, depths.get(nodes[k].parent) + 1);
  const widths = [];
  for (const k of shown) widths[depths.get(k)] = Math.max(widths[depths.get(k)] ?? 0, measure(labels.get(k), FONT, 600));
  const lefts = [12];
  widths.forEach((width, depth) => (lefts[depth + 1] = lefts[depth] + width + GAP));
  const rows = new Map();
  const order = [];
  let next = 0;
  (function visit(k) {
    order.push(k);
    rows.set(k, next);
    if (!children.get(k).length) next += 1;
    for (const child of children.get(k)) visit(child);
  })(0);
  const spots = new Map(shown.map((k) => [k, { x: lefts[depths.get(k)], y: 20 + ROW * rows.get(k), width: measure(labels.get(k), FONT, 600) }]));
  return { labels, children, order, spots, width: Math.ceil(lefts.at(-1)), height: 20 + ROW * Math.max(next, 1) };
}

/** Return the score of the best leaf below a node. */
function best(nodes, children, k) {
  const below = children.get(k);
  return below.length ? Math.max(...below.map((child) => best(nodes, children, child))) : nodes[k].score;
}

function labelOf(nodes, k) {
  const node = nodes[k];
  if (k === 0) return "start";
  if (node.state === "finished" || (!node.token && node.parent >= 0)) return `end ${percent(node.score)}`;
  return shorten(showTokens([node.token])[0].replace(/^␣(?=.)/, ""), 20);
}

function drawLine(nodes, place, k) {
  const from = place.spots.get(nodes[k].parent);
  const to = place.spots.get(k);
  const [x1, x2] = [from.x + from.width + 5, to.x - 5];
  const middle = (x1 + x2) / 2;
  return draw("path", { class: `branch ${nodes[k].state}`, d: `M${x1} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${x2} ${to.y}` });
}

function drawNode(nodes, place, k, onTakeUp) {
  const { x, y, width } = place.spots.get(k);
  const node = nodes[k];
  const label = place.labels.get(k);
  const states = { kept: "kept", dropped: "dropped", finished: "finished" };
  const says = k === 0 ? "start: no prefix" : `${label}, ${states[node.state]}, probability ${percent(node.log_prob)}, so far ${percent(node.score)}`;
  return draw("g", {
    class: `node ${node.state}`,
    role: "button",
    tabindex: "-1",
    "aria-label": says,
    "data-node": k,
    onclick: () => onTakeUp(node),
  },
  draw("title", {}, says),
  draw("rect", { class: "plate", x: x - 5, y: y - 11, width: width + 10, height: 22, rx: 6 }),
  draw("text", { class: "ink", x, y: y + 4.5, "font-size": FONT, direction: isRightToLeft([label]) ? "rtl" : null, "text-anchor": isRightToLeft([label]) ? "end" : null }, label));
}

function move(event, nodes, place, byNode) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const at = Number(document.activeElement?.dataset?.node ?? NaN);
  if (!byNode.has(at)) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return byNode.get(at).dispatchEvent(new MouseEvent("click", { bubbles: true }));
  }
  const { order, children } = place;
  const moves = {
    ArrowLeft: nodes[at].parent,
    ArrowRight: children.get(at)[0],
    ArrowUp: order[order.indexOf(at) - 1],
    ArrowDown: order[order.indexOf(at) + 1],
    Home: order[0],
    End: order.at(-1),
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const chosen = byNode.get(moves[event.key]);
  if (chosen) focusOnly([...byNode.values()], chosen);
}
