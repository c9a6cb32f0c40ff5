// What could stand in place of an output token: choose one, or type another.

import { make } from "./dom.js";
import { percent, showTokens } from "./text.js";

let open = null;

/** Close the alternatives, if they are open; the focus goes back to where it was. */
export function closeChoices(keepFocus = false) {
  if (!open) return false;
  const { panel, anchor, stop } = open;
  open = null;
  stop();
  panel.remove();
  if (!keepFocus && anchor.isConnected) anchor.focus({ preventScroll: true });
  return true;
}

/**
 * Show the alternatives at a place of an output beside an element.
 *
 * @param {object} translation with `choices`
 * @param {(forced: {prefix?: string, target?: string}) => void} onForce
 */
export function openChoices(translation, place, anchor, onForce) {
  closeChoices(true);
  const before = textBefore(translation, place);
  const written = showTokens(translation.tokens)[place];
  const force = (forced) => {
    closeChoices();
    onForce(forced);
  };
  const title = written === undefined ? "After the last token" : `In place of ${written}`;
  const panel = make("div", { class: "choices", role: "dialog", "aria-label": title },
    make("h3", {}, make("bdi", {}, title)),
    makeList(translation, place, force),
    makeForm(before, force));
  document.body.append(panel);
  put(panel, anchor);
  open = { panel, anchor, stop: listen(panel, anchor) };
  (panel.querySelector("button") ?? panel.querySelector("input")).focus({ preventScroll: true });
}

/** Return the text before a place, as a prefix that keeps the tokens before it whole. */
function textBefore(translation, place) {
  if (place === 0) return "";
  const row = translation.choices?.[place - 1] ?? [];
  return row.find((choice) => choice.token === translation.tokens[place - 1])?.prefix ?? "";
}

function makeList(translation, place, force) {
  const choices = translation.choices?.[place] ?? [];
  if (!choices.length) return make("p", { class: "muted" }, "The model gave no alternatives here.");
  const labels = showTokens(choices.map((choice) => choice.token));
  const items = choices.map((choice, k) => {
    const isWritten = choice.is_end ? place === translation.tokens.length : choice.token === translation.tokens[place];
    const label = choice.is_end ? "end here" : labels[k];
    const forced = choice.is_end ? { target: choice.prefix } : { prefix: choice.prefix };
    const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span"));
    bar.firstChild.style.width = `${100 * Math.exp(choice.log_prob)}%`;
    return make("li", {},
      make("button", { type: "button", class: isWritten ? "written" : null, onclick: () => force(forced) },
        make("bdi", { class: choice.is_end ? "end" : null }, label),
        bar,
        make("span", { class: "number" }, percent(choice.log_prob)),
        isWritten ? make("span", { class: "hidden" }, ", as written") : null));
  });
  return make("ol", { onkeydown: (event) => walkList(event, items) }, ...items);
}

function makeForm(before, force) {
  const field = make("input", { type: "text", "aria-label": "Another token or text", placeholder: "another …", dir: "auto", autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  return make("form", {
    onsubmit: (event) => {
      event.preventDefault();
      if (field.value) force({ prefix: before + field.value });
    },
  }, field, make("button", { type: "submit", class: "plain" }, "Force"));
}

function walkList(event, items) {
  const buttons = items.map((item) => item.firstChild);
  const at = buttons.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (at < 0 || !step) return;
  event.preventDefault();
  buttons[Math.min(Math.max(at + step, 0), buttons.length - 1)].focus();
}

function put(panel, anchor) {
  const box = anchor.getBoundingClientRect();
  const width = Math.min(280, innerWidth - 24);
  panel.style.width = `${width}px`;
  const left = Math.min(Math.max(box.left + box.width / 2 - width / 2, 12), innerWidth - width - 12);
  panel.style.left = `${left + scrollX}px`;
  const isBelow = box.bottom + panel.offsetHeight + 16 < innerHeight || box.top < panel.offsetHeight + 16;
  panel.style.top = `${scrollY + (isBelow ? box.bottom + 8 : box.top - panel.offsetHeight - 8)}px`;
}

function listen(panel, anchor) {
  const onPress = (event) => {
    if (!panel.contains(event.target) && !anchor.contains(event.target)) closeChoices(true);
  };
  const onKey = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      closeChoices();
    }
  };
  const onBlur = (event) => {
    if (event.relatedTarget && !panel.contains(event.relatedTarget)) closeChoices(true);
  };
  document.addEventListener("pointerdown", onPress);
  document.addEventListener("keydown", onKey);
  panel.addEventListener("focusout", onBlur);
  return () => {
    document.removeEventListener("pointerdown", onPress);
    document.removeEventListener("keydown", onKey);
    panel.removeEventListener("focusout", onBlur);
  };
}
