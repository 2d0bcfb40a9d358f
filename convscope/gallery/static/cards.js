// How a picture of a table is drawn: the same as the templates draw those that are in a page (a test compares them).
(() => {
  "use strict";

  // An element: text is text, whatever it looks like; what is null, undefined or "" is left out.
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
    return element;
  }

  const percent = (share) => (share === null ? "\u2013" : `${(100 * share).toFixed(1)} %`);
  const hidden = (words) => make("span", { class: "hidden-words" }, words);

  // A number as the templates write it: four digits.
  function value(number) {
    if (number === null) return "\u2013";
    if (number !== 0 && (Math.abs(number) < 1e-4 || Math.abs(number) >= 1e4)) {
      return number.toExponential(3).replace(/\.?0*e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
    }
    return String(Number(number.toPrecision(4)));
  }

  function verdict(result) {
    const words = { right: ["✓", "right: "], wrong: ["✗", "wrong: "] }[result] || ["", ""];
    return make("span", { class: `verdict ${result}` }, words[0], hidden(words[1]));
  }

  const picture = (src, alt, name) => make("img", { src, alt, loading: "lazy", decoding: "async", "data-name": name });

  // What is known to be on a picture, for those who do not see it.
  function shows(row, about) {
    if (!row.class) return "";
    return ["multilabel", "regression"].includes(about.head) ? `, truth: ${row.class}` : `, a ${row.class}`;
  }

  // The maps of a row, those that are there and those that are not.
  function maps(row, about) {
    const found = [];
    for (let k = 0; k < about.slots; k += 1) {
      found.push(Object.fromEntries(["title", "target", "score", "empty", "overlay"].map((name) => [name, row[name + k]])));
    }
    const titles = found.map((map) => map.title);
    for (const map of found) {
      const alone = titles.indexOf(map.title) === titles.lastIndexOf(map.title);
      map.name = alone || !map.target ? map.title : `${map.title}: ${map.target}`;
    }
    return found;
  }

  // A photo with its maps.
  function card(row, about) {
    const all = maps(row, about);
    const many = all.length > 1;
    const link = make("a", { href: row.overlay0 || `#${row.key}`, "data-item": row.key },
      row.photo ? picture(row.photo, `Photo ${row.id}${shows(row, about)}`, "photo") : make("span", { class: "absent" }, "no photo"),
      all.map((map) => {
        const alt = `${map.title}${map.target ? ` for ${map.target}` : ""} over ${row.id}`;
        const drawn = map.overlay ? picture(map.overlay, alt, map.name) : make("span", { class: "absent" }, "no heatmap");
        if (!many) return drawn;
        const words = [map.title, map.target && `: ${map.target}`, map.empty && ", empty"];
        return make("span", { class: "labelled" }, drawn, make("span", { class: "label" }, map.title ? words : "\u00a0"));
      }));
    const scored = all.filter((map) => map.target)
      .map((map) => `${map.title} for ${map.target}${map.score === null ? "" : `, score ${value(map.score)}`}`);
    const sure = row.confidence === null ? "" : percent(row.confidence);
    return make("div", { class: "pair", id: row.key }, link, make("div", { class: "caption" },
      make("p", null, verdict(row.result), ` ${about.likeliest}`, make("strong", null, row.predicted), ` ${sure}`,
        !many && all[0].empty && [" ", make("span", { class: "tag" }, "empty heatmap")]),
      make("p", { class: "muted" }, `truth: ${row.class || "unknown"}`),
      make("p", { class: "muted more" }, scored.join("; ")),
      make("p", { class: "muted more path" }, row.path),
      make("p", { class: "whole-page" }, make("a", { href: row.page }, "all about it", hidden(`: ${row.id}`)))));
  }

  window.convscope = Object.assign(window.convscope || {}, { make, percent, value, verdict, hidden, picture, shows, maps, card });
})();
