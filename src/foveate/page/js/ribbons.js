// Attention as ribbons between two lines of text: as thick as the weight.

import { draw, focusOnly } from "./dom.js";
import { isRightToLeft, levelOf, measure, shorten, showTokens } from "./text.js";

const LEAST_WEIGHT = 0.03; // thinner ribbons are only noise
const FONT = 15;
const GAP = 14; // between tokens of a line
const LEAST_EXTENT = 20; // of a token along its line: a ribbon of a letter is seen, too
const HEIGHT = 200;
const STEP = 30; // between tokens of a column
const MOST_COLUMN = 170;

/** Return the ribbons of a translation: lines where they fit into the width, columns otherwise. */
export function drawRibbons(translation, width, { pointing, onPress }) {
  const place = layOut(translation, width);
  const svg = draw("svg", {
    class: "picture ribbons",
    role: "group",
    "aria-label": "Attention as ribbons from output tokens to source tokens",
    width: place.width,
    height: place.height,
    viewBox: `0 0 ${place.width} ${place.height}`,
  });
  const bands = drawBands(place, translation);
  svg.append(draw("g", { "aria-hidden": "true" }, ...bands.map((band) => band.path)));
  const tokens = { source: [], target: [] };
  for (const kind of ["source", "target"]) {
    place[kind].forEach((box, k) => {
      const press = kind === "target" ? (element) => onPress(k, element) : () => pointing.pin({ source: k });
      tokens[kind].push(drawToken(kind, k, box, place, pointing, press));
    });
    tokens[kind][0]?.setAttribute("tabindex", "0");
    svg.append(draw("g", { role: "group", "aria-label": kind === "source" ? "Source" : "Output" }, ...tokens[kind]));
  }
  svg.addEventListener("keydown", (event) => walkTokens(event, tokens, place, translation.attention));
  pointing.watch((point) => light(tokens, bands, translation, point));
  return svg;
}

function layOut(translation, width) {
  const lines = [translation.source_tokens, translation.tokens].map((tokens) => ({
    labels: showTokens(tokens).map((label) => shorten(label, 20)),
    isMirrored: isRightToLeft(tokens),
  }));
  for (const line of lines) line.widths = line.labels.map((label) => Math.max(measure(label, FONT, 600), LEAST_EXTENT));
  const needed = Math.max(...lines.map((line) => sum(line.widths) + GAP * (line.widths.length + 1)));
  return needed <= width ? layLines(lines, width, needed) : layColumns(lines, width);
}

function layLines(lines, width, needed) {
  const used = Math.min(width, needed * 1.5);
  const [source, target] = lines.map((line) => spread(line, used));
  return { isLines: true, width: Math.ceil(used), height: HEIGHT, edges: [38, HEIGHT - 38], text: [24, HEIGHT - 14], source, target };
}

function spread({ labels, widths, isMirrored }, width) {
  const spare = (width - sum(widths)) / (widths.length + 1);
  const gap = Math.min(spare, 3 * GAP);
  let at = (width - sum(widths) - gap * (widths.length - 1)) / 2;
  return labels.map((label, k) => {
    const start = isMirrored ? width - at - widths[k] : at;
    at += widths[k] + gap;
    return { label, start, extent: widths[k] };
  });
}

function layColumns(lines, width) {
  const most = Math.max(...lines.map((line) => line.labels.length));
  const height = STEP * most + 12;
  const [left, right] = lines.map((line) => Math.min(Math.max(...line.widths), MOST_COLUMN, width * 0.34));
  const used = Math.min(width, left + right + 380);
  const [source, target] = lines.map((line) => {
    const step = (height - 12) / line.labels.length;
    const isTight = step < 2 * STEP;
    const space = isTight ? step : STEP;
    const start = isTight ? 6 : (height - space * line.labels.length) / 2;
    return line.labels.map((label, k) => ({ label, start: start + (k + 0.5) * space - 11, extent: 22 }));
  });
  return { isLines: false, width: Math.floor(used), height, edges: [left + 10, used - right - 10], text: [left, used - right], source, target };
}

function drawBands(place, translation) {
  const { source, target } = place;
  const totals = source.map((_, j) => sum(translation.attention.map((row) => row[j])));
  const taken = source.map((box, j) => centre(box) - (box.extent * Math.min(totals[j], 1)) / 2);
  const bands = [];
  translation.attention.forEach((row, i) => {
    let at = target[i].start;
    const order = source.map((_, j) => j).sort((a, b) => source[a].start - source[b].start);
    for (const j of order) {
      const weight = row[j];
      const near = weight * target[i].extent;
      const far = (weight * source[j].extent) / Math.max(totals[j], 1);
      if (weight >= LEAST_WEIGHT) {
        const path = draw("path", { class: `ribbon w${levelOf(weight)}`, d: shape(place, [taken[j], far], [at, near]) });
        bands.push({ i, j, path });
      }
      taken[j] += far;
      at += near;
    }
  });
  return bands;
}

function shape(place, [sourceAt, sourceWidth], [targetAt, targetWidth]) {
  const [start, end] = place.edges;
  const middle = (start + end) / 2;
  const at = (along, across) => (place.isLines ? `${n(along)} ${n(across)}` : `${n(across)} ${n(along)}`);
  return [
    `M${at(sourceAt, start)}`,
    `C${at(sourceAt, middle)} ${at(targetAt, middle)} ${at(targetAt, end)}`,
    `L${at(targetAt + targetWidth, end)}`,
    `C${at(targetAt + targetWidth, middle)} ${at(sourceAt + sourceWidth, middle)} ${at(sourceAt + sourceWidth, start)}Z`,
  ].join("");
}

function drawToken(kind, k, box, place, pointing, press) {
  const isSource = kind === "source";
  const across = place.text[isSource ? 0 : 1];
  const [x, y] = place.isLines ? [centre(box), across] : [across, centre(box) + 5];
  const anchor = place.isLines ? "middle" : isSource ? "end" : "start";
  const width = measure(box.label, FONT, 600) + 10;
  const left = { middle: x - width / 2, end: x - width + 5, start: x - 5 }[anchor];
  return draw("g", {
    class: `word ${kind}`,
    role: "button",
    tabindex: "-1",
    "aria-label": `${isSource ? "source" : "output"} ${box.label}`,
    [`data-${kind}`]: k,
    onpointerenter: () => pointing.set({ [kind]: k }),
    onpointerleave: () => pointing.set(null),
    onfocus: () => pointing.set({ [kind]: k }),
    onblur: () => pointing.set(null),
    onclick: (event) => press(event.currentTarget),
  },
  draw("rect", { class: "plate", x: left, y: y - 18, width, height: 26, rx: 6 }),
  draw("text", { class: "ink", x, y, "font-size": FONT, "text-anchor": anchor }, box.label));
}

function light(tokens, bands, translation, point) {
  const { source, target } = point ?? {};
  const isOn = ({ i, j }) => (target === undefined || i === target) && (source === undefined || j === source);
  for (const band of bands) band.path.classList.toggle("off", Boolean(point) && !isOn(band));
  const weightOf = {
    source: (j) => (target === undefined ? null : translation.attention[target][j]),
    target: (i) => (source === undefined ? null : translation.attention[i][source]),
  };
  for (const kind of ["source", "target"]) {
    tokens[kind].forEach((token, k) => {
      const weight = point?.[kind] === undefined ? weightOf[kind](k) : null;
      paint(token, weight, point?.[kind] === k);
    });
  }
}

function paint(token, weight, isChosen) {
  token.classList.toggle("on", isChosen);
  const level = weight === null ? null : levelOf(weight);
  const [plate, word] = token.children;
  plate.setAttribute("class", level === null ? "plate" : `plate w${level}`);
  word.setAttribute("class", level === null ? "ink" : `n${level}`);
}

function walkTokens(event, tokens, place, attention) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const kind = tokens.source.includes(document.activeElement) ? "source" : "target";
  const line = tokens[kind];
  const at = line.indexOf(document.activeElement);
  if (at < 0) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return line[at].dispatchEvent(new MouseEvent("click", { bubbles: true }));
  }
  const isMirrored = place.isLines && line.length > 1 && place[kind][0].start > place[kind][1].start;
  const [back, ahead] = place.isLines ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  const across = place.isLines ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  const step = isMirrored ? -1 : 1;
  const places = { [back]: at - step, [ahead]: at + step, Home: 0, End: line.length - 1 };
  if (event.key in places) {
    event.preventDefault();
    focusOnly(line, line[Math.min(Math.max(places[event.key], 0), line.length - 1)]);
  } else if (across.includes(event.key)) {
    event.preventDefault();
    crossOver(kind, at, tokens, attention);
  }
}

function crossOver(kind, at, tokens, attention) {
  const weights = kind === "target" ? attention[at] : attention.map((row) => row[at]);
  const other = tokens[kind === "target" ? "source" : "target"];
  focusOnly(other, other[weights.indexOf(Math.max(...weights))]);
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const centre = (box) => box.start + box.extent / 2;
const n = (number) => Math.round(number * 100) / 100;
