"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const slider = find("moment");
  const play = find("play");
  const follow = find("follow");
  const moments = data.moments;
  const newest = moments.length - 1;
  // The page reads itself again: where the reader was is kept in the address, behind the #.
  const kept = new URLSearchParams(location.hash.slice(1));
  let timer = null;

  function keep() {
    const open = [...document.querySelectorAll("details[open]")].map((one) => one.id);
    const state = new URLSearchParams();
    if (slider && Number(slider.value) < newest) state.set("at", slider.value);
    if (follow && !follow.checked) state.set("follow", "no");
    if (open.length) state.set("open", open.join(" "));
    if (document.activeElement.id) state.set("focus", document.activeElement.id);
    history.replaceState(null, "", "#" + state);
  }

  function showOutputs(at) {
    let last = at;
    while (last >= 0 && !moments[last].outputs.length) last -= 1;
    document.querySelectorAll(".outputs tbody tr").forEach((row, k) => {
      const output = last < 0 ? "" : moments[last].outputs[k];
      row.cells[1].textContent = output;
      row.cells[2].textContent = data.references[k].includes(output) ? "✓" : "";
    });
  }

  function showAttention(at) {
    document.querySelectorAll("[data-map]").forEach((figure) => {
      const k = Number(figure.dataset.map);
      const weights = moments[at].attention[k];
      if (!weights) return;
      const flat = weights.flat();
      const cells = figure.querySelectorAll(".cells rect");
      const numbers = figure.querySelectorAll("tbody td");
      flat.forEach((percent, place) => {
        const level = data.levels[percent];
        cells[place].setAttribute("class", "w" + level);
        cells[place].setAttribute("fill", data.ramp[level]);
        numbers[place].textContent = percent;
      });
      figure.querySelector("svg").setAttribute("aria-label", describe(k, weights, at));
    });
  }

  function describe(k, weights, at) {
    const looks = weights.map((row, i) => {
      const most = Math.max(...row);
      return `${data.tokens[k][i]} looks most at ${data.source[k][row.indexOf(most)]} (${most} %)`;
    });
    return `Attention after update ${moments[at].update}. ${looks.join("; ")}.`;
  }

  function show(at) {
    slider.value = at;
    const update = moments[at].update.toLocaleString("en");
    find("when").textContent = `after update ${update}`;
    slider.setAttribute("aria-valuetext", `after update ${update}`);
    showOutputs(at);
    showAttention(at);
    document.querySelectorAll("svg[data-x]").forEach((chart) => {
      const [left, right, last] = chart.dataset.x.split(" ").map(Number);
      const x = left + (moments[at].update / last) * (right - left);
      const line = chart.querySelector(".now");
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.setAttribute("visibility", "visible");
    });
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function start() {
    let at = Number(slider.value) < newest ? Number(slider.value) : -1;
    play.textContent = "Stop";
    timer = setInterval(() => {
      at += 1;
      show(at);
      if (at >= newest) stop();
    }, 350);
  }

  function readAgain() {
    const seconds = Date.now() / 1000 - data.written;
    if (seconds > 180) {
      find("stale").textContent =
        `Nothing new for ${Math.round(seconds / 60)} minutes: the run may have been ended from outside.`;
    }
    if (!follow.checked || timer || document.hidden) return;
    keep();
    location.reload();
  }

  if (slider && moments.length) {
    document.querySelectorAll(".cells text").forEach((number) => number.remove());
    const at = kept.has("at") ? Number(kept.get("at")) : newest;
    show(Math.min(Math.max(at, 0), newest) || 0);
    slider.addEventListener("input", () => {
      if (timer) stop();
      show(Number(slider.value));
    });
    play.addEventListener("click", () => (timer ? stop() : start()));
  }
  for (const id of (kept.get("open") ?? "").split(" ")) {
    if (id && find(id)) find(id).open = true;
  }
  if (kept.get("focus")) find(kept.get("focus"))?.focus({ preventScroll: true });
  if (follow) {
    follow.checked = kept.get("follow") !== "no";
    setInterval(readAgain, 5000);
  }
})();
