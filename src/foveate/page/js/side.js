// One side of the page: settings, output, picture, list of outputs, tree. Compare shows two.

import { makeAsker } from "./asking.js";
import { closeChoices, openChoices } from "./choices.js";
import { make } from "./dom.js";
import { drawHeatmap, readingNote } from "./heatmap.js";
import { makeOutputs } from "./outputs.js";
import { savePng, saveSvg } from "./pictures.js";
import { Pointing } from "./pointing.js";
import { drawRibbons } from "./ribbons.js";
import { makeSettings } from "./settings.js";
import { optionsOf } from "./state.js";
import { makeTable, treeTable, weightsTable } from "./tables.js";
import { count, percent, shortWeight, showTokens } from "./text.js";
import { makeTokenLine } from "./tokens.js";
import { countLeaves, drawTree } from "./tree.js";

export const LONG = 90; // characters: from here on the letters of a text are smaller
const PAUSE = 140; // milliseconds without a key before the text is translated
const MOST_NAMED = 4; // tokens in the line under a picture

export class Side {
  /** Build a side; `page` has engine, models, store, announce, corrections, sourceTokens, onAnswer. */
  constructor(number, page) {
    Object.assign(this, { number, page, answer: null, asked: "", differ: null, isWholeTree: false });
    this.pointing = new Pointing();
    this.settings = makeSettings({
      name: number ? "Second side" : "First side",
      models: page.models,
      can: page.engine.can,
      onChange: (values) => this.change({ ...values, ...("model" in values ? FREE : { pick: 0, target: null }) }, "settings"),
    });
    this.ask = makeAsker(page.engine, {
      onBusy: () => this.setBusy(true),
      onAnswer: (answer, text, options) => this.receive(answer, text, options),
      onError: (error) => this.fail(error),
    });
    this.build();
  }

  build() {
    this.status = make("p", { class: "status muted" });
    this.problem = make("div", { class: "problem", role: "alert", hidden: true });
    this.output = make("div", { class: "output" });
    this.actions = make("div", { class: "actions" });
    this.outputCard = make("section", { class: "card output-card", "aria-label": this.title("Output") },
      this.settings.form, this.problem, this.output,
      make("footer", {}, this.status, this.actions));
    this.picture = make("div", { class: "host" });
    this.readout = make("p", { class: "readout muted" });
    this.pictureTable = make("div", { class: "beside" });
    this.pictureCard = make("section", { class: "card picture-card", hidden: true, "aria-label": this.title("Attention") },
      this.pictureHead(), this.picture, this.readout,
      make("footer", {}, this.pictureTable, this.pictureFoot()));
    this.outputsCard = make("section", { class: "card outputs-card", hidden: true, "aria-label": this.title("Outputs") });
    this.tree = make("div");
    this.treeBox = make("details", { class: "big" }, make("summary", {}, make("h2", {}, "Search tree")), this.tree);
    this.treeBox.addEventListener("toggle", () => this.page.refresh());
    this.treeCard = make("section", { class: "card tree-card", hidden: true, "aria-label": this.title("Search tree") }, this.treeBox);
    this.element = make("div", { class: "side", "data-side": this.number },
      this.outputCard, this.pictureCard, make("div", { class: "findings" }, this.outputsCard, this.treeCard));
  }

  title(name) {
    return this.number ? `${name} of the second side` : name;
  }

  pictureHead() {
    const choose = (view) => () => this.page.store.update({ view }, "view");
    const button = (text, attributes) => make("button", { type: "button", class: "plain small", ...attributes }, text);
    this.viewButtons = {
      map: button("Heat map", { onclick: choose("map") }),
      ribbons: button("Ribbons", { onclick: choose("ribbons") }),
    };
    return make("header", {}, make("h2", {}, "Attention"),
      make("div", { class: "tabs", role: "group", "aria-label": "Kind of picture" }, this.viewButtons.map, this.viewButtons.ribbons));
  }

  pictureFoot() {
    const name = () => `attention-${this.shown().text.slice(0, 40).replace(/[^\p{L}\p{M}\p{N}]+/gu, "-") || "output"}`;
    const button = (kind, save) => make("button", {
      type: "button",
      class: "plain small",
      onclick: () => save(this.picture.querySelector("svg"), name()),
    }, `Save ${kind}`);
    return make("div", { class: "actions" }, button("SVG", saveSvg), button("PNG", savePng));
  }

  get wishes() {
    return this.page.store.state.sides[this.number];
  }

  change(values, kind = "") {
    this.page.store.updateSide(this.number, values, kind);
  }

  force({ prefix = "", target = null }) {
    this.change({ prefix, target, pick: 0 });
    this.focusLater = true;
  }

  /** Show a state: ask for what it wants, unless that is what was asked for last. */
  update(state, isTyping) {
    this.settings.show(this.wishes);
    const options = optionsOf(this.wishes, this.page.engine.can, { tree: this.treeBox.open });
    const key = JSON.stringify([state.text, options]);
    if (key === this.asked) return this.show();
    this.asked = key;
    if (!state.text.trim()) return this.empty();
    this.ask(state.text, options, isTyping ? PAUSE : 0);
  }

  /** Ask again, after a failure. */
  retry() {
    this.asked = "";
    this.page.refresh();
  }

  empty() {
    this.ask("", {}, 1e9);
    this.setBusy(false);
    this.answer = null;
    this.show();
    this.page.onAnswer(this);
  }

  setBusy(isBusy) {
    this.outputCard.classList.toggle("busy", isBusy);
    this.outputCard.setAttribute("aria-busy", String(isBusy));
  }

  receive(answer, text, options) {
    this.setBusy(false);
    this.problem.hidden = true;
    Object.assign(this, { answer, text, options, isWholeTree: false });
    this.page.onAnswer(this);
    this.show();
    if (this.focusLater) this.outputCard.querySelector(".token[tabindex='0']")?.focus({ preventScroll: true });
    this.focusLater = false;
    this.page.announce(`${this.number ? "Second side: " : ""}${answer.text || "empty output"}, probability ${percent(answer.score)}`);
  }

  fail(error) {
    this.setBusy(false);
    const again = make("button", { type: "button", class: "plain small", onclick: () => this.retry() }, "Try again");
    this.problem.replaceChildren(make("span", {}, error.message), again);
    this.problem.hidden = false;
  }

  /** Return the output that is shown: the best, or the one that was picked. */
  shown() {
    return this.answer?.alternatives?.[this.wishes.pick - 1] ?? this.answer;
  }

  show() {
    closeChoices(true);
    this.pointing.clear();
    const shown = this.shown();
    for (const card of [this.pictureCard, this.outputsCard, this.treeCard]) card.hidden = !shown;
    if (!this.number) this.page.sourceTokens.replaceChildren();
    if (!shown) return this.showNothing();
    this.showOutput(shown);
    if (!this.number) this.showSource(shown);
    this.showPicture();
    this.showOutputs();
    this.showTree();
  }

  showNothing() {
    this.output.replaceChildren(make("p", { class: "text placeholder" }, "The translation appears here."));
    this.actions.replaceChildren();
    this.status.textContent = "";
    this.picture.replaceChildren();
  }

  showOutput(shown) {
    const line = makeTokenLine({
      kind: "target",
      tokens: shown.tokens,
      differ: this.differ,
      numForced: this.countForced(shown),
      hasEnd: Boolean(shown.choices?.length > shown.tokens.length),
      onPress: (place, anchor) => this.openChoices(place, anchor),
    }, shown, this.pointing);
    const text = make("p", { class: shown.text.length > LONG ? "text long" : "text", dir: "auto" }, shown.text || "(empty)");
    this.output.replaceChildren(text, line);
    this.showActions(shown);
    this.status.replaceChildren(...this.facts(shown));
  }

  facts(shown) {
    const facts = [`Probability ${percent(shown.score)}`, count(shown.tokens.length, "token")];
    if (typeof shown.confidence === "number") {
      facts.unshift(`Confidence ${percent(Math.log(shown.confidence))}`);
    }
    if (!shown.is_finished) facts.push("cut off before its end");
    if (shown.unknown.length) facts.push(`${count(shown.unknown.length, "source token")} unknown to the model`);
    if (shown.num_cut) facts.push(`the last ${count(shown.num_cut, "source token")} were not read: the text is too long`);
    return facts.flatMap((fact, k) => (k ? [make("span", { class: "dot", "aria-hidden": "true" }, "·"), fact] : [fact]));
  }

  showActions(shown) {
    const button = (text, onclick) => make("button", { type: "button", class: "plain small", onclick }, text);
    const isForced = this.wishes.prefix || this.wishes.target !== null;
    this.actions.replaceChildren(
      button("Copy", () => this.copy(shown.text)),
      button("Correct", () => this.startCorrection(shown)),
      isForced ? button("Write freely", () => this.force({})) : "");
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.page.announce("Copied.", true);
    } catch {
      this.page.announce("The browser does not allow it: select the text and copy it.", true);
    }
  }

  startCorrection(shown) {
    const field = make("textarea", { class: "text", rows: "2", dir: "auto", "aria-label": "Corrected output" });
    field.value = shown.text;
    const stop = () => {
      this.showOutput(shown);
      this.actions.querySelector("button").focus();
    };
    const keep = () => {
      if (!field.value.trim()) return;
      this.page.corrections.keep(this.text, field.value);
      stop();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") stop();
      if (event.key === "Enter") {
        event.preventDefault();
        keep();
      }
    });
    this.output.replaceChildren(field);
    this.actions.replaceChildren(
      make("button", { type: "button", class: "strong small", onclick: keep }, "Keep as pair"),
      make("button", { type: "button", class: "plain small", onclick: stop }, "Cancel"));
    field.focus();
  }

  countForced(shown) {
    if (this.wishes.pick) return 0;
    if (this.wishes.target !== null) return shown.tokens.length;
    const length = this.wishes.prefix.trimEnd().length;
    const isForced = (token, t) => {
      const written = shown.choices?.[t]?.find((choice) => choice.token === token && !choice.is_end);
      return written !== undefined && written.prefix.trimEnd().length <= length;
    };
    const free = shown.tokens.findIndex((token, t) => !isForced(token, t));
    return free < 0 ? shown.tokens.length : free;
  }

  openChoices(place, anchor) {
    openChoices(this.shown(), place, anchor, (forced) => this.force(forced));
  }

  showSource(shown) {
    const line = { kind: "source", tokens: shown.source_tokens, unknown: new Set(shown.unknown) };
    this.page.sourceTokens.replaceChildren(makeTokenLine(line, shown, this.pointing));
  }

  /** Draw the picture anew, as wide as there is room. */
  showPicture() {
    const shown = this.shown();
    if (!shown) return;
    const isMap = this.isMap(shown);
    for (const [view, button] of Object.entries(this.viewButtons)) {
      button.setAttribute("aria-pressed", String((view === "map") === isMap));
    }
    if (!shown.attention?.length || !shown.source_tokens.length) return this.showNoPicture(shown);
    this.picture.closest("section").classList.remove("none");
    const tools = { pointing: this.pointing, onPress: (place, anchor) => this.openChoices(place, anchor) };
    this.picture.replaceChildren(this.drawPicture(isMap ? drawHeatmap : drawRibbons, shown, tools));
    this.pictureTable.replaceChildren(makeTable("Table of weights", () => weightsTable(shown)));
    const rest = readingNote(shown) && isMap ? readingNote(shown) : "Point at a token, or walk with the arrow keys.";
    this.readout.textContent = rest;
    this.pointing.watch((point) => (this.readout.replaceChildren(...(point ? describe(point, shown) : [rest]))));
  }

  /** Draw a picture; a small one leaves room for the outputs beside it. */
  drawPicture(drawIt, shown, tools) {
    const host = this.element.parentElement;
    host?.classList.remove("compact");
    const width = Math.max(this.picture.clientWidth, 240);
    const svg = drawIt(shown, width, tools);
    const isSmall = Number(svg.getAttribute("width")) <= width / 2 - 40;
    host?.classList.toggle("compact", isSmall);
    return svg;
  }

  isMap(shown) {
    const { view } = this.page.store.state;
    if (view !== "auto") return view === "map";
    const areWords = shown.source_tokens.join("").length > 1.8 * shown.source_tokens.length;
    return !(areWords && shown.source_tokens.length > 5);
  }

  showNoPicture(shown) {
    this.picture.closest("section").classList.add("none");
    const says = shown.tokens.length
      ? "This model has no attention: it reads the whole text into one vector, and cannot show where it looked."
      : "There is nothing to look at: the output is empty.";
    this.picture.replaceChildren(make("p", { class: "muted" }, says));
    this.readout.textContent = "";
    this.pictureTable.replaceChildren();
  }

  showOutputs() {
    const pick = this.shown() === this.answer ? 0 : this.wishes.pick;
    const onPick = (k) => this.change({ pick: k });
    const table = makeOutputs(this.answer, { pick, options: this.options, onPick });
    this.outputsCard.replaceChildren(make("header", {}, make("h2", {}, "Outputs")), table);
  }

  showTree() {
    const nodes = this.answer.tree ?? [];
    if (!this.treeBox.open) return this.tree.replaceChildren();
    if (nodes.length < 2) {
      const says = this.options.tree ? "This kind of search leaves no tree." : "…";
      return this.tree.replaceChildren(make("p", { class: "muted" }, says));
    }
    const svg = drawTree(nodes, { isWhole: this.isWholeTree, onTakeUp: (node) => this.takeUp(node) });
    const more = make("button", { type: "button", class: "plain small", onclick: () => {
      this.isWholeTree = !this.isWholeTree;
      this.showTree();
    } }, this.isWholeTree ? "Show fewer branches" : `Show all ${countLeaves(nodes)} branches`);
    this.tree.replaceChildren(
      make("p", { class: "muted" }, "Press a branch, also a dropped one, and the output goes on from there."),
      make("div", { class: "scroll" }, svg),
      make("div", { class: "actions" }, more),
      makeTable("Table of branches", () => treeTable(nodes)));
  }

  takeUp(node) {
    const isEnd = node.parent >= 0 && !node.token;
    this.force(isEnd ? { target: node.prefix } : { prefix: node.prefix });
  }
}

const FREE = Object.freeze({ prefix: "", target: null, pick: 0 });

/** Return the line under a picture: which tokens belong to the one that is pointed at. */
function describe({ source, target }, shown) {
  const [columns, rows] = [shown.source_tokens, shown.tokens].map(showTokens);
  const strong = (label) => make("b", {}, make("bdi", {}, label));
  if (source !== undefined && target !== undefined) {
    return [strong(rows[target]), " looked at ", strong(columns[source]), " with weight ", shown.attention[target][source].toFixed(3)];
  }
  const isTarget = target !== undefined;
  const weights = isTarget ? shown.attention[target] : shown.attention.map((row) => row[source]);
  const labels = isTarget ? columns : rows;
  const order = weights.map((_, k) => k).sort((a, b) => weights[b] - weights[a]).slice(0, MOST_NAMED);
  const named = order.filter((k) => weights[k] >= 0.005).flatMap((k) => ["  ", make("bdi", {}, labels[k]), ` ${shortWeight(weights[k])}`]);
  return [strong(isTarget ? rows[target] : columns[source]), isTarget ? " looked at" : " was looked at by", ...(named.length ? named : [" none"])];
}
