// Two pictures of the same thing one over the other in the lightbox, with a slider between them: a photo and what a method makes of
// it, two methods, two models. The choice is in the address (left, right, at), so that it stays from picture to picture.
(() => {
  "use strict";

  const dialog = document.querySelector("dialog.lightbox");
  window.convscope = Object.assign(window.convscope || {}, { compare: () => false });
  if (!dialog) return;
  const button = dialog.querySelector(".lightbox-over");
  const box = dialog.querySelector(".lightbox-between");
  const [left, right] = box.querySelectorAll("select");
  const slider = box.querySelector("input");
  let now = null; // what is compared: { pictures: name -> address, over, change }

  // The pictures that belong to a link's: by name, in the order of the page.
  function pictures(link) {
    const scope = link.closest(".pair, .explained > li, .one-image");
    const found = new Map();
    for (const picture of scope ? scope.querySelectorAll("img[data-name]") : []) {
      if (!found.has(picture.dataset.name)) found.set(picture.dataset.name, picture.src);
    }
    return found;
  }

  function own(link, other) {
    const names = [...link.querySelectorAll("img[data-name]")].map((picture) => picture.dataset.name);
    return names.reverse().find((name) => name !== other);
  }

  function blend() {
    now.over.lastElementChild.style.opacity = slider.value / 100;
    slider.setAttribute("aria-valuetext", `${slider.value} % ${right.value}`);
  }

  function paint(chosen) {
    const names = [...now.pictures.keys()];
    for (const [k, choice] of [left, right].entries()) {
      choice.replaceChildren(...names.map((name) => new Option(name, name)));
      choice.value = chosen[k];
      now.over.children[k].src = now.pictures.get(chosen[k]);
      now.over.children[k].alt = chosen[k];
    }
    blend();
  }

  // Ready the lightbox for a link's pictures; true where they are drawn here, one over the other.
  convscope.compare = (_, link, state, change) => {
    const found = pictures(link);
    const can = found.size > 1;
    const on = can && state.at !== "";
    button.hidden = !can;
    button.setAttribute("aria-pressed", String(on));
    button.onclick = () => change(on ? { left: "", right: "", at: "" } : { at: "50" });
    box.hidden = !on;
    now = null;
    if (!on) return false;
    const over = document.createElement("div");
    over.className = "over";
    for (const _of of [left, right]) {
      const picture = new Image();
      picture.decoding = "sync"; // no gap where one takes the other's place
      over.append(picture);
    }
    dialog.querySelector(".lightbox-stage").append(over);
    const mine = { pictures: found, over, change };
    now = mine;
    const choose = () => {
      const first = found.has(state.left) ? state.left : found.keys().next().value;
      const second = found.has(state.right) ? state.right : own(link, first) || [...found.keys()].find((name) => name !== first);
      paint([first, second]);
    };
    slider.value = Math.max(0, Math.min(100, Number(state.at) || 0));
    choose();
    // Pictures by other models are in tables of their own.
    if (convscope.others) {
      convscope.others(link.dataset.item).then((others) => {
        for (const [name, address] of others) if (!found.has(name)) found.set(name, address);
        if (now === mine && others.length) choose();
      }, (error) => convscope.say(box, error));
    }
    return true;
  };

  const keep = () => now && now.change({ left: left.value, right: right.value, at: slider.value });
  slider.addEventListener("input", () => now && blend());
  for (const control of [left, right, slider]) control.addEventListener("change", keep);
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 10, ArrowDown: -10 }[event.key];
    if (!now || !by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select, input")) return;
    event.preventDefault();
    slider.value = Number(slider.value) + by;
    keep();
  });
})();
