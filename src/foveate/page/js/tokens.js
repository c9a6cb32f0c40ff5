// A line of tokens as buttons: point, focus, walk with the arrow keys, press.

import { focusOnly, make } from "./dom.js";
import { brightness } from "./pointing.js";
import { isRightToLeft, levelOf, showTokens } from "./text.js";

/**
 * Return a line of tokens that lights up with the others.
 *
 * @param {object} line kind "source" or "target", tokens, differ (places to mark), unknown (places),
 *   numForced, hasEnd, onPress
 */
export function makeTokenLine(line, translation, pointing) {
  const { kind, tokens } = line;
  const buttons = showTokens(tokens).map((label, k) => makeToken(line, label, k, pointing));
  if (line.hasEnd) buttons.push(makeEnd(line, tokens.length));
  const list = make("div", {
    class: `tokens ${kind}`,
    role: "group",
    "aria-label": kind === "source" ? "Source tokens" : "Output tokens",
    dir: isRightToLeft(tokens) ? "rtl" : "ltr",
    onkeydown: (event) => walk(event, buttons, list.dir === "rtl"),
  });
  list.append(...buttons);
  buttons[0]?.setAttribute("tabindex", "0");
  const sizes = [translation.source_tokens.length, translation.tokens.length];
  pointing.watch((point) => {
    const bright = brightness(point, translation.attention, sizes)[kind];
    buttons.forEach((button, k) => light(button, bright?.[k] ?? null, point?.[kind] === k));
  });
  return list;
}

function makeToken(line, label, place, pointing) {
  const isUnknown = line.unknown?.has(place) ?? false;
  const differs = line.differ?.has(place) ?? false;
  const isForced = place < (line.numForced ?? 0);
  const marks = [isUnknown && "unknown to the model", differs && "differs", isForced && "forced"];
  const says = marks.filter((mark) => mark).join(", ");
  const point = { [line.kind]: place };
  const classes = ["token", isUnknown && "unknown", differs && "differs", isForced && "forced"];
  return make(
    "button",
    {
      type: "button",
      class: classes.filter((name) => name).join(" "),
      tabindex: "-1",
      title: says || null,
      "aria-haspopup": line.onPress ? "dialog" : null,
      onpointerenter: () => pointing.set(point),
      onpointerleave: () => pointing.set(null),
      onfocus: () => pointing.set(point),
      onblur: () => pointing.set(null),
      onclick: (event) => (line.onPress ? line.onPress(place, event.currentTarget) : pointing.pin(point)),
    },
    make("bdi", {}, label),
    says ? make("span", { class: "hidden" }, `, ${says}`) : null,
  );
}

function makeEnd(line, place) {
  return make(
    "button",
    {
      type: "button",
      class: "token end",
      tabindex: "-1",
      "aria-haspopup": "dialog",
      title: "What could follow instead of the end",
      onclick: (event) => line.onPress(place, event.currentTarget),
    },
    "end",
  );
}

function light(button, weight, isChosen) {
  button.classList.toggle("on", isChosen);
  for (const name of [...button.classList]) {
    if (/^[wn]\d+$/.test(name)) button.classList.remove(name);
  }
  if (weight === null || isChosen) return;
  const level = levelOf(weight);
  button.classList.add(`w${level}`, `n${level}`);
}

/** Move the focus in a line of buttons with the arrow keys, Home and End. */
export function walk(event, buttons, isMirrored = false) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const at = buttons.indexOf(document.activeElement);
  const ahead = isMirrored ? -1 : 1;
  const places = { ArrowRight: at + ahead, ArrowLeft: at - ahead, Home: 0, End: buttons.length - 1 };
  if (at < 0 || !(event.key in places)) return;
  event.preventDefault();
  focusOnly(buttons, buttons[Math.min(Math.max(places[event.key], 0), buttons.length - 1)]);
}
