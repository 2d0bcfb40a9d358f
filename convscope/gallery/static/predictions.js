// Sorts and filters the table of predictions. The address after # is the only state (#result=wrong&truth=cat&sort=path),
// so that every view can be sent as a link. The page reads fine without this file.
(() => {
  "use strict";

  const bar = document.getElementById("choose");
  const table = document.querySelector("table.predictions");
  if (!table) return;
  const body = table.tBodies[0];
  const PART = 200; // rows that are laid out at first, and more whenever the last one comes into sight
  const given = [...body.rows]; // the order the page came in
  const chips = [...bar.querySelectorAll(".chip")];
  const choices = [...bar.querySelectorAll("select")];
  const heads = [...table.querySelectorAll("th[data-sort]")];
  const numeric = new Set(["confidence", "of_truth", "error"]);
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function read() {
    const state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    if (!chips.some((chip) => chip.dataset.result === state.result)) delete state.result;
    for (const choice of choices) {
      const name = choice.dataset.column;
      if (![...choice.options].some((option) => option.value === state[name])) delete state[name];
    }
    if (!heads.some((head) => head.dataset.sort === state.sort)) delete state.sort;
    return state;
  }

  function change(part) {
    const state = new URLSearchParams(Object.entries({ ...read(), ...part }).filter(([, value]) => value));
    const hash = state.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    apply();
  }

  function sorted(state) {
    if (!state.sort) return given;
    const sign = state.order === "down" ? -1 : 1;
    const value = (row) => row.dataset[state.sort];
    const compare = numeric.has(state.sort)
      ? (a, b) => Number(value(a) || -1) - Number(value(b) || -1)
      : (a, b) => words.compare(value(a), value(b));
    return [...given].sort((a, b) => sign * compare(a, b)); // stable: equal ones stay as they came
  }

  let moved = false; // whether the rows are in another order than they came in
  let fitting = []; // the rows that the choice lets through, in their order
  let laid = 0; // how many of them are laid out

  function more(count) {
    for (const row of fitting.slice(laid, laid + count)) row.hidden = false;
    laid = Math.min(laid + count, fitting.length);
    ends.disconnect();
    if (laid < fitting.length) ends.observe(fitting[laid - 1]);
  }

  const ends = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) more(PART);
  }, { rootMargin: "1500px" });

  function apply() {
    const state = read();
    const order = sorted(state);
    fitting = order.filter((row) =>
      ["result", "truth", "predicted"].every((name) => !state[name] || row.dataset[name] === state[name]));
    for (const row of given) row.hidden = true;
    if (state.sort || moved) body.append(...order);
    moved = Boolean(state.sort);
    laid = 0;
    more(PART);
    const shown = fitting.length;
    table.setAttribute("aria-rowcount", shown + 1);
    for (const [k, row] of fitting.entries()) row.setAttribute("aria-rowindex", k + 2);
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.result === (state.result || "")));
    for (const choice of choices) choice.value = state[choice.dataset.column] || "";
    for (const head of heads) {
      const mine = head.dataset.sort === state.sort;
      head.setAttribute("aria-sort", mine ? (state.order === "down" ? "descending" : "ascending") : "none");
    }
    bar.querySelector(".shown-count").textContent = shown.toLocaleString("en");
    document.querySelector(".nothing").hidden = shown > 0;
  }

  // Up, down, and as it came: a third press undoes the sorting.
  function press(name) {
    const state = read();
    const first = numeric.has(name) ? "down" : "up";
    const second = first === "up" ? "down" : "up";
    if (state.sort !== name) change({ sort: name, order: first });
    else if ((state.order || "up") === first) change({ sort: name, order: second });
    else change({ sort: "", order: "" });
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => press(head.dataset.sort));
  }
  for (const chip of chips) chip.addEventListener("click", () => change({ result: chip.dataset.result }));
  for (const choice of choices) {
    choice.addEventListener("change", () => change({ [choice.dataset.column]: choice.value }));
  }
  document.querySelector(".nothing .reset").addEventListener("click", () => change({ result: "", truth: "", predicted: "" }));
  window.addEventListener("hashchange", apply);
  window.addEventListener("beforeprint", () => more(fitting.length));
  bar.hidden = false;
  apply();
})();
