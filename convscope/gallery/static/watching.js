// The slider through the epochs of a page "while it learned". The address after # is the only state (#epoch=7), so that every
// view can be sent as a link. Pages show every epoch side by side without this file.
(() => {
  "use strict";

  const form = document.querySelector(".scrubber");
  if (!form) return;
  const parts = [...document.querySelectorAll(".watch")];
  const epochs = parts[0].dataset.epochs.split(" ");
  const range = form.querySelector("input");
  const play = form.querySelector(".play");
  const tallies = [...form.querySelectorAll(".tallies > span")];
  const cursors = [...document.querySelectorAll(".curve")].map((curve) => [curve.querySelector(".cursor"), [...curve.querySelectorAll(".tick")]]);
  const images = [...document.querySelectorAll(".watched > li")].map((item) => [item, [...item.querySelectorAll(".answers > li")]]);
  let timer = 0;

  function show(place) {
    for (const part of parts) part.style.setProperty("--e", place);
    range.value = place;
    range.setAttribute("aria-valuetext", `epoch ${epochs[place]}`);
    form.querySelector("output").textContent = epochs[place];
    tallies.forEach((tally, index) => { tally.hidden = index !== place; });
    for (const [line, ticks] of cursors) {
      const x = ticks[place].getAttribute("x");
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      ticks.forEach((tick, index) => tick.classList.toggle("current", index === place));
    }
    for (const [item, answers] of images) {
      answers.forEach((answer, index) => answer.classList.toggle("current", index === place));
      item.querySelector(".now").replaceChildren(...answers[place].cloneNode(true).childNodes);
      for (const name of ["right", "wrong", "flipped"]) item.classList.toggle(name, answers[place].classList.contains(name));
    }
  }

  function go(place) {
    // A page from disk may change what follows # of its own address, and nothing else.
    history.replaceState(history.state, "", `#epoch=${epochs[place]}`);
    show(place);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function step(by) {
    stop();
    go(Math.min(Math.max(Number(range.value) + by, 0), epochs.length - 1));
  }

  function fromAddress() {
    const found = /^#epoch=(\d+)$/.exec(location.hash);
    const place = found ? epochs.indexOf(found[1]) : -1;
    if (place >= 0) show(place);
  }

  for (const part of parts) part.classList.add("live");
  for (const cells of document.querySelectorAll(".watch .cells")) cells.hidden = false;
  for (const still of document.querySelectorAll(".watch .still")) still.open = false;
  for (const now of document.querySelectorAll(".now")) now.hidden = false;
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  range.addEventListener("input", () => {
    stop();
    go(Number(range.value));
  });
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Stop";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => go((Number(range.value) + 1) % epochs.length), 700);
  });
  for (const [, answers] of images) {
    answers.forEach((answer, index) => answer.addEventListener("click", () => {
      stop();
      go(index);
    }));
  }
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest && event.target.closest("input, select, textarea, .scroll")) return; // arrows are theirs
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -epochs.length, End: epochs.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    step(steps[event.key]);
  });
  window.addEventListener("hashchange", fromAddress);
  show(Number(range.value));
  fromAddress();
})();
