// A grid of thousands of cells of one size, of which only those in sight (and some around them) are in the page.
//
//   const grid = convscope.virtual(home, {
//     count: 10000,             // how many cells
//     least: 320,               // a cell is at least as wide (px); there are as many columns as fit
//     cell: (k) => element,     // draws cell k anew, all of the same height; null where it cannot be drawn yet
//     load: (from, to) => null, // optional: a promise where some of the cells from..to-1 cannot be drawn yet; they are drawn after it
//     sample: () => element,    // optional: a cell to measure the height by, where cell(0) may be null
//     printed: 120,             // how many cells are printed, from the first one in sight on
//     words: (from, to) => "…", // said on paper instead of "Printed: 1 to 120 of 10,000"
//   });
//   grid.update(count, place)   // other cells, or others' order: after sorting and filtering; `place` is the cell to go to, if any
//   grid.draw(k)                // draw a cell again that is in the page
//   grid.element(k)             // the cell's element, null where it is not in the page
//   grid.show(k)                // scroll to a cell
//   grid.focus(k)               // and put the focus on it
//
// `home` is an empty element with an aria-label; it becomes an ARIA grid, one stop of the Tab key: the arrow keys, Home, End,
// Page Up and Page Down go from cell to cell, Ctrl+Home and Ctrl+End to the first and the last. The window scrolls.
(() => {
  "use strict";

  const REACHABLE = "a[href], button, input, select, summary";

  function virtual(home, options) {
    const { cell, load = () => null, sample = () => cell(0), least = 240, printed = 120 } = options;
    let count = options.count;
    let columns = 1;
    let height = 0; // of a row, with the gap below it
    let gap = 0; // below a row
    let current = 0; // the cell that Tab comes to
    let drawn = new Map(); // number of a row -> its element
    let waiting = false; // for the next frame
    let printing = false;
    let scrolled = 0; // where the page was before it was printed
    let width = 0;

    home.classList.add("virtual");
    home.setAttribute("role", "grid");
    home.replaceChildren();
    const note = document.createElement("p");
    note.className = "virtual-note";
    home.before(note);

    const rows = () => Math.ceil(count / columns);
    const row = (k) => Math.floor(k / columns);

    // ---- drawing --------------------------------------------------------------------------------------------------

    function cellElement(k) {
      const box = document.createElement("div");
      box.setAttribute("role", "gridcell");
      box.setAttribute("aria-colindex", (k % columns) + 1);
      box.dataset.cell = k;
      fill(box, k);
      return box;
    }

    function fill(box, k) {
      const drawing = cell(k);
      box.classList.toggle("pending", !drawing);
      box.replaceChildren(...(drawing ? [drawing] : []));
      reach(box, k === current);
    }

    // Of all cells only the current one's links can be reached by Tab.
    function reach(box, is) {
      const own = box.querySelectorAll(REACHABLE);
      for (const link of own) link.tabIndex = is ? 0 : -1;
      if (!own.length) box.tabIndex = is ? 0 : -1;
    }

    function rowElement(number) {
      const line = document.createElement("div");
      line.setAttribute("role", "row");
      line.setAttribute("aria-rowindex", number + 1);
      for (let k = number * columns; k < Math.min(count, (number + 1) * columns); k += 1) line.append(cellElement(k));
      line.style.top = `${number * height}px`;
      line.style.minHeight = `${height - gap}px`;
      return line;
    }

    // Rows are in the page in their order, whichever came first: what is read aloud follows it.
    function put(number) {
      if (drawn.has(number)) return;
      const line = rowElement(number);
      const after = [...drawn.keys()].filter((other) => other > number);
      home.insertBefore(line, after.length ? drawn.get(Math.min(...after)) : null);
      drawn.set(number, line);
    }

    function sight() {
      const top = -home.getBoundingClientRect().top;
      const first = Math.floor(top / height);
      const last = Math.floor((top + window.innerHeight) / height);
      return [Math.max(0, Math.min(first, rows() - 1)), Math.max(0, Math.min(last, rows() - 1))];
    }

    function render() {
      waiting = false;
      if (printing || !count || !height) return;
      const [first, last] = sight();
      const around = Math.max(2, Math.ceil((last - first + 1) / 2));
      const from = Math.max(0, first - around);
      const to = Math.min(rows() - 1, last + around);
      // The current row stays: Tab comes to it, wherever the page was scrolled to. Where it has the focus, its neighbours do too.
      const held = row(current);
      const beside = home.contains(document.activeElement) ? 1 : 0;
      for (const [number, line] of drawn) {
        if ((number < from || number > to) && Math.abs(number - held) > beside) {
          line.remove();
          drawn.delete(number);
        }
      }
      for (let number = from; number <= to; number += 1) put(number);
      for (let number = Math.max(0, held - beside); number <= Math.min(rows() - 1, held + beside); number += 1) put(number);
      fetch(from * columns, Math.min(count, (to + 1) * columns));
    }

    function fetch(from, to) {
      const promise = load(from, to);
      if (!promise) return;
      home.setAttribute("aria-busy", "true");
      promise.then(() => {
        for (const box of home.querySelectorAll(".pending")) draw(Number(box.dataset.cell));
      }, (error) => convscope.say(note, error)).finally(() => home.removeAttribute("aria-busy"));
    }

    function soon() {
      if (!waiting) window.requestAnimationFrame(render);
      waiting = true;
    }

    function element(k) {
      const line = drawn.get(row(k));
      return line ? line.children[k % columns] : null;
    }

    function draw(k) {
      const box = element(k);
      if (!box) return;
      const had = box.contains(document.activeElement);
      fill(box, k);
      if (had) focusable(box).focus({ preventScroll: true });
    }

    function clear() {
      for (const line of drawn.values()) line.remove();
      drawn = new Map();
    }

    // How many columns fit, and how high a row is: one is drawn and measured.
    function measure() {
      home.hidden = !count;
      width = home.clientWidth;
      const style = getComputedStyle(home);
      const beside = Number.parseFloat(style.columnGap) || 0;
      gap = Number.parseFloat(style.rowGap) || 0;
      columns = Math.max(1, Math.floor((width + beside) / (Math.min(least, width) + beside)));
      home.style.setProperty("--columns", columns);
      home.setAttribute("aria-rowcount", rows());
      home.setAttribute("aria-colcount", columns);
      clear();
      if (!count || !width) return;
      const line = document.createElement("div");
      line.setAttribute("role", "row");
      line.append(sample());
      home.append(line);
      height = line.getBoundingClientRect().height + gap;
      line.remove();
      home.style.height = `${rows() * height - gap}px`;
    }

    function resize() {
      if (home.clientWidth === width || printing || !home.clientWidth) return;
      const [first] = height ? sight() : [0];
      const under = height ? home.getBoundingClientRect().top + first * height : 0;
      const kept = first * columns;
      const focused = home.contains(document.activeElement);
      measure();
      // The cell that was the first in sight stays it.
      if (kept) window.scrollBy(0, home.getBoundingClientRect().top + row(kept) * height - under);
      render();
      if (focused) focus(current);
    }

    // ---- the way to a cell ----------------------------------------------------------------------------------------

    const focusable = (box) => box.querySelector(REACHABLE) || box;

    function show(k) {
      put(row(k));
      drawn.get(row(k)).scrollIntoView({ block: "nearest" });
      render();
    }

    function choose(k) {
      const [before, after] = [element(current), element(k)];
      if (before) reach(before, false);
      current = k;
      if (after) reach(after, true);
    }

    function focus(k) {
      choose(k);
      show(k);
      focusable(element(k)).focus({ preventScroll: true });
      render();
    }

    function key(event) {
      if (event.altKey || event.metaKey || event.shiftKey || !count) return;
      if (event.target.matches("input, select, textarea")) return; // these keys are theirs
      const [first, last] = sight();
      const page = Math.max(1, last - first) * columns;
      const start = current - (current % columns);
      const far = event.ctrlKey;
      const places = far ? { Home: 0, End: count - 1 } : {
        ArrowLeft: current - 1,
        ArrowRight: current + 1,
        ArrowUp: current - columns,
        ArrowDown: current + columns,
        Home: start,
        End: start + columns - 1,
        PageUp: current - page,
        PageDown: current + page,
      };
      if (!(event.key in places)) return;
      event.preventDefault();
      let to = places[event.key];
      // Up and down stay in their column, as far as there is one.
      if (to < 0) to = ["ArrowUp", "PageUp"].includes(event.key) ? current % columns : 0;
      focus(Math.min(to, count - 1));
    }

    home.addEventListener("keydown", key);
    home.addEventListener("focusin", (event) => {
      const box = event.target.closest("[data-cell]");
      if (box && Number(box.dataset.cell) !== current) choose(Number(box.dataset.cell));
    });
    window.addEventListener("scroll", soon, { passive: true });
    window.addEventListener("resize", soon, { passive: true });
    new ResizeObserver(resize).observe(home);

    // ---- on paper -------------------------------------------------------------------------------------------------

    window.addEventListener("beforeprint", () => {
      if (!count || !height) return;
      printing = true;
      scrolled = window.scrollY;
      const from = sight()[0] * columns;
      const to = Math.min(count, from + printed);
      clear();
      for (let number = row(from); number <= row(to - 1); number += 1) put(number);
      const words = (k) => k.toLocaleString("en");
      note.textContent = options.words ? options.words(from, to) : `Printed: ${words(from + 1)} to ${words(to)} of ${words(count)}`;
    });
    window.addEventListener("afterprint", () => {
      printing = false;
      clear();
      // Laid out for paper the page was shorter, and lost its place.
      window.requestAnimationFrame(() => {
        window.scrollTo(window.scrollX, scrolled);
        render();
      });
    });

    function update(number, place) {
      count = number;
      const focused = home.contains(document.activeElement);
      current = Math.max(0, Math.min(place ?? 0, count - 1));
      measure();
      render();
      if (!count) return;
      if (place !== undefined) show(place);
      if (focused) focus(current);
    }

    measure();
    render();
    return { update, draw, element, show, focus };
  }

  window.convscope = Object.assign(window.convscope || {}, { virtual });
})();
