// The page of one picture of a large set: which one is in the address (#of=i-cat_12), what is known of it in the table beside the
// page. It is drawn as the template draws it for small sets, where every picture has a page (a test compares them).
(() => {
  "use strict";

  const home = document.querySelector("[data-image-table]");
  if (!home) return;
  const { make, percent, value, verdict, hidden, picture, shows } = convscope;
  const words = (text) => text.replaceAll("_", " ");
  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  const muted = (...parts) => make("p", { class: "muted" }, ...parts);

  function draw(row, k, table, whole) {
    const { about } = table;
    const many = about.head === "multilabel";
    const word = many ? "likeliest" : "predicted";
    const wrong = whole.result.flatMap((result, place) => (result === "wrong" ? [place] : []));

    // ---- the way to others --------------------------------------------------------------------------------------

    function step(to, direction, key, text) {
      if (to === undefined) return make("span");
      const name = text || [hidden({ prev: "previous image ", next: "next image " }[direction]), whole.id[to]];
      return make("a", { rel: text ? null : direction, href: `#of=${encodeURIComponent(whole.key[to])}`, "data-key": key },
        direction === "prev" && [make("span", { "aria-hidden": "true" }, "←"), " "],
        make("span", { class: "step-name" }, name),
        direction === "next" && [" ", make("span", { "aria-hidden": "true" }, "→")]);
    }

    function steps(keys) {
      const key = (name) => (keys ? name : null);
      const count = (text) => make("span", { class: "muted" }, text);
      const result = [make("nav", { class: "steps three", "aria-label": keys ? "Images" : "Images, again" },
        step(k > 0 ? k - 1 : undefined, "prev", key("ArrowLeft")),
        count(`${(k + 1).toLocaleString("en")} of ${table.count.toLocaleString("en")}`),
        step(k + 1 < table.count ? k + 1 : undefined, "next", key("ArrowRight")))];
      if (wrong.length && wrong.length !== table.count) {
        result.push(make("nav", { class: "steps three", "aria-label": keys ? "Misclassified images" : "Misclassified images, again" },
          step(wrong.findLast((place) => place < k), "prev", key("Shift+ArrowLeft"), "previous error"),
          count(plural(wrong.length, "error", "errors")),
          step(wrong.find((place) => place > k), "next", key("Shift+ArrowRight"), "next error")));
      }
      return result;
    }

    // ---- what the model says ------------------------------------------------------------------------------------

    function bar([name, share, predicted, truth]) {
      const tag = (text) => [" ", make("span", { class: "tag" }, text)];
      return make("li", null, make("span", null, name, predicted && tag("predicted"), truth && tag("truth")), " ",
        make("span", { class: "share" }, percent(share)),
        make("meter", { min: 0, max: 1, value: share, "aria-label": `Probability of ${name}` }, percent(share)));
    }

    function chances() {
      if (!row.bars.length) return [];
      const [left, together] = row.rest;
      const few = many ? plural(left, "label", "labels") : plural(left, "class", "classes");
      return [
        make("h2", { class: "small" }, `Probability of every ${many ? "label" : "class"}`),
        make("ul", { class: "chances" }, row.bars.map(bar)),
        row.more.length && make("details", null,
          make("summary", null, plural(row.more.length, ...(many ? ["other label", "other labels"] : ["other class", "other classes"]))),
          make("ul", { class: "chances" }, row.more.map(bar))) || null,
        left && muted(`${few} below 0.1 %${many ? "" : `, together ${percent(together)}`}`) || null,
      ];
    }

    function figure(key, address, caption, alt, group, name) {
      return make("figure", { class: "figure", id: key, "data-group": group },
        make("a", { href: address, "data-item": key }, picture(address, alt, name)), make("figcaption", null, caption));
    }

    const photo = row.photo
      ? figure("photo", row.photo, row.path, `Photo ${row.id}${shows(row, about)}`, "maps", "photo")
      : [make("span", { class: "absent" }, "no photo"), make("p", { class: "muted path" }, row.path)];
    const hint = `Keys: ← → for the images${wrong.length ? ", with Shift for the errors" : ""}.`;
    const side = make("div", { class: "about" }, photo,
      make("p", { class: "answer" }, verdict(row.result), ` ${word} `, make("strong", null, row.predicted),
        ` ${row.confidence === null ? "" : percent(row.confidence)}`, make("br"),
        make("span", { class: "muted" }, `truth: ${row.class || "unknown"}`)),
      chances(),
      make("p", { class: "elsewhere" }, make("a", { href: about.set_page }, `All of ${about.image_set}`),
        row.elsewhere.map(([text, address]) => [" · ", make("a", { href: address }, text)])),
      make("p", { class: "muted keys" }, hint));

    // ---- the maps -----------------------------------------------------------------------------------------------

    function map(entry, key, name) {
      const of = name ? ` for ${name}` : "";
      const alt = `${entry.title}${of} of ${row.id}`;
      const title = `${entry.title}${of}`;
      const gate = about.gates[entry.method];
      const more = () => make("p", { class: "muted more" }, `${name ? `evidence for ${name} in ` : ""}${row.id}, ${word} ${row.predicted}`);
      const facts = Object.entries(entry.facts).map(([fact, number]) => `${words(fact)} ${value(number)}`).join(", ");
      const pictures = entry.pictures.map((address, place) => (place
        ? picture(address, "The same over the photo", `${title}, over the photo`)
        : picture(address, alt, title)));
      const own = make("li", { id: key, class: pictures.length > 1 ? "wide" : null },
        pictures.length
          ? make("a", { href: entry.pictures[0], "data-item": key }, pictures)
          : make("span", { class: "absent" }, "no picture"),
        make("div", { class: "caption" },
          make("p", null, make("strong", null, entry.title),
            entry.signed && [" ", make("span", { class: "muted" }, make("span", { class: "for" }, "for"), " / ", make("span", { class: "against" }, "against"))],
            entry.empty && [" ", make("span", { class: "tag" }, "empty")],
            entry.method === "cam" && about.cam_head && [" ", make("a", { class: "tag", href: about.cam_head }, "retrained head")]),
          gate && make("a", { class: `gate ${gate[0]}`, href: gate[2] }, hidden("Sanity gate: "), gate[1]),
          more(), facts && muted(facts)));
      const views = entry.views.map(([view, address]) => make("li", { id: `${key}-${view}` },
        make("a", { href: address, "data-item": `${key}-${view}` }, picture(address, `${alt}: ${words(view)}`, `${title}: ${words(view)}`)),
        make("div", { class: "caption" }, make("p", null, `${entry.title}: ${words(view)}`), more())));
      return [own, ...views];
    }

    const evidence = make("div", { class: "evidence", "data-group": "maps" }, row.evidence.map(([name, score, entries], outer) => {
      const title = `evidence-${outer + 1}`;
      const head = name
        ? [`Evidence for ${name} `, score !== null && make("span", { class: "muted" }, `score ${value(score)}`)]
        : ["What the layer answers to, of any class"];
      return make("section", { "aria-labelledby": title }, make("h2", { id: title }, head),
        make("ul", { class: "maps" }, entries.map((entry, inner) => map(entry, `e-${outer + 1}-${inner + 1}`, name))));
    }));
    const together = row.together && make("section", { "aria-labelledby": "together-title" },
      make("h2", { id: "together-title" }, "As one picture"),
      figure("together", row.together, row.id, `Every method of ${row.id} side by side`, "together"));
    if (together) together.querySelector("figure").classList.add("paper");
    const last = home.querySelector(".files");
    home.replaceChildren(...steps(true), make("h1", { class: "image-name" }, row.id),
      make("div", { class: "one-image" }, side, evidence), ...(together ? [together] : []),
      make("div", { class: "again" }, steps(false)), last);
    document.title = document.title.replace(/^.*( – [^–]*)$/, `${row.id}: ${row.predicted}$1`);
    document.querySelector(".crumbs [aria-current]").textContent = row.id;
  }

  // ---- which one --------------------------------------------------------------------------------------------------

  convscope.table(home.dataset.imageTable).then(async (table) => {
    const whole = await table.whole();
    const places = new Map(whole.key.map((key, k) => [key, k]));
    let drawn = -1;
    async function turn() {
      const [, key] = /(?:^#|&)of=([^&]*)/.exec(location.hash) || [];
      let asked = key;
      try { asked = decodeURIComponent(key); } catch { /* as it is */ }
      const k = key === undefined ? 0 : places.get(asked);
      if (k === undefined) throw new Error(`there is no picture ${asked.replace(/^i-/, "")} in this set.`);
      if (k === drawn) return;
      drawn = k;
      await table.load([k]);
      if (drawn !== k) return; // another one was asked for meanwhile
      draw(table.row(k), k, table, whole);
      window.scrollTo(0, 0);
      if (home.previousElementSibling?.matches(".trouble")) home.previousElementSibling.remove();
      convscope.pictures();
    }
    const again = () => turn().catch((error) => convscope.say(home, error));
    window.addEventListener("hashchange", again);
    window.addEventListener("popstate", again);
    await turn();
  }).catch((error) => convscope.say(home, error));
})();
