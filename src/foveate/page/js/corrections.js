// Pairs that somebody corrected: kept in the browser, downloaded as a file to train with.

import { download, make, recall, remember } from "./dom.js";

const NAME = "foveate-pairs";

/** The corrected pairs of a person, and the part of the page that shows them. */
export class Corrections {
  constructor(host, announce) {
    this.host = host;
    this.announce = announce;
    this.pairs = readPairs();
    this.show();
  }

  /** Keep a pair; a new correction of the same source replaces the old one. */
  keep(source, target) {
    const pair = [source, target].map(oneCell);
    this.pairs = [...this.pairs.filter(([other]) => other !== pair[0]), pair];
    this.store("The pair is kept.");
  }

  drop(source) {
    this.pairs = this.pairs.filter(([other]) => other !== source);
    this.store("The pair is dropped.");
    this.host.querySelector("button")?.focus();
  }

  store(says) {
    remember(NAME, JSON.stringify(this.pairs));
    this.show();
    this.announce(says);
  }

  save() {
    const text = this.pairs.map((pair) => pair.join("\t") + "\n").join("");
    download("pairs.tsv", new Blob([text], { type: "text/tab-separated-values" }));
  }

  show() {
    this.host.hidden = !this.pairs.length;
    const rows = this.pairs.map(([source, target]) =>
      make("tr", {},
        make("td", {}, make("bdi", {}, source)),
        make("td", {}, make("bdi", {}, target)),
        make("td", { class: "number" },
          make("button", { type: "button", class: "plain small", "aria-label": `Drop the pair ${source}`, onclick: () => this.drop(source) }, "Drop"))));
    this.host.replaceChildren(
      make("header", {},
        make("h2", {}, "Corrected pairs"),
        make("button", { type: "button", class: "plain", onclick: () => this.save() }, "Download TSV")),
      make("p", { class: "muted" }, "They stay in this browser. Train on with them: foveate train pairs.tsv --from MODEL --out NEW"),
      make("div", { class: "scroll" },
        make("table", {},
          make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Source"), make("th", { scope: "col" }, "Target"), make("td"))),
          make("tbody", {}, ...rows))));
  }
}

function readPairs() {
  try {
    const pairs = JSON.parse(recall(NAME) ?? "[]");
    const isPair = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string");
    return Array.isArray(pairs) ? pairs.filter(isPair) : [];
  } catch {
    return [];
  }
}

const oneCell = (text) => text.replace(/\s+/g, " ").trim();
