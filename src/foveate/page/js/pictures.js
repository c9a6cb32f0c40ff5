// Pictures as files: SVG with its colours inside, and PNG painted from the same shapes.

import { download } from "./dom.js";

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity", "font-weight", "stroke-linecap"];
const KEPT = ["x", "y", "width", "height", "rx", "d", "transform", "text-anchor", "font-size", "viewBox", "direction"];
const SCALE = 2; // pixels of a PNG for each pixel of the page

/** Save a picture of the page as an SVG file that needs no style sheet. */
export function saveSvg(svg, name) {
  const copy = bake(svg);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("font-family", getComputedStyle(svg).fontFamily);
  copy.prepend(paper(svg));
  const text = new XMLSerializer().serializeToString(copy);
  download(`${name}.svg`, new Blob([text], { type: "image/svg+xml" }));
}

function bake(element) {
  const copy = document.createElementNS(element.namespaceURI, element.localName);
  for (const name of KEPT) {
    if (element.hasAttribute(name)) copy.setAttribute(name, element.getAttribute(name));
  }
  if (element.matches("rect, path, text, line")) {
    const style = getComputedStyle(element);
    for (const name of STYLES) copy.setAttribute(name, style.getPropertyValue(name));
  }
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) copy.append(child.data);
    else if (child.localName !== "title") copy.append(bake(child));
  }
  return copy;
}

function paper(svg) {
  const rect = document.createElementNS(svg.namespaceURI, "rect");
  for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", paperColor()]]) {
    rect.setAttribute(name, value);
  }
  return rect;
}

const paperColor = () => getComputedStyle(document.querySelector(".card")).backgroundColor;

/**
 * Save a picture of the page as a PNG file.
 *
 * The shapes are painted one by one: a policy that allows the page's own files alone forbids to
 * load an SVG from memory as an image.
 */
export async function savePng(svg, name) {
  const canvas = document.createElement("canvas");
  const [width, height] = ["width", "height"].map((side) => Number(svg.getAttribute(side)));
  canvas.width = SCALE * width;
  canvas.height = SCALE * height;
  const brush = canvas.getContext("2d");
  brush.scale(SCALE, SCALE);
  brush.fillStyle = paperColor();
  brush.fillRect(0, 0, width, height);
  const family = getComputedStyle(svg).fontFamily;
  for (const shape of svg.querySelectorAll("rect, path, text")) paint(brush, shape, family);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  download(`${name}.png`, blob);
}

function paint(brush, shape, family) {
  const style = getComputedStyle(shape);
  brush.save();
  const { a, b, c, d, e, f } = shape.transform.baseVal.consolidate()?.matrix ?? new DOMMatrix();
  brush.transform(a, b, c, d, e, f);
  brush.globalAlpha = Number(style.opacity);
  brush.lineWidth = parseFloat(style.strokeWidth) || 1;
  brush.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(/[ ,]+/).map(parseFloat));
  if (shape.localName === "text") paintText(brush, shape, style, family);
  else paintPath(brush, pathOf(shape), style);
  brush.restore();
}

function pathOf(shape) {
  if (shape.localName === "path") return new Path2D(shape.getAttribute("d"));
  const numbers = ["x", "y", "width", "height", "rx"].map((name) => Number(shape.getAttribute(name) ?? 0));
  const path = new Path2D();
  path.roundRect(...numbers);
  return path;
}

function paintPath(brush, path, style) {
  const alpha = brush.globalAlpha;
  if (style.fill !== "none") {
    brush.globalAlpha = alpha * Number(style.fillOpacity);
    brush.fillStyle = style.fill;
    brush.fill(path);
  }
  if (style.stroke !== "none") {
    brush.globalAlpha = alpha * Number(style.strokeOpacity);
    brush.strokeStyle = style.stroke;
    brush.stroke(path);
  }
}

function paintText(brush, shape, style, family) {
  brush.font = `${style.fontWeight} ${shape.getAttribute("font-size")}px ${family}`;
  brush.textAlign = { middle: "center", end: "right" }[style.textAnchor] ?? "left";
  brush.fillStyle = style.fill;
  brush.fillText(shape.textContent, Number(shape.getAttribute("x")), Number(shape.getAttribute("y")));
}
