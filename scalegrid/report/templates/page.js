"use strict";
(() => {
  const table = document.getElementById("variants");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const units = { k: 1e3, M: 1e6, B: 1e9 };

  // "< 1 %" comes before "1 %", "20.6 M" after "249.2 k", and what is no number last.
  const value = (text) => {
    const found = /^([<>]?)\s*(-?[\d.]+)\s*([kMB]?)[ %×]*$/.exec(text);
    if (!found) return null;
    return Number(found[2]) * (units[found[3]] || 1) + { "<": -1e-9, ">": 1e-9, "": 0 }[found[1]];
  };
  const compare = (one, other, sign) => {
    const [a, b] = [value(one), value(other)];
    if (a !== null && b !== null) return sign * (a - b);
    return (a === null) - (b === null) || sign * one.localeCompare(other);
  };

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent;
      rows.sort((a, b) => compare(text(a), text(b), down ? -1 : 1));
      body.append(...rows);
    });
  });

  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  filter.closest(".controls").hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    const left = rows.filter((row) => !row.hidden).length;
    shown.textContent = wanted ? `${left} of ${rows.length}` : "";
  });
})();
