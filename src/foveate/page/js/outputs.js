// The n best outputs with their scores, and how they were found.

import { make } from "./dom.js";
import { decimal, percent } from "./text.js";

/** Return the table of outputs; a press on a row shows that output. */
export function makeOutputs(translation, { pick, options, onPick }) {
  const all = [translation, ...(translation.alternatives ?? [])];
  const hasRank = Boolean(options.mbr);
  const rows = all.map((one, k) =>
    make("tr", { class: k === pick ? "picked" : null },
      make("td", { class: "number" }, String(k + 1)),
      make("td", {},
        make("button", { type: "button", class: "pick", "aria-pressed": String(k === pick), onclick: () => onPick(k) },
          make("bdi", {}, one.text || "(empty)"))),
      make("td", { class: "number" }, percent(one.score)),
      make("td", { class: "number" }, decimal(one.score)),
      make("td", { class: "number" }, decimal(one.rank_score))));
  const heads = ["", "Output", "Probability", "Log-probability", hasRank ? "Likeness" : "Rank score"];
  return make("div", { class: "scroll" },
    make("table", { class: "outputs" },
      make("caption", {}, howFound(options)),
      make("thead", {}, make("tr", {}, ...heads.map((head, k) =>
        k ? make("th", { scope: "col", class: k > 1 ? "number" : null }, head) : make("td")))),
      make("tbody", {}, ...rows)));
}

function howFound(options) {
  if (options.target !== undefined) return "The end was forced: the model only scored this output.";
  const forced = options.prefix ? " It had to begin with what you forced." : "";
  if (options.sampling) {
    const { temperature, seed } = options.sampling;
    return `Drawn at random, temperature ${temperature}, seed ${seed}.${forced}`;
  }
  if (options.mbr) {
    const measure = options.mbr === "chrf" ? "chrF" : "edits";
    return `Chosen because it is most like the other candidates of the beam (${measure}).${forced}`;
  }
  if (options.beam_size === 1) return `Greedy search: the likeliest token each time.${forced}`;
  return `Beam search, beam size ${options.beam_size}. Best first.${forced}`;
}
