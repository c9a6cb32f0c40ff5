"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const readout = document.getElementById("readout");
  const part = (name) => readout.querySelector("." + name);
  let clearLast = () => {};

  function show(target, source, weight) {
    part("hint").hidden = true;
    part("cell").hidden = false;
    part("target").textContent = target;
    part("source").textContent = source;
    part("weight").textContent = weight.toFixed(3);
    readout.querySelector(".meter span").style.width = 100 * weight + "%";
  }

  function hide() {
    part("hint").hidden = false;
    part("cell").hidden = true;
  }

  function explore(map) {
    const { source, target, weights } = data[Number(map.dataset.map)];
    const svg = map.querySelector("svg");
    const [left, top, cell] = svg.dataset.grid.split(" ").map(Number);
    const rows = svg.querySelectorAll(".row");
    const columns = svg.querySelectorAll(".column");
    const drawn = { band: [], mark: [] };
    let at = null;

    function box(kind, x, y, width, height) {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const values = { class: kind, x, y, width, height, rx: 3 };
      for (const [name, value] of Object.entries(values)) rect.setAttribute(name, value);
      svg.append(rect);
      drawn[kind].push(rect);
      return rect;
    }

    function clear() {
      for (const rect of [...drawn.band, ...drawn.mark]) rect.remove();
      drawn.band = [];
      drawn.mark = [];
      svg.querySelectorAll(".on").forEach((label) => label.classList.remove("on"));
    }

    function choose(i, j) {
      if (at && at[0] === i && at[1] === j && drawn.mark.length) return drawn.mark[0];
      clearLast();
      clearLast = clear;
      at = [i, j];
      box("band", left, top + i * cell, cell * source.length, cell);
      box("band", left + j * cell, top, cell, cell * target.length);
      const mark = box("mark", left + j * cell, top + i * cell, cell, cell);
      rows[i].classList.add("on");
      columns[j].classList.add("on");
      show(target[i], source[j], weights[i][j]);
      return mark;
    }

    function leave() {
      clear();
      hide();
    }

    const strongest = (i) => weights[i].indexOf(Math.max(...weights[i]));
    const inside = (value, length) => Math.min(Math.max(value, 0), length - 1);

    map.addEventListener("pointermove", (event) => {
      const point = new DOMPoint(event.clientX, event.clientY);
      const { x, y } = point.matrixTransform(svg.getScreenCTM().inverse());
      const i = Math.floor((y - top) / cell);
      const j = Math.floor((x - left) / cell);
      if (i >= 0 && i < target.length && j >= 0 && j < source.length) choose(i, j);
    });
    map.addEventListener("pointerleave", () => {
      if (document.activeElement !== map) leave();
    });
    map.addEventListener("focus", () => {
      if (map.matches(":focus-visible")) choose(...(at ?? [0, strongest(0)]));
    });
    map.addEventListener("blur", leave);
    map.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const [i, j] = at ?? [0, strongest(0)];
      const moves = {
        ArrowUp: [i - 1, j],
        ArrowDown: [i + 1, j],
        ArrowLeft: [i, j - 1],
        ArrowRight: [i, j + 1],
        Home: [i, 0],
        End: [i, source.length - 1],
        PageUp: [0, j],
        PageDown: [target.length - 1, j],
        Enter: [i, strongest(i)],
      };
      if (event.key === "Escape") return map.blur();
      if (!(event.key in moves)) return;
      event.preventDefault();
      const [row, column] = moves[event.key];
      const mark = choose(inside(row, target.length), inside(column, source.length));
      mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  }

  document.querySelectorAll(".map").forEach(explore);

  function browse(list) {
    const links = [...list.querySelectorAll("a")];
    const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
    let at = 0;

    function open(place) {
      at = Math.min(Math.max(place, 0), links.length - 1);
      sections.forEach((section, k) => (section.hidden = k !== at));
      links.forEach((link, k) => link.setAttribute("aria-current", String(k === at)));
      links[at].scrollIntoView({ block: "nearest" });
    }

    function next(step) {
      let place = at + step;
      while (links[place]?.parentElement.hidden) place += step;
      if (links[place]) open(place);
    }

    links.forEach((link, k) =>
      link.addEventListener("click", (event) => {
        event.preventDefault();
        open(k);
      })
    );
    document.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "INPUT") return;
      if (event.key === "n") next(1);
      if (event.key === "p") next(-1);
    });
    list.querySelector("input")?.addEventListener("input", (event) => {
      const wanted = event.target.value.toLowerCase();
      links.forEach((link) => {
        link.parentElement.hidden = !link.textContent.toLowerCase().includes(wanted);
      });
    });
    open(0);
  }

  const list = document.getElementById("texts");
  if (list) browse(list);
})();
