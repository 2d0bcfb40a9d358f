// The lightbox and the filters of a gallery page. The address after # is the only state: a picture's id, then filters and the like
// (#i-cat_12&class=cat&result=wrong), so that every view can be sent as a link. Pages read fine without this file.
//
// Pictures stand on shelves: those in the page on the one below, those of a table beside it on that of images.js. A shelf has
//   has(item)         whether the picture is on it
//   fits(item)        whether the filters let it be seen
//   list(item)        the ids of its group, as they are shown: an array, or what has length, indexOf and at like one
//   link(item)        a promise of its link: what is in it is enlarged, and a .caption or figcaption beside it says what it is
//   reveal(item)      go to it in the page, once it was looked at
//   arrange(state)    filter and sort: how many are shown, null where it has nothing that is filtered
(() => {
  "use strict";

  const NAMES = ["of", "class", "result", "name", "sort", "left", "right", "at"];
  const FILTERS = ["class", "result"];
  const dialog = document.querySelector("dialog.lightbox");
  const form = document.querySelector("form.filters");
  let opened = null; // the id of the picture that is shown
  let returning = false; // on the way back to the page as it was: the address follows a moment later
  let turned = -Infinity; // when the lightbox last opened or closed

  // ---- the address ----------------------------------------------------------------------------------------------

  function decode(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  function readState() {
    const state = { item: "" };
    for (const name of NAMES) state[name] = "";
    for (const part of location.hash.slice(1).split("&")) {
      const equals = part.indexOf("=");
      if (equals < 0) state.item = decode(part) || state.item;
      else if (NAMES.includes(part.slice(0, equals))) state[part.slice(0, equals)] = decode(part.slice(equals + 1));
    }
    if (!shelf(state.item)) state.item = "";
    for (const name of [...FILTERS, "sort"]) if (!offered(name, state[name])) state[name] = "";
    return state;
  }

  function address(state) {
    const parts = state.item ? [encodeURIComponent(state.item)] : [];
    for (const name of NAMES) if (state[name]) parts.push(`${name}=${encodeURIComponent(state[name])}`);
    return parts.length ? `#${parts.join("&")}` : location.pathname + location.search;
  }

  function go(state, push) {
    // A page from disk may change what follows # of its own address, and nothing else.
    const mark = { lightbox: push || Boolean(history.state && history.state.lightbox && state.item) };
    history[push ? "pushState" : "replaceState"](mark, "", address(state));
    apply();
  }

  // ---- the pictures in the page ---------------------------------------------------------------------------------

  const group = (link) => (link.closest("[data-group]") || { dataset: { group: "" } }).dataset.group;
  const inPage = {
    get(item) { return item ? document.querySelector(`[data-item="${CSS.escape(item)}"]`) : null; },
    has(item) { return Boolean(this.get(item)); },
    fits(item) { return !this.get(item).closest("[hidden]"); },
    list(item) {
      const links = [...document.querySelectorAll("[data-item]")];
      const name = group(this.get(item));
      return links.filter((link) => group(link) === name && !link.closest("[hidden]")).map((link) => link.dataset.item);
    },
    link(item) { return Promise.resolve(this.get(item)); },
    reveal(item) {
      document.getElementById(item).classList.add("current");
      this.get(item).focus({ preventScroll: true });
      this.get(item).scrollIntoView({ block: "nearest" });
    },
    arrange(state) {
      const list = document.querySelector(".pairs:not([data-table], .virtual), .explained");
      if (!list) return null;
      this.given ??= [...list.children]; // in the order the page came in
      const words = state.name.toLowerCase();
      const named = (entry) => !words || (entry.querySelector(".path") || entry).textContent.toLowerCase().includes(words);
      const fits = (entry) => FILTERS.every((name) => !state[name] || entry.dataset[name] === state[name]);
      const shown = this.given.filter((entry) => fits(entry) && named(entry));
      for (const entry of this.given) entry.hidden = !shown.includes(entry);
      const sure = (entry) => Number(entry.dataset.confidence);
      const sign = { sure: -1, unsure: 1 }[state.sort] || 0;
      if (sign || this.sorted) list.append(...(sign ? [...this.given].sort((a, b) => sign * (sure(a) - sure(b))) : this.given));
      this.sorted = Boolean(sign);
      return shown.length;
    },
  };
  const shelves = [inPage];
  const shelf = (item) => (item ? shelves.find((one) => one.has(item)) : undefined);

  // ---- filters --------------------------------------------------------------------------------------------------

  const chips = form ? [...form.querySelectorAll(".chip")] : [];
  const choices = form ? [...form.querySelectorAll("select")] : [];
  const field = form && form.querySelector("input");

  function offered(name, value) {
    return chips.some((chip) => chip.dataset.filter === name && chip.dataset.value === value) ||
      choices.some((choice) => choice.dataset.filter === name && [...choice.options].some((option) => option.value === value));
  }

  function filter(state) {
    if (!form) return;
    const counts = shelves.map((one) => one.arrange(state)).filter((count) => count !== null);
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.value === state[chip.dataset.filter]));
    for (const choice of choices) choice.value = state[choice.dataset.filter];
    if (field && field !== document.activeElement) field.value = state.name;
    if (!counts.length) return;
    form.querySelector(".shown-count").textContent = counts[0].toLocaleString("en");
    document.querySelector(".nothing").hidden = counts[0] > 0;
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const chip of chips) {
      chip.addEventListener("click", () => go({ ...readState(), item: "", [chip.dataset.filter]: chip.dataset.value }, false));
    }
    for (const choice of choices) {
      choice.addEventListener("change", () => go({ ...readState(), item: "", [choice.dataset.filter]: choice.value }, false));
    }
    let typed = 0;
    if (field) {
      field.addEventListener("input", () => {
        clearTimeout(typed);
        typed = setTimeout(() => go({ ...readState(), item: "", name: field.value.trim() }, false), 150);
      });
    }
    const reset = document.querySelector(".nothing .reset");
    if (reset) reset.addEventListener("click", () => go({ item: "", class: "", result: "", name: "" }, false));
  }

  // ---- lightbox -------------------------------------------------------------------------------------------------

  function drawPattern(link, stage) {
    const { sheet, cell } = link.closest("[data-sheet]").dataset;
    const side = Number(cell);
    const canvas = document.createElement("canvas");
    canvas.className = "pattern";
    // Four times its size, so that a browser's plain enlargement of the canvas stays smooth.
    canvas.width = canvas.height = 4 * side;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", link.querySelector(".sprite").getAttribute("aria-label"));
    const picture = new Image();
    picture.addEventListener("load", () => {
      // Cut out first, then enlarge: enlarging straight from the grid would mix its margins into the edges.
      const cut = document.createElement("canvas");
      cut.width = cut.height = side;
      cut.getContext("2d").drawImage(picture, Number(link.dataset.left), Number(link.dataset.top), side, side, 0, 0, side, side);
      const pen = canvas.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(cut, 0, 0, canvas.width, canvas.height);
      canvas.dataset.drawn = "yes";
    });
    picture.src = sheet;
    stage.append(canvas);
  }

  function drawPictures(link, stage) {
    for (const part of link.children) {
      const copy = part.cloneNode(true);
      for (const picture of [copy, ...copy.querySelectorAll("img")]) picture.removeAttribute("loading");
      stage.append(copy);
    }
    const together = Boolean(link.closest(".pair, .explained, .maps"));
    stage.classList.toggle("pair", together && stage.children.length <= 2);
    stage.classList.toggle("many", together && stage.children.length > 2);
    if (stage.children.length === 1) stage.firstElementChild.classList.add("whole");
  }

  async function show(state) {
    const { item } = state;
    const place = shelf(item);
    opened = item;
    const link = await place.link(item);
    if (opened !== item) return; // another one was asked for meanwhile
    const stage = dialog.querySelector(".lightbox-stage");
    const file = dialog.querySelector(".lightbox-file");
    const pattern = "left" in link.dataset;
    stage.replaceChildren();
    stage.className = "lightbox-stage";
    stage.scrollTop = 0;
    const over = convscope.compare(dialog, link, state, (change) => go({ ...readState(), ...change }, false));
    if (pattern) drawPattern(link, stage);
    else if (!over) drawPictures(link, stage);
    const caption = link.parentElement.querySelector(".caption, figcaption").cloneNode(true);
    for (const part of caption.querySelectorAll("[tabindex]")) part.removeAttribute("tabindex");
    dialog.querySelector(".lightbox-caption").replaceChildren(...caption.childNodes);
    file.href = pattern ? link.closest("[data-sheet]").dataset.sheet : link.href;
    file.textContent = pattern ? "Open grid" : "Open file";
    const list = place.list(item);
    const words = (count) => count.toLocaleString("en");
    dialog.querySelector(".lightbox-count").textContent = `${words(list.indexOf(item) + 1)} of ${words(list.length)}`;
    for (const button of dialog.querySelectorAll(".lightbox-previous, .lightbox-next")) button.hidden = list.length < 2;
    if (!dialog.open) {
      turned = performance.now();
      dialog.showModal();
      dialog.querySelector(".lightbox-close").focus();
    }
  }

  function conceal() {
    const item = opened;
    opened = null;
    if (dialog.open) {
      turned = performance.now();
      dialog.close();
    }
    if (!item) return;
    for (const other of document.querySelectorAll(".current")) other.classList.remove("current");
    const place = shelf(item);
    if (place) place.reveal(item);
  }

  function step(by) {
    if (!opened) return;
    const list = shelf(opened).list(opened);
    const next = list.at((list.indexOf(opened) + by + list.length) % list.length);
    const link = inPage.get(opened);
    // Where the next one is another method of the same picture, it is that one's turn to be compared.
    const turn = link && link.closest(".one-image, .explained") ? { right: "" } : {};
    go({ ...readState(), ...turn, item: next }, false);
  }

  function close() {
    if (returning || !opened) return; // a second step back would leave the page
    if (history.state && history.state.lightbox) {
      returning = true;
      history.back(); // the page as it was when the picture was opened
    } else go({ ...readState(), item: "", left: "", right: "", at: "" }, false);
  }

  function apply() {
    let state = readState();
    filter(state);
    if (state.item && !shelf(state.item).fits(state.item)) {
      // A link to a picture outweighs filters that hide it.
      state = { ...state, class: "", result: "", name: "" };
      filter(state);
      history.replaceState(history.state, "", address(state));
    }
    if (!dialog) return;
    if (state.item) show(state).catch((error) => convscope.say(dialog.querySelector(".lightbox-stage"), error));
    else conceal();
  }

  if (dialog) {
    // The second click of a double click, and a key pressed twice or held down, go to what the first one opened or uncovered.
    document.addEventListener("click", (event) => {
      const again = event.detail > 1 || (event.detail === 0 && dialog.open);
      if (!again || performance.now() - turned > 400) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    }, true);
    document.addEventListener("keydown", (event) => {
      if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    }, true);
    document.addEventListener("click", (event) => {
      const link = event.target.closest("[data-item]");
      if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go({ ...readState(), item: link.dataset.item }, true);
    });
    dialog.querySelector(".lightbox-previous").addEventListener("click", () => step(-1));
    dialog.querySelector(".lightbox-next").addEventListener("click", () => step(1));
    dialog.querySelector(".lightbox-close").addEventListener("click", close);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close();
    });
    dialog.addEventListener("close", () => {
      if (opened) close(); // the browser closed it by itself
    });
    dialog.querySelector(".lightbox-stage").addEventListener("click", (event) => {
      if (event.target === event.currentTarget) close();
    });
    document.addEventListener("keydown", (event) => {
      if (!opened || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select, input")) return;
      const steps = { ArrowLeft: -1, ArrowRight: 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      step(steps[event.key]);
    });
    let touched = null;
    dialog.addEventListener("touchstart", (event) => {
      touched = event.touches.length === 1 && !event.target.closest("input") ? event.touches[0] : null;
    }, { passive: true });
    dialog.addEventListener("touchend", (event) => {
      if (!touched) return;
      const across = event.changedTouches[0].clientX - touched.clientX;
      const down = event.changedTouches[0].clientY - touched.clientY;
      touched = null;
      if (Math.abs(across) > 50 && Math.abs(across) > 2 * Math.abs(down)) step(across < 0 ? 1 : -1);
    }, { passive: true });
  }

  // ---- from page to page ----------------------------------------------------------------------------------------

  for (const hint of document.querySelectorAll(".keys")) hint.hidden = !document.querySelector("[data-key]");
  document.addEventListener("keydown", (event) => {
    if (opened || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest && event.target.closest("input, select, textarea, .scroll")) return; // arrows are theirs
    const link = document.querySelector(`[data-key="${CSS.escape((event.shiftKey ? "Shift+" : "") + event.key)}"]`);
    if (!link) return;
    event.preventDefault();
    location.assign(link.href);
  });

  window.addEventListener("popstate", () => {
    returning = false;
    apply();
  });
  window.addEventListener("hashchange", apply);
  // Another script has pictures of its own, or has drawn the page anew.
  convscope.pictures = (own) => {
    if (own) shelves.unshift(own);
    apply();
  };
  apply();
})();
