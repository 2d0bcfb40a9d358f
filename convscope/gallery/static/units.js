// The units of a model: a list to search and sort, of which only those in sight are in the page, and one unit with all that is known
// of it. The address holds the state: units.html#block8_sepconv1/17?q=eyes&sort=iou
(() => {
  "use strict";

  const home = document.getElementById("units");
  const detail = document.getElementById("unit");
  const form = document.getElementById("find");
  const SHOWN = 5; // crops of a unit in the list

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children.filter((child) => child !== null));
    return made;
  };
  const percent = (share) => `${Math.round(100 * share)} %`;
  const short = (value) => (value === null || value === undefined ? "–" : Number(value.toPrecision(3)).toString());

  convscope.table(home.dataset.table).then(start).catch((error) => convscope.say(home, error));

  async function start(table) {
    const { about } = table;
    const whole = await table.whole();
    const layers = about.layers;
    const number = (k) => layers[whole.layer[k]].first + whole.unit[k];
    const name = (k) => `${layers[whole.layer[k]].name}/${whole.unit[k]}`;
    const rowOf = new Map(layers.map((layer, place) => [layer.name, place]));
    const address = (k) => `${encodeURIComponent(layers[whole.layer[k]].name)}/${whole.unit[k]}${query()}`;
    let order = [...Array(table.count).keys()];
    let open = null;
    let before = "";

    // ---- pictures ---------------------------------------------------------------------------------------------------

    // A part of a sheet as a picture of so many pixels a side.
    function sprite(url, width, height, left, top, cell, side, label) {
      const scale = side / cell;
      const box = element("span", { className: "sprite-cell" });
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", label);
      box.style.cssText = `width:${side}px;height:${side}px;background-image:url("${url}");background-size:${width * scale}px ${
        height * scale}px;background-position:${-left * scale}px ${-top * scale}px`;
      return box;
    }

    function crop(k, row, place, side) {
      const layer = layers[whole.layer[k]];
      if (!layer.crops) return null;
      const unit = whole.unit[k];
      const first = unit - (unit % about.rows_a_sheet);
      const rows = Math.min(about.rows_a_sheet, layer.units - first);
      const columns = row.shown.length;
      const url = `${layer.crops}.${String(first).padStart(5, "0")}.jpg`;
      const [id, label] = about.pictures[row.shown[place]];
      const words = `${label || "picture"} ${id}, answer ${short(row.shown_answers[place])}`;
      const { cell } = about;
      const box = sprite(url, columns * cell, rows * cell, place * cell, (unit - first) * cell, cell, side, words);
      box.title = words;
      return box;
    }

    function pattern(k, row, entry, side) {
      const preset = layers[whole.layer[k]].presets[entry[0]];
      const words = `Pattern of ${name(k)}, preset ${preset.name}${entry[3] ? ", dead" : ""}`;
      return sprite(preset.sheet, preset.width, preset.height, entry[1], entry[2], preset.cell, side, words);
    }

    // ---- the list ---------------------------------------------------------------------------------------------------

    function card(place) {
      const k = order[place];
      const row = table.row(k);
      if (!row) return null;
      const strongest = Math.max(row.shown.length - about.spread.length, 0);
      const strip = element("span", { className: "crops" });
      for (let j = 0; j < Math.min(SHOWN, strongest); j += 1) {
        const one = crop(k, row, j, 62);
        if (one) strip.append(one);
      }
      const link = element("a", { href: `#${address(k)}`, className: "unit-name" }, name(k).replace("/", " · "));
      return element("div", { className: "unit-card" }, link, element("p", { className: "words", textContent: row.words }), strip);
    }

    const grid = convscope.virtual(home, {
      count: order.length,
      least: 340,
      load: (from, to) => table.load(order.slice(from, to)),
      cell: card,
      sample: () => card(0) || element("div", { className: "unit-card" }, element("a", { textContent: "·" }), element("p", { className: "words", textContent: "·" }), element("span", { className: "crops" })),
      printed: 60,
    });

    const keys = {
      iou: (k) => (whole.detects[k] === "concept" ? whole.iou[k] : null),
      ratio: (k) => (whole.favourite[k] ? whole.ratio[k] : null),
      selectivity: (k) => whole.selectivity[k],
      fires: (k) => whole.fires[k],
      strength: (k) => whole.strength[k],
    };

    function matches(k, words, layer, which) {
      if (layer !== "" && whole.layer[k] !== Number(layer)) return false;
      if (which === "dead" && whole.fired[k] !== 0) return false;
      if ((which === "yes" || which === "no") && whole.trust[k] !== which) return false;
      if (which === "none" && (whole.detects[k] !== "" || whole.fired[k] === 0)) return false;
      if ((which === "concept" || which === "mostly") && whole.detects[k] !== which) return false;
      if (!words.length) return true;
      const text = `${name(k)} ${whole.words[k]} ${whole.kind[k]} ${whole.favourite[k]}`.toLowerCase();
      return words.every((word) => text.includes(word));
    }

    function arrange() {
      const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
      order = [...Array(table.count).keys()].filter((k) => matches(k, words, form.layer.value, form.which.value));
      const key = keys[form.sort.value];
      if (key) {
        const values = new Map(order.map((k) => [k, key(k) ?? -Infinity]));
        order.sort((a, b) => values.get(b) - values.get(a) || a - b);
      }
      const told = order.length === table.count ? `${table.count.toLocaleString("en")} units` : `${order.length.toLocaleString("en")} of ${table.count.toLocaleString("en")} units`;
      form.querySelector(".tally").textContent = told;
      grid.update(order.length);
    }

    // ---- one unit -----------------------------------------------------------------------------------------------------

    function linked(other) {
      const place = layers.findIndex((layer) => other >= layer.first && other < layer.first + layer.units);
      if (place < 0) return null;
      return layers[place].row + other - layers[place].first;
    }

    function related(title, entries, words, sign) {
      const items = [];
      for (const [other, weight] of entries) {
        const k = linked(other);
        const value = element("span", { className: "muted", textContent: ` ${words} ${sign && weight > 0 ? "+" : ""}${short(weight)}` });
        if (k === null) continue;
        const said = whole.words[k].startsWith("nothing") ? "" : ` ${whole.words[k]}`;
        items.push(element("li", {}, element("a", { href: `#${address(k)}`, textContent: name(k).replace("/", " · ") }), value, element("span", { className: "said", textContent: said })));
      }
      return items.length ? element("div", {}, element("h3", { textContent: title }), element("ul", { className: "related" }, ...items)) : null;
    }

    function curve(values) {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const points = values.map((value, j) => `${((100 * j) / (values.length - 1)).toFixed(1)},${(30 - (28 * (value - low)) / (high - low || 1)).toFixed(1)}`);
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 100 32");
      svg.setAttribute("class", "rise");
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", `Objective from ${short(values[0])} to ${short(values.at(-1))}`);
      const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      line.setAttribute("points", points.join(" "));
      svg.append(line);
      return element("figure", {}, svg, element("figcaption", { className: "muted", textContent: `the objective rose from ${short(values[0])} to ${short(values.at(-1))}` }));
    }

    // Whether to believe a pattern, and how like the ways of real pictures its own is, layer by layer.
    function believed(layer, row, [, trust, words, alike], negative) {
      const title = { yes: "to be believed", no: "not to be believed" }[trust];
      const said = element("span", { className: `trust ${trust}` });
      if (title && !negative) said.append(element("strong", { textContent: title }), ": ");
      said.append(words);
      if (negative || !row.way || alike.length < 2 || alike.every((value) => value === null)) return [said];
      const curves = [["random pictures", row.way[1], "random"], ["best real pictures", row.way[0], "best"], ["the pattern", alike, "own"]];
      const values = curves.flatMap(([, points]) => points).filter((value) => value !== null);
      const [low, high] = [Math.min(0, ...values), Math.max(0.1, ...values)];
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 100 40");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("class", "ways");
      svg.setAttribute("role", "img");
      const last = layer.way.length - 1;
      svg.setAttribute("aria-label", `Likeness to its best real pictures from ${layer.way[0]} to ${layer.way[last]}: ${alike.map(short).join(", ")}`);
      for (const [, points, kind] of curves) {
        const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
        const drawn = points.map((value, j) => (value === null ? "" : `${((100 * j) / last).toFixed(1)},${(39 - (38 * (value - low)) / (high - low)).toFixed(1)}`));
        line.setAttribute("points", drawn.filter(Boolean).join(" "));
        line.setAttribute("class", kind);
        svg.append(line);
      }
      const key = element("span", { className: "way-key" });
      for (const [text, , kind] of curves) key.append(element("span", { className: kind, textContent: text }));
      return [said, svg, element("span", { className: "way-ends" }, element("span", { textContent: layer.way[0] }), element("span", { textContent: layer.way[last] })), key];
    }

    function row2(...cells) {
      return element("tr", {}, ...cells.map((cell, j) => element(j ? "td" : "th", { textContent: cell, scope: j ? undefined : "row" })));
    }

    function draw(k) {
      const row = table.row(k);
      const layer = layers[whole.layer[k]];
      const strongest = Math.max(row.shown.length - about.spread.length, 0);
      const side = Math.min(112, Math.floor((document.documentElement.clientWidth - 40) / 3) - 6);
      const parts = [];
      const step = (to, text, rel) => (to >= 0 && to < table.count ? element("a", { href: `#${address(to)}`, textContent: text, rel }) : element("span"));
      parts.push(element("nav", { className: "steps", ariaLabel: "Units" }, step(k - 1, `← ${k > 0 ? name(k - 1).replace("/", " · ") : ""}`, "prev"), step(k + 1, `${k + 1 < table.count ? name(k + 1).replace("/", " · ") : ""} →`, "next")));
      parts.push(element("h2", { tabIndex: -1, textContent: `${layer.name} · unit ${whole.unit[k]}` }));
      parts.push(element("p", { className: "verdict-words", textContent: row.words }));

      const pictures = { false: element("div", { className: "unit-patterns" }), true: element("div", { className: "unit-patterns" }) };
      for (const entry of row.patterns) {
        const { name: preset, negative } = layer.presets[entry[0]];
        const measured = (row.measured || []).find((each) => each[0] === entry[0]);
        const caption = element("figcaption", { className: "muted" }, preset + (entry[3] ? " (dead)" : ""));
        if (measured) caption.append(...believed(layer, row, measured, negative));
        pictures[negative].append(element("figure", {}, pattern(k, row, entry, Math.min(224, 2 * side)), caption));
      }
      if (row.rise) pictures.false.append(curve(row.rise));
      if (row.patterns.length) {
        if (pictures.false.children.length) parts.push(element("h3", { textContent: "Pictures made for its filter" }));
        if (row.way) parts.push(element("p", { className: "muted", textContent: "Curves: how like its best real pictures each layer on the way to it treats a picture." }));
        if (pictures.false.children.length) parts.push(pictures.false);
        if (pictures.true.children.length) {
          parts.push(element("h3", { textContent: "The picture that silences it" }));
          parts.push(element("p", { className: "muted", textContent: "What it answers least to, before the activation that hides how far below zero it is." }), pictures.true);
        }
        if (layer.page) parts.push(element("p", { className: "muted" }, element("a", { href: `${layer.page}#f${whole.unit[k]}`, textContent: `all patterns of ${layer.name}` })));
      }
      if (layer.crops && row.shown.length) {
        const crops = (from, to, words) => {
          const line = element("div", { className: "crops" });
          for (let j = from; j < to; j += 1) {
            const caption = element("figcaption", { className: "muted", textContent: words(j) });
            line.append(element("figure", {}, crop(k, row, j, side), caption));
          }
          return line;
        };
        const said = (j) => `${about.pictures[row.shown[j]][1]} ${short(row.shown_answers[j])}`;
        parts.push(element("h3", { textContent: "Real pictures that fire it most" }));
        parts.push(element("p", { className: "muted", textContent: "Cut to what the unit can see; the places where it fires are outlined. Below each: its class, and the answer." }));
        parts.push(crops(0, strongest, said));
        parts.push(element("h3", { textContent: "From strong to silent" }));
        parts.push(crops(strongest, row.shown.length, (j) => {
          const share = about.spread[j - strongest];
          return `${share === "100%" ? "the most silent" : share === "50%" ? "the middle one" : `${share} from the top`}: ${said(j)}`;
        }));
      }
      const tables = element("div", { className: "unit-tables" });
      if (row.told.length) {
        const body = row.told.map(([c, iou, chance, inside, by]) => row2(about.concepts[c], short(iou), short(chance), inside === null ? "–" : percent(inside), by === null ? "–" : percent(by)));
        tables.append(element("div", {}, element("h3", { textContent: "What lies where it fires" }), element("table", { className: "numbers short" }, element("thead", {}, row2("concept", "IoU", "chance", "of its places", "chance")), element("tbody", {}, ...body))));
      }
      if (row.rates.length) {
        const bars = row.rates.map(([j, rate]) => {
          const bar = element("span", { className: "rate" });
          bar.style.setProperty("--share", rate);
          return element("tr", {}, element("th", { scope: "row", textContent: about.labels[j] }), element("td", {}, bar), element("td", { textContent: percent(rate) }));
        });
        tables.append(element("div", {}, element("h3", { textContent: "Pictures it fires on, by class" }), element("table", { className: "rates" }, element("tbody", {}, ...bars))));
      }
      const facts = element("dl", { className: "facts" });
      const fact = (key, value) => facts.append(element("div", {}, element("dt", { textContent: key }), element("dd", { textContent: value })));
      if (row.iou !== null) fact("IoU, interval of 95 %", `${short(row.iou)} (${short(row.low)} to ${short(row.high)})`);
      fact("fires from an answer of", short(row.threshold));
      fact("strongest answer", short(row.strongest));
      fact("fires on", `${percent(row.fires)} of the pictures`);
      if (row.selectivity !== null) fact("selectivity", short(row.selectivity));
      fact("strength of its weights", `${short(row.strength)} times the layer's median`);
      const near = element("div", { className: "unit-tables" });
      for (const part of [
        related("Answers alike", row.answers, "r", false),
        related("Similar weights", row.weights, "cosine", false),
        related("Fed by", row.fed_by, "share", true),
        related("Feeds", row.feeds, "share", true),
      ]) if (part) near.append(part);
      detail.replaceChildren(...parts, tables, facts, near);
      detail.hidden = false;
    }

    function show(k, move) {
      open = k;
      const there = () => {
        draw(k);
        document.title = `${name(k).replace("/", " · ")} – ${document.title.split(" – ").at(-1)}`;
        if (move) {
          detail.scrollIntoView();
          detail.querySelector("h2").focus({ preventScroll: true });
        }
      };
      const promise = table.load([k]);
      if (promise) promise.then(there, (error) => convscope.say(detail, error));
      else there();
    }

    // ---- the address ----------------------------------------------------------------------------------------------------

    function query() {
      const values = new URLSearchParams();
      for (const key of ["q", "layer", "which", "sort"]) {
        const value = key === "layer" && form.layer.value !== "" ? layers[Number(form.layer.value)].name : form[key].value;
        if (value) values.set(key, value);
      }
      const text = values.toString();
      return text ? `?${text}` : "";
    }

    // A hand-written address may be none.
    function decoded(text) {
      try {
        return decodeURIComponent(text);
      } catch {
        return text;
      }
    }

    function follow(move) {
      const [place, search] = window.location.hash.slice(1).split("?");
      const values = new URLSearchParams(search || "");
      const layer = values.get("layer");
      form.q.value = values.get("q") || "";
      form.layer.value = rowOf.has(layer) ? rowOf.get(layer) : "";
      for (const key of ["which", "sort"]) form[key].value = [...form[key].options].some((o) => o.value === values.get(key)) ? values.get(key) : "";
      const parts = place.split("/");
      const unit = Number(parts.pop());
      const found = rowOf.get(decoded(parts.join("/")));
      if (found !== undefined && unit >= 0 && unit < layers[found].units) show(layers[found].row + unit, move);
      else {
        open = null;
        detail.hidden = true;
      }
    }

    function changed(move) {
      follow(move);
      const now = query();
      if (now !== before) arrange();
      before = now;
    }

    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      before = query();
      const place = open === null ? "" : address(open).split("?")[0];
      window.history.replaceState(null, "", `#${place}${before}`);
      arrange();
    });
    window.addEventListener("hashchange", () => changed(true));
    arrange();
    changed(window.location.hash.length > 1);
  }
})();
