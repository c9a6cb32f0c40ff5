// The page as a whole: it gets an engine, and does not know where answers come from.

import { compareOutputs, describeDifference } from "./compare.js";
import { Corrections } from "./corrections.js";
import { make } from "./dom.js";
import { readFragment, writeFragment } from "./permalink.js";
import { LONG, Side } from "./side.js";
import { Store } from "./state.js";
import { startTheme } from "./theme.js";

const QUIET = 500; // milliseconds before something is announced: not every letter that is typed

/**
 * Start the page.
 *
 * @param {() => Promise<object>} openEngine gives what has info(), translate(text, options), can, kind
 */
export async function startPage(openEngine) {
  const page = new Page();
  startTheme(find("theme"), () => page.redraw());
  await page.open(openEngine);
}

class Page {
  constructor() {
    this.announceTimer = 0;
    this.sourceTokens = find("source-tokens");
    this.field = find("source");
  }

  async open(openEngine) {
    try {
      this.engine = await openEngine();
      this.about = await this.engine.info();
    } catch (error) {
      return this.cannotOpen(error, openEngine);
    }
    this.models = this.about.models;
    this.start();
    try {
      await this.engine.open();
    } catch (error) {
      return this.cannotUse(error);
    }
    find("opening").hidden = true;
    window.foveate = makeInterface(this.engine);
  }

  cannotOpen(error, openEngine) {
    const again = make("button", { type: "button", class: "plain small", onclick: () => this.open(openEngine) }, "Try again");
    this.tellProblem(error, again);
  }

  /** Say why the models of this file cannot be opened; trying again would not help. */
  cannotUse(error) {
    find("main").hidden = true;
    this.tellProblem(error);
  }

  tellProblem(error, ...more) {
    find("opening").replaceChildren(make("span", {}, error.message), ...more);
    find("opening").classList.add("problem");
  }

  start() {
    this.store = new Store(this.readLink());
    this.corrections = new Corrections(find("corrections"), (says) => this.announce(says, true));
    this.sides = [new Side(0, this), new Side(1, this)];
    find("sides").replaceChildren(this.sides[0].element);
    find("main").hidden = false; // before anything is measured
    this.listen();
    this.store.watch(() => this.refresh());
    this.refresh();
    if (matchMedia("(hover: hover)").matches) this.field.focus();
  }

  /** Return the state of the link; a model that is not here is the first one. */
  readLink() {
    const state = readFragment(location.hash);
    const names = this.models.map((model) => model.name);
    for (const side of state.sides) if (!names.includes(side.model)) side.model = "";
    return state;
  }

  listen() {
    this.field.addEventListener("input", () => {
      this.isTyping = true;
      this.store.write(this.field.value);
      this.isTyping = false;
    });
    find("undo").addEventListener("click", () => this.store.undo());
    find("redo").addEventListener("click", () => this.store.redo());
    find("compare").addEventListener("click", () => this.toggleCompare());
    find("share").addEventListener("click", () => this.share());
    document.addEventListener("keydown", (event) => this.press(event));
    addEventListener("hashchange", () => {
      if (location.hash !== writeFragment(this.store.state)) this.store.update(this.readLink());
    });
    new ResizeObserver(() => this.redrawSoon()).observe(find("main"));
  }

  press(event) {
    if (event.key === "Escape") {
      for (const side of this.sides) side.pointing.pinned = null;
      for (const side of this.sides) side.pointing.set(null);
    }
    const isTyping = event.target.matches?.("input, textarea, select");
    if (isTyping || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) this.store.redo();
    else this.store.undo();
  }

  toggleCompare() {
    const { compare, sides } = this.store.state;
    const isUntouched = !sides[1].model;
    const other = this.models[1]?.name ?? "";
    const second = isUntouched ? { ...sides[1], model: other, beam_size: other ? sides[0].beam_size : 1 } : sides[1];
    this.store.update({ compare: !compare, sides: [sides[0], second] });
  }

  async share() {
    this.writeLink();
    try {
      await navigator.clipboard.writeText(location.href);
      this.announce("The link is copied.", true);
    } catch {
      this.announce("The address of the page is the link.", true);
    }
  }

  /** Show the state as it is now. */
  refresh() {
    const { state } = this.store;
    if (this.field.value !== state.text) this.field.value = state.text;
    this.fit();
    find("undo").disabled = !this.store.past.length;
    find("redo").disabled = !this.store.future.length;
    find("compare").setAttribute("aria-pressed", String(state.compare));
    const host = find("sides");
    host.classList.toggle("two", state.compare);
    const second = this.sides[1];
    if (state.compare && !second.element.isConnected) host.append(second.element);
    if (!state.compare && second.element.isConnected) {
      second.element.remove();
      this.onAnswer(second);
    }
    this.showExamples();
    this.writeLink();
    for (const side of this.shownSides()) side.update(state, this.isTyping);
  }

  shownSides() {
    return this.store.state.compare ? this.sides : this.sides.slice(0, 1);
  }

  /** Let the field be as high as its text. */
  fit() {
    this.field.classList.toggle("long", this.field.value.length > LONG);
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  /** Mark what differs when a side has a new answer. */
  onAnswer(side) {
    const isPair = this.store.state.compare;
    const [left, right] = this.sides.map((one) => (isPair ? one.shown() : null));
    const differ = compareOutputs(left, right);
    this.sides.forEach((one, k) => {
      one.differ = differ[k];
      if (one !== side && one.answer && one.element.isConnected) one.showOutput(one.shown());
    });
    find("difference").textContent = describeDifference(left, right);
  }

  showExamples() {
    const name = this.store.state.sides[0].model || this.models[0]?.name;
    const examples = this.models.find((model) => model.name === name)?.examples ?? [];
    const isShown = examples.length && !this.store.state.text;
    find("examples").hidden = !isShown;
    find("examples").replaceChildren(make("span", { class: "muted" }, "Try"), ...examples.slice(0, 6).map((text) =>
      make("button", { type: "button", class: "plain small", dir: "auto", onclick: () => {
        this.store.write(text);
        this.field.focus();
      } }, text)));
  }

  writeLink() {
    const fragment = writeFragment(this.store.state);
    if (location.hash === fragment) return;
    try {
      history.replaceState(null, "", fragment || location.pathname + location.search);
    } catch {
      location.hash = fragment;
    }
  }

  /** Tell a screen reader, and for news also show it. */
  announce(says, isNews = false) {
    clearTimeout(this.announceTimer);
    this.announceTimer = setTimeout(() => (find("live").textContent = says), isNews ? 0 : QUIET);
    if (!isNews) return;
    find("news").textContent = says;
    find("news").hidden = false;
    clearTimeout(this.newsTimer);
    this.newsTimer = setTimeout(() => (find("news").hidden = true), 3000);
  }

  redrawSoon() {
    clearTimeout(this.redrawTimer);
    const width = find("main").clientWidth;
    if (width === this.lastWidth) return;
    const isFirst = this.lastWidth === undefined;
    this.lastWidth = width;
    if (!isFirst) this.redrawTimer = setTimeout(() => this.redraw(), 120);
  }

  redraw() {
    this.fit();
    for (const side of this.shownSides()) if (side.answer) side.show();
  }
}

/** Return the documented interface of the page: what HTTP gives, whichever engine is behind it. */
function makeInterface(engine) {
  return Object.freeze({
    engine: engine.kind,
    info: () => engine.info(),
    translate: (text, options = {}) => engine.translate(text, options),
  });
}

const find = (id) => document.getElementById(id);
