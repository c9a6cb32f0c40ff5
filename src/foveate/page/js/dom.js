// Elements without HTML strings: whatever a text contains, it becomes a text node.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; attributes that begin with "on" are listeners, null and false are left out. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element, as `make` does. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Move the focus among elements of which one at a time is in the tab order. */
export function focusOnly(elements, chosen) {
  for (const element of elements) element.setAttribute("tabindex", "-1");
  if (!chosen) return;
  chosen.setAttribute("tabindex", "0");
  chosen.focus({ preventScroll: true });
  chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Save a file to the disk of the person who looks at the page. */
export function download(name, blob) {
  const place = URL.createObjectURL(blob);
  const link = make("a", { href: place, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(place), 10000);
}

/** Return what the browser remembers under a name, or null; a page may be forbidden to ask. */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Let the browser remember a text, where it may. */
export function remember(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // Private windows and files from a disk may have no store: the page works without.
  }
}
