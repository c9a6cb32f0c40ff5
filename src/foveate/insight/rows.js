"use strict";
// The table of a page of rows: search, sort, choose a group. Texts are text nodes only.
(() => {
  const { header, rows, group } = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("rows");
  const [search, groups, count, more] = ["search", "groups", "count", "more"].map((id) =>
    document.getElementById(id),
  );
  const PAGE = 200;
  const isNumber = header.map((_, place) => rows.every((row) => typeof row[place] === "number"));
  const groupPlace = header.indexOf(group);
  let chosen = null;
  let order = { place: -1, sign: 1 };
  let shown = PAGE;

  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== "") element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  const select = () => {
    const wanted = search.value.trim().toLowerCase();
    const kept = rows.filter(
      (row) =>
        (chosen === null || row[groupPlace] === chosen) &&
        (!wanted || row.some((cell) => String(cell).toLowerCase().includes(wanted))),
    );
    if (order.place < 0) return kept;
    const compare = isNumber[order.place]
      ? (one, other) => one - other
      : (one, other) => String(one).localeCompare(String(other));
    return kept.sort((one, other) => order.sign * compare(one[order.place], other[order.place]));
  };

  const show = () => {
    const kept = select();
    count.textContent = `${kept.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
    more.hidden = kept.length <= shown;
    table.tBodies[0].replaceChildren(
      ...kept.slice(0, shown).map((row) => {
        const line = make("tr", "");
        row.forEach((cell, place) => {
          const text = isNumber[place] ? cell.toLocaleString("en", { maximumFractionDigits: 3 }) : cell;
          line.append(make("td", text, isNumber[place] ? { class: "figure" } : { dir: "auto" }));
        });
        return line;
      }),
    );
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      if (place === order.place) cell.setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
  };

  const head = make("tr", "");
  header.forEach((name, place) => {
    const cell = make("th", "", { scope: "col" });
    const button = make("button", name, { type: "button" });
    button.addEventListener("click", () => {
      order = { place, sign: order.place === place ? -order.sign : isNumber[place] ? -1 : 1 };
      show();
    });
    cell.append(button);
    head.append(cell);
  });
  table.tHead.append(head);

  if (groupPlace >= 0) {
    const values = [null, ...new Set(rows.map((row) => row[groupPlace]))];
    for (const value of values) {
      const button = make("button", value ?? "all", { type: "button", "aria-pressed": String(value === null) });
      button.addEventListener("click", () => {
        chosen = value;
        shown = PAGE;
        for (const other of groups.children) other.setAttribute("aria-pressed", String(other === button));
        show();
      });
      groups.append(button);
    }
  }
  search.addEventListener("input", () => {
    shown = PAGE;
    show();
  });
  more.addEventListener("click", () => {
    shown += PAGE;
    show();
  });
  show();
})();
