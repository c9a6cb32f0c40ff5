// Attention as a heat map: rows are target, columns are source, every cell can be walked to.

import { draw, focusOnly } from "./dom.js";
import { brightness } from "./pointing.js";
import { isRightToLeft, levelOf, measure, shorten, shortWeight, showTokens } from "./text.js";

const CELLS = [[10, 38], [16, 32], [24, 26], [44, 20], [64, 16], [Infinity, 12]];
const LEAST_NUMBER = 0.05; // weights below it have no number in their cell
const LEAST_CELL = 12;
const MARGIN = 4;

/** Return the heat map of a translation, as wide as fits, and larger where cells would vanish. */
export function drawHeatmap(translation, width, { pointing, onPress }) {
  const place = layOut(translation, width);
  const svg = draw("svg", {
    class: "picture heatmap",
    role: "grid",
    "aria-label": "Attention weights: rows are output tokens, columns are source tokens",
    width: place.width,
    height: place.height,
    viewBox: `0 0 ${place.width} ${place.height}`,
  });
  const head = draw("g", { role: "row" }, ...drawColumns(place, pointing));
  const rows = translation.tokens.map((_, i) => drawRow(place, translation, i, pointing, onPress));
  svg.append(head, ...rows);
  const bands = draw("g", { class: "bands", "aria-hidden": "true" });
  svg.append(bands, drawCorner(place), drawLegend(place));
  const cells = rows.map((row) => [...row.querySelectorAll('[role="gridcell"]')]);
  cells[0]?.[0]?.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => move(event, cells, onPress));
  pointing.watch((point) => light(svg, bands, place, translation, point));
  return svg;
}

function layOut(translation, width) {
  const columns = showTokens(translation.source_tokens).map((label) => shorten(label));
  const rows = showTokens(translation.tokens).map((label) => shorten(label));
  const longest = Math.max(columns.length, rows.length);
  const usual = CELLS.find(([most]) => longest <= most)[1];
  const font = Math.min(Math.max(usual * 0.56, 10.5), 14);
  const space = Math.max(...rows.map((label) => measure(label, font, 600)), 46) + MARGIN + 12;
  const fitting = Math.floor((width - space - 12) / columns.length);
  const cell = Math.max(LEAST_CELL, Math.min(usual, fitting));
  const widths = columns.map((label) => measure(label, font, 600));
  const isSlanted = Math.max(...widths) > cell - 4;
  const top = (isSlanted ? Math.max(...widths) * 0.71 + font : font + 4) + 20;
  const grid = space + cell * columns.length;
  const slack = isSlanted ? Math.max(...widths.map((w, j) => (j + 0.5) * cell + w * 0.71)) : 0;
  return {
    columns, rows, cell, font, isSlanted, left: space, top,
    width: Math.ceil(Math.max(grid, space + slack + font, space + 150) + MARGIN),
    height: Math.ceil(top + cell * rows.length + 40),
  };
}

function drawColumns(place, pointing) {
  return place.columns.map((text, j) => {
    const x = place.left + (j + 0.5) * place.cell + (place.isSlanted ? place.font * 0.25 : 0);
    const y = place.top - 8;
    const anchor = place.isSlanted ? "start" : "middle";
    const word = label(x, y, text, "ink", place.font, anchor);
    if (place.isSlanted) word.setAttribute("transform", `rotate(-45 ${x} ${y})`);
    return draw("g", {
      role: "columnheader",
      class: "column",
      "data-source": j,
      onpointerenter: () => pointing.set({ source: j }),
      onpointerleave: () => pointing.set(null),
      onclick: () => pointing.pin({ source: j }),
    }, word);
  });
}

function drawCorner(place) {
  const x = place.left - 12;
  return draw("g", { "aria-hidden": "true" },
    label(x, place.top - 21, "source →", "muted", 10.5, "end"),
    label(x, place.top - 7, "output ↓", "muted", 10.5, "end"));
}

function drawRow(place, translation, i, pointing, onPress) {
  const y = place.top + (i + 0.5) * place.cell;
  const head = draw("g", {
    role: "rowheader",
    class: "row",
    "data-target": i,
    onpointerenter: () => pointing.set({ target: i }),
    onpointerleave: () => pointing.set(null),
    onclick: (event) => onPress(i, event.currentTarget),
  }, label(place.left - 12, y + place.font * 0.35, place.rows[i], "ink", place.font, "end"));
  const cells = translation.attention[i].map((weight, j) => drawCell(place, i, j, weight, pointing));
  return draw("g", { role: "row" }, head, ...cells);
}

function drawCell(place, i, j, weight, pointing) {
  const { left, top, cell } = place;
  const gap = cell >= 20 ? 2 : 1;
  const level = levelOf(weight);
  const [x, y] = [left + j * cell + gap / 2, top + i * cell + gap / 2];
  const square = draw("rect", { class: `w${level}`, x, y, width: cell - gap, height: cell - gap, rx: cell * 0.12 });
  const number = cell >= 26 && weight >= LEAST_NUMBER
    ? draw("text", { class: `number n${level}`, x: left + (j + 0.5) * cell, y: y + (cell - gap) / 2 + 3.5, "text-anchor": "middle", "font-size": 10 }, shortWeight(weight))
    : null;
  return draw("g", {
    role: "gridcell",
    tabindex: "-1",
    "aria-label": `${place.rows[i]} looked at ${place.columns[j]}: ${weight.toFixed(3)}`,
    "data-cell": `${i} ${j}`,
    onpointerenter: () => pointing.set({ target: i, source: j }),
    onpointerleave: () => pointing.set(null),
    onfocus: () => pointing.set({ target: i, source: j }),
    onblur: () => pointing.set(null),
  }, square, number);
}

function drawLegend(place) {
  const y = place.top + place.cell * place.rows.length + 16;
  const x = place.left;
  const parts = Array.from({ length: 24 }, (_, k) =>
    draw("rect", { class: `w${levelOf(k / 23)}`, x: x + 12 + 4 * k, y, width: 4.2, height: 9 }));
  return draw("g", { "aria-hidden": "true" },
    label(x, y + 9, "0", "muted", 10.5, "start"), ...parts,
    label(x + 114, y + 9, "1 weight", "muted", 10.5, "start"));
}

function label(x, y, text, kind, size, anchor) {
  return draw("text", { class: kind, x, y, "font-size": size, "text-anchor": anchor }, text);
}

function light(svg, bands, place, translation, point) {
  const sizes = [place.columns.length, place.rows.length];
  const bright = brightness(point, translation.attention, sizes);
  const { left, top, cell } = place;
  svg.querySelectorAll("[data-source]").forEach((head, j) =>
    mark(head, point?.source === j, bright.source?.[j]));
  svg.querySelectorAll("[data-target]").forEach((head, i) =>
    mark(head, point?.target === i, bright.target?.[i]));
  const boxes = [];
  const { source, target } = point ?? {};
  const isCell = source !== undefined && target !== undefined;
  if (target !== undefined) boxes.push([left, top + target * cell, cell * sizes[0], cell]);
  if (source !== undefined) boxes.push([left + source * cell, top, cell, cell * sizes[1]]);
  if (isCell) boxes.push([left + source * cell, top + target * cell, cell, cell]);
  bands.replaceChildren(...boxes.map(([x, y, width, height], k) =>
    draw("rect", { class: k === 2 || !isCell ? "band strong" : "band", x, y, width, height, rx: 4 })));
}

function mark(head, isOn, weight) {
  head.classList.toggle("on", isOn);
  head.classList.toggle("faint", !isOn && weight !== undefined && weight < 0.1);
}

function move(event, cells, onPress) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const at = document.activeElement?.dataset?.cell;
  if (at === undefined || !cells.length) return;
  const [i, j] = at.split(" ").map(Number);
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return onPress(i, document.activeElement);
  }
  const last = [cells.length - 1, cells[0].length - 1];
  const moves = {
    ArrowUp: [i - 1, j], ArrowDown: [i + 1, j], ArrowLeft: [i, j - 1], ArrowRight: [i, j + 1],
    Home: [i, 0], End: [i, last[1]], PageUp: [0, j], PageDown: [last[0], j],
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const [row, column] = moves[event.key].map((value, k) => Math.min(Math.max(value, 0), last[k]));
  focusOnly(cells.flat(), cells[row][column]);
}

/** Say in one line why columns of a right-to-left source stand as they do, or nothing. */
export function readingNote(translation) {
  return isRightToLeft(translation.source_tokens)
    ? "The source is written right to left. Its columns are in reading order, the first at the left."
    : "";
}
