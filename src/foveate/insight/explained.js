"use strict";
(() => {
  const texts = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const at = { text: 0, look: 0, head: 0, step: 0 };
  const clamp = (value, length) => Math.min(Math.max(value, 0), length - 1);

  function make(tag, content = "", name = "") {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (typeof content === "string") element.textContent = content;
    else element.append(...content);
    return element;
  }

  const mix = (color, share) =>
    `color-mix(in oklab, var(--${color}) ${(100 * Math.min(share, 1) ** 0.7).toFixed(1)}%, var(--zero))`;

  function openText(place) {
    at.text = clamp(place, texts.length);
    at.look = texts[at.text].look;
    at.step = texts[at.text].step;
    at.head = 0;
    const { source, text, looks } = texts[at.text];
    find("source").textContent = source;
    find("output").textContent = text || "(empty)";
    find("look").replaceChildren(
      ...looks.map((look, place) => new Option(look.name, String(place)))
    );
    for (const [place, button] of [...find("list").querySelectorAll("button")].entries())
      button.setAttribute("aria-current", String(place === at.text));
    draw();
  }

  function draw() {
    const look = texts[at.text].looks[at.look];
    at.head = clamp(at.head, look.heads.length);
    at.step = clamp(at.step, look.rows.length);
    find("look").value = String(at.look);
    find("head").replaceChildren(
      ...look.heads.map((_, place) => new Option(`${place + 1} of ${look.heads.length}`, String(place)))
    );
    find("head").value = String(at.head);
    drawMap(look, look.heads[at.head]);
    drawNumbers(look, look.heads[at.head]);
    drawLikely(look);
  }

  function drawMap(look, head) {
    find("map").classList.toggle("long", look.columns.some((label) => label.length > 3));
    const top = make("tr", [make("td"), ...look.columns.map((label) => make("th", label))]);
    find("map").tHead.replaceChildren(top);
    find("map").tBodies[0].replaceChildren(
      ...look.rows.map((label, step) => {
        const cells = head.weights[step].map((weight, place) => {
          const cell = make("td", weight >= 0.05 ? weight.toFixed(2).replace(/^0/, "") : "");
          cell.className = `w${Math.round(23 * Math.min(weight, 1) ** 0.7)}`; // as in palette.py
          cell.title = `${label} ← ${look.columns[place]}: ${weight.toFixed(4)}`;
          return cell;
        });
        const row = make("tr", [make("th", label), ...cells], step === at.step ? "on" : "");
        row.addEventListener("click", () => {
          at.step = step;
          draw();
        });
        return row;
      })
    );
  }

  function head(title, name) {
    const [formula, reference] = texts[at.text].equations[name] ?? ["", ""];
    return make("th", [title, make("span", formula), make("span", reference)]);
  }

  function drawNumbers(look, numbers) {
    const writes = look.kind === "encoder" ? "reads" : "writes";
    find("step").textContent =
      `Step ${at.step + 1} of ${look.rows.length}: ${writes} ${look.rows[at.step]}`;
    const scores = numbers.scores[at.step];
    const weights = numbers.weights[at.step];
    const seen = scores.filter((score) => score !== null);
    const low = Math.min(0, ...seen);
    const span = Math.max(0, ...seen) - low || 1;
    const weighted = numbers.values.map((row, place) => row.map((value) => value * weights[place]));
    const context = numbers.context[at.step];
    const largest = Math.max(1e-9, ...[...weighted.flat(), ...context].map(Math.abs));
    const kept = context.length;
    const size = kept < numbers.size ? `the first ${kept} of ${numbers.size} numbers` : `${kept} numbers`;
    const states = head("weighted states α h", "");
    states.append(make("span", `${size}; orange is below 0, blue above`));
    find("numbers").tHead.replaceChildren(
      make("tr", [make("th", "position"), head("scores e", "scores"), head("weights α", "weights"), states])
    );
    find("numbers").tBodies[0].replaceChildren(
      ...look.columns.map((label, place) =>
        make("tr", [
          make("th", [make("bdi", label)]),
          make("td", [drawScore(scores[place], low, span)]),
          make("td", [drawWeight(weights[place])]),
          make("td", [drawStrip(weighted[place], largest)]),
        ])
      )
    );
    const label = head("their sum, the context c", "context");
    label.colSpan = 3;
    find("numbers").tFoot.replaceChildren(
      make("tr", [label, make("td", [drawStrip(context, largest)])])
    );
  }

  function drawScore(score, low, span) {
    const axis = make("div", [], "axis");
    if (score !== null) {
      const bar = make("i", "", score < 0 ? "below" : "");
      bar.style.left = `${(100 * (Math.min(score, 0) - low)) / span}%`;
      bar.style.width = `${(100 * Math.abs(score)) / span}%`;
      const zero = make("b");
      zero.style.left = `${(-100 * low) / span}%`;
      axis.append(bar, zero);
    }
    return make("div", [axis, make("span", score === null ? "not seen" : score.toFixed(2), "value")], "score");
  }

  function drawWeight(weight) {
    const bar = make("i");
    bar.style.width = `${100 * weight}%`;
    return make("div", [make("div", [bar]), make("span", weight.toFixed(3), "value")], "weigh");
  }

  function drawStrip(values, largest) {
    const strip = make("div", "", "strip");
    const stops = values.map((value, place) => {
      const color = mix(value < 0 ? "minus" : "plus", Math.abs(value) / largest);
      return `${color} ${(100 * place) / values.length}% ${(100 * (place + 1)) / values.length}%`;
    });
    strip.style.width = `${Math.max(5 * values.length, 120)}px`;
    strip.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    strip.title = values.map((value) => value.toFixed(3)).join("  ");
    return strip;
  }

  function drawLikely(look) {
    const choices = look.kind === "encoder" ? undefined : texts[at.text].choices[at.step];
    find("likely").replaceChildren();
    if (!choices) return;
    const rows = choices.flatMap(([label, probability]) => {
      const bar = make("div");
      bar.style.width = `${100 * probability}%`;
      return [make("bdi", label), bar, make("span", probability.toFixed(3), "value")];
    });
    find("likely").append(make("h3", "Likeliest tokens"), make("div", rows, "likely"));
  }

  const moves = {
    ArrowLeft: () => (at.step -= 1),
    ArrowRight: () => (at.step += 1),
    ArrowUp: () => (at.look = clamp(at.look - 1, texts[at.text].looks.length)),
    ArrowDown: () => (at.look = clamp(at.look + 1, texts[at.text].looks.length)),
    h: () => (at.head = (at.head + 1) % texts[at.text].looks[at.look].heads.length),
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "SELECT") return;
    if (event.key === "n" || event.key === "p") {
      openText(at.text + (event.key === "n" ? 1 : -1));
    } else if (event.key in moves) {
      event.preventDefault();
      moves[event.key]();
      draw();
    }
  });
  for (const name of ["look", "head"])
    find(name).addEventListener("change", () => {
      at[name] = Number(find(name).value);
      draw();
    });
  for (const [place, { source, text }] of texts.entries()) {
    const button = make("button", `${source} → ${text}`);
    button.type = "button";
    button.addEventListener("click", () => openText(place));
    find("list").append(make("li", [button]));
  }
  find("app").classList.toggle("several", texts.length > 1);
  find("between").hidden = texts.length < 2;
  if (texts.length) {
    find("app").hidden = false;
    openText(0);
  }
})();
