// The pictures of a set, of which the page itself has the first: all of them from the table beside it, those in sight drawn.
(() => {
  "use strict";

  const list = document.querySelector("[data-pictures]");
  if (!list) return;
  const name = list.dataset.pictures;
  const large = "table" in list.dataset;
  const tables = new Map(); // of other models: name -> a promise of [table, key -> row]

  function keyed(of) {
    if (!tables.has(of)) {
      tables.set(of, convscope.table(of).then(async (table) =>
        [table, new Map((await table.whole()).key.map((key, k) => [key, k]))]));
      tables.get(of).catch(() => tables.delete(of));
    }
    return tables.get(of);
  }

  // What other models make of the same picture: [name, address] each.
  convscope.others = async (item) => {
    const [own] = await keyed(name);
    const found = [];
    for (const other of own.about.others) {
      const [table, places] = await keyed(other.table);
      if (!places.has(item)) continue;
      await table.load([places.get(item)]);
      for (const map of convscope.maps(table.row(places.get(item)), table.about)) {
        if (map.overlay) found.push([`${map.name} by ${other.model}`, map.overlay]);
      }
    }
    return found;
  };

  if (!large) {
    convscope.pictures(); // what the address asks for may be another model's
    return;
  }

  // ---- thousands of them ----------------------------------------------------------------------------------------

  function gridOf(table, whole, places) {
    const home = document.createElement("div");
    home.className = list.className;
    home.style.cssText = list.style.cssText;
    home.setAttribute("aria-label", list.dataset.label);
    list.replaceWith(home);
    let order = [...whole.key.keys()];
    let at = null; // row -> its place in the order; made when it is needed
    let before = "\n\n\n";
    const draw = (row) => convscope.card(row, table.about);
    const grid = convscope.virtual(home, {
      count: order.length,
      least: list.matches(".broad") ? Infinity : 21 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize),
      cell: (place) => { const row = table.row(order[place]); return row && draw(row); },
      load: (from, to) => table.load(order.slice(from, to)),
      sample: () => draw(table.row(0)),
    });

    function place(item) {
      at ??= new Map(order.map((row, k) => [row, k]));
      return at.get(places.get(item));
    }

    function arrange(state) {
      const now = [state.class, state.result, state.name, state.sort].join("\n");
      if (now !== before) {
        before = now;
        const fits = (name, k) => !state[name] || (whole[name][k] || "?") === state[name];
        const words = state.name.toLowerCase();
        const named = (k) => !words || whole.path[k].toLowerCase().includes(words);
        order = [...whole.key.keys()].filter((k) => fits("class", k) && fits("result", k) && named(k));
        const sign = { sure: -1, unsure: 1 }[state.sort] || 0;
        if (sign) order.sort((a, b) => sign * (whole.confidence[a] - whole.confidence[b]) || a - b);
        at = null;
        grid.update(order.length);
        const top = home.getBoundingClientRect().top + window.scrollY;
        if (window.scrollY > top) window.scrollTo(window.scrollX, top - 160);
      }
      return order.length;
    }

    return {
      has: (item) => places.has(item),
      fits: (item) => place(item) !== undefined,
      list: () => ({ length: order.length, indexOf: (item) => place(item) ?? -1, at: (k) => whole.key[order[k]] }),
      async link(item) {
        const row = places.get(item);
        await table.load([row]);
        return draw(table.row(row)).querySelector("a");
      },
      reveal(item) {
        grid.focus(place(item));
        grid.element(place(item)).firstElementChild?.classList.add("current");
      },
      arrange,
    };
  }

  // The first ones are in the page: they are in sight before all others are read, which takes a slow machine a second. An address
  // may ask for any.
  const first = [...list.querySelectorAll("img")].filter((image) => image.getBoundingClientRect().top < window.innerHeight);
  const seen = Promise.all(first.map((image) => image.decode().catch(() => null)));
  const late = new Promise((resolve) => { setTimeout(resolve, 2000); });
  const begin = window.location.hash.length > 1 ? Promise.resolve() : Promise.race([seen, late]);
  const painted = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve, 50)); });
  begin.then(painted).then(() => keyed(name)).then(async ([table, places]) => convscope.pictures(gridOf(table, await table.whole(), places)))
    .catch((error) => {
      convscope.say(list, error);
      delete list.dataset.table; // the first ones are in the page
      convscope.pictures();
    });
})();
