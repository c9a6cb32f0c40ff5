// The table beside a picture: the same numbers, for screen readers and for copying.

import { make } from "./dom.js";
import { percent, showTokens } from "./text.js";

/** Return a part of the page that builds its table when it is first opened. */
export function makeTable(title, build) {
  const details = make("details", { class: "table" }, make("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      details.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, build()));
    }
  });
  return details;
}

/** Return the attention weights as a table: rows are target, columns are source. */
export function weightsTable(translation) {
  const columns = showTokens(translation.source_tokens);
  const rows = showTokens(translation.tokens);
  const head = columns.map((label) => make("th", { scope: "col" }, make("bdi", {}, label)));
  const body = rows.map((label, i) =>
    make("tr", {},
      make("th", { scope: "row" }, make("bdi", {}, label)),
      ...translation.attention[i].map((weight) => make("td", { class: "number" }, weight.toFixed(3)))));
  return make("table", { class: "weights" },
    make("caption", {}, "Share of each output token's attention (rows) that a source token gets (columns)"),
    make("thead", {}, make("tr", {}, make("td"), ...head)),
    make("tbody", {}, ...body));
}

/** Return the nodes of a search tree as a table. */
export function treeTable(nodes) {
  const body = nodes.slice(1).map((node) =>
    make("tr", {},
      make("td", {}, make("bdi", {}, node.token ? node.prefix : `${node.prefix} (end)`)),
      make("td", {}, node.state),
      make("td", { class: "number" }, percent(node.log_prob)),
      make("td", { class: "number" }, percent(node.score))));
  const heads = ["Output so far", "State", "Token", "So far"].map((head, k) =>
    make("th", { scope: "col", class: k > 1 ? "number" : null }, head));
  return make("table", {},
    make("caption", {}, "Branches of the search with their probabilities"),
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...body));
}
