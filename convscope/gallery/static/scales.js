// Every method's map of a picture on one scale, which convscope/gallery/one_scale.py has worked out; or by rank.
(() => {
  "use strict";

  const home = document.getElementById("one-scale");
  if (!home) return;
  const rows = JSON.parse(home.dataset.scales);
  const stage = home.querySelector(".scale-rows");
  // Pale where there is nothing: towards red what speaks for the class, towards blue what speaks against it.
  const FOR = [[247, 247, 247], [253, 190, 133], [230, 85, 13], [127, 20, 0]];
  const AGAINST = [[247, 247, 247], [158, 202, 225], [33, 113, 181], [8, 29, 88]];

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const short = (value) => (value >= 100 ? Math.round(value).toString() : Number(value.toPrecision(2)).toString());

  function colour(share) {
    const scale = share < 0 ? AGAINST : FOR;
    const at = Math.min(Math.abs(share), 1) * (scale.length - 1);
    const low = Math.min(Math.floor(at), scale.length - 2);
    return scale[low].map((value, j) => value + (at - low) * (scale[low + 1][j] - value));
  }

  function painted(width, height, shares, label) {
    const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
    const pen = canvas.getContext("2d");
    const pixels = pen.createImageData(width, height);
    shares.forEach((share, j) => pixels.data.set([...colour(share), 255], 4 * j));
    pen.putImageData(pixels, 0, 0);
    return canvas;
  }

  // Signed bytes of -127..127 as shares.
  const sharesOf = (packed) => Array.from(Int8Array.from(atob(packed), (sign) => sign.charCodeAt(0)), (level) => level / 127);

  function draw() {
    const byRank = home.querySelector("input:checked").value === "rank";
    stage.replaceChildren(...rows.map((row) => {
      const signed = row.maps.some((map) => map.signed);
      const list = make("ul", { class: "scale-maps" }, ...row.maps.map((map) => {
        const shares = sharesOf(byRank ? map.ranks : map.levels);
        const words = byRank ? map.title : `${map.title}, at most ${short(map.most)} times even`;
        return make("li", {}, painted(map.shape[1], map.shape[0], shares, `${words}${row.class ? `, for ${row.class}` : ""}`),
          make("p", {}, make("strong", {}, map.title)), make("p", { class: "muted" }, byRank ? "" : `at most ${short(map.most)} times`));
      }));
      const steps = Array.from({ length: 120 }, (_, k) => (signed ? (2 * k) / 119 - 1 : k / 119));
      const top = byRank ? "the strongest cells" : `${short(row.top)} times and more`;
      const ends = signed ? [`${top}, against it`, "nothing", `${top}, for it`] : [byRank ? "the weakest cells" : "nothing", top];
      const bar = make("div", { class: "scale-bar" }, painted(120, 1, steps, `Scale from ${ends[0]} to ${ends.at(-1)}`),
        make("p", { class: "muted scale-ends" }, ...ends.map((words) => make("span", {}, words))));
      return make("div", {}, make("h3", {}, row.class ? `For ${row.class}` : "Of any class"), list, bar);
    }));
    home.querySelector(".scale-words").textContent = byRank
      ? "Each map by rank: how many of its own cells have less. It shows where a method looks, and not how sure it is of the place."
      : `A cell's share of all of its map's relevance, in units of what it would have if all cells had the same. A map that is flat is pale here, whatever its own picture looks like.${rows.some((row) => row.maps.some((map) => map.signed)) ? " Where a cell has both for and against, what is left of the two is drawn." : ""}`;
  }

  home.hidden = false;
  home.addEventListener("change", draw);
  draw();
})();
