// The lightbox and the filters of a gallery page. The address after # is the only state: a picture's id, then filters
// (#i-cat_12&class=cat&result=wrong), so that every view can be sent as a link. Pages read fine without this file.
(() => {
  "use strict";

  const dialog = document.querySelector("dialog.lightbox");
  const form = document.querySelector("form.filters");
  const items = new Map([...document.querySelectorAll("[data-item]")].map((link) => [link.dataset.item, link]));
  let opened = null; // the link whose picture is shown
  let returning = false; // on the way back to the page as it was: the address follows a moment later
  let turned = -Infinity; // when the lightbox last opened or closed

  // ---- the address ----------------------------------------------------------------------------------------------

  function decode(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  function readState() {
    const state = { item: "", class: "", result: "" };
    for (const part of location.hash.slice(1).split("&")) {
      const equals = part.indexOf("=");
      if (equals < 0) state.item = decode(part) || state.item;
      else if (["class", "result"].includes(part.slice(0, equals))) state[part.slice(0, equals)] = decode(part.slice(equals + 1));
    }
    if (!items.has(state.item)) state.item = "";
    for (const name of ["class", "result"]) if (!chip(name, state[name])) state[name] = "";
    return state;
  }

  function address(state) {
    const parts = state.item ? [encodeURIComponent(state.item)] : [];
    for (const name of ["class", "result"]) if (state[name]) parts.push(`${name}=${encodeURIComponent(state[name])}`);
    return parts.length ? `#${parts.join("&")}` : location.pathname + location.search;
  }

  function go(state, push) {
    // A page from disk may change what follows # of its own address, and nothing else.
    const mark = { lightbox: push || Boolean(history.state && history.state.lightbox && state.item) };
    history[push ? "pushState" : "replaceState"](mark, "", address(state));
    apply();
  }

  // ---- filters --------------------------------------------------------------------------------------------------

  const chips = form ? [...form.querySelectorAll(".chip")] : [];

  function chip(name, value) {
    return chips.find((button) => button.dataset.filter === name && button.dataset.value === value);
  }

  function filter(state) {
    const list = document.querySelector(".pairs, .explained");
    if (!form || !list) return;
    let shown = 0;
    for (const entry of list.children) {
      const fits = ["class", "result"].every((name) => !state[name] || entry.dataset[name] === state[name]);
      entry.hidden = !fits;
      shown += fits;
    }
    for (const button of chips) button.setAttribute("aria-pressed", String(button.dataset.value === state[button.dataset.filter]));
    form.querySelector(".shown-count").textContent = shown;
    document.querySelector(".nothing").hidden = shown > 0;
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const button of chips) {
      button.addEventListener("click", () => go({ ...readState(), item: "", [button.dataset.filter]: button.dataset.value }, false));
    }
    const reset = document.querySelector(".nothing .reset");
    if (reset) reset.addEventListener("click", () => go({ item: "", class: "", result: "" }, false));
  }

  // ---- lightbox -------------------------------------------------------------------------------------------------

  function neighbours(link) {
    const group = link.closest("[data-group]");
    const name = group ? group.dataset.group : "";
    return [...items.values()].filter((other) => {
      const home = other.closest("[data-group]");
      return (home ? home.dataset.group : "") === name && !other.closest("[hidden]");
    });
  }

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

  function show(link) {
    const stage = dialog.querySelector(".lightbox-stage");
    const file = dialog.querySelector(".lightbox-file");
    const pattern = "left" in link.dataset;
    stage.replaceChildren();
    if (pattern) drawPattern(link, stage);
    else for (const part of link.children) {
      const copy = part.cloneNode(true);
      copy.removeAttribute("loading");
      stage.append(copy);
    }
    const together = Boolean(link.closest(".pairs, .explained, .maps"));
    stage.classList.toggle("pair", together && stage.children.length <= 2);
    stage.classList.toggle("many", together && stage.children.length > 2);
    stage.scrollTop = 0;
    if (!pattern && stage.children.length === 1) stage.firstElementChild.classList.add("whole");
    const home = document.getElementById(link.dataset.item);
    const caption = home.querySelector(".caption, figcaption").cloneNode(true);
    dialog.querySelector(".lightbox-caption").replaceChildren(...caption.childNodes);
    file.href = pattern ? link.closest("[data-sheet]").dataset.sheet : link.href;
    file.textContent = pattern ? "Open grid" : "Open file";
    const list = neighbours(link);
    dialog.querySelector(".lightbox-count").textContent = `${list.indexOf(link) + 1} of ${list.length}`;
    for (const button of dialog.querySelectorAll(".lightbox-previous, .lightbox-next")) button.hidden = list.length < 2;
    opened = link;
    if (!dialog.open) {
      turned = performance.now();
      dialog.showModal();
      dialog.querySelector(".lightbox-close").focus();
    }
  }

  function conceal() {
    const link = opened;
    opened = null;
    if (dialog.open) {
      turned = performance.now();
      dialog.close();
    }
    if (!link) return;
    for (const other of document.querySelectorAll(".current")) other.classList.remove("current");
    document.getElementById(link.dataset.item).classList.add("current");
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    if (!opened) return;
    const list = neighbours(opened);
    const next = list[(list.indexOf(opened) + by + list.length) % list.length];
    go({ ...readState(), item: next.dataset.item }, false);
  }

  function close() {
    if (returning || !opened) return; // a second step back would leave the page
    if (history.state && history.state.lightbox) {
      returning = true;
      history.back(); // the page as it was when the picture was opened
    } else go({ ...readState(), item: "" }, false);
  }

  function apply() {
    let state = readState();
    filter(state);
    const link = items.get(state.item);
    if (link && link.closest("[hidden]")) {
      // A link to a picture outweighs filters that hide it.
      state = { ...state, class: "", result: "" };
      filter(state);
      history.replaceState(history.state, "", address(state));
    }
    if (!dialog) return;
    if (link) show(link);
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
    for (const [item, link] of items) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go({ ...readState(), item }, true);
      });
    }
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
      if (!opened || event.altKey || event.ctrlKey || event.metaKey) return;
      const steps = { ArrowLeft: -1, ArrowRight: 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      step(steps[event.key]);
    });
    let touched = null;
    dialog.addEventListener("touchstart", (event) => {
      touched = event.touches.length === 1 ? event.touches[0] : null;
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

  const steps = new Map([...document.querySelectorAll("[data-key]")].map((link) => [link.dataset.key, link]));
  for (const hint of document.querySelectorAll(".keys")) hint.hidden = !steps.size;
  document.addEventListener("keydown", (event) => {
    if (opened || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest && event.target.closest("input, select, textarea, .scroll")) return; // arrows are theirs
    const link = steps.get((event.shiftKey ? "Shift+" : "") + event.key);
    if (!link) return;
    event.preventDefault();
    location.assign(link.href);
  });

  window.addEventListener("popstate", () => {
    returning = false;
    apply();
  });
  window.addEventListener("hashchange", apply);
  apply();
})();
