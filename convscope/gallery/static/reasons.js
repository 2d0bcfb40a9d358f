// The kinds of reasons of a model: a map of pictures on a canvas, and what each kind goes by. The address holds the class and the
// picture: reasons_net_test_gradcam.html#class=1&of=12
(() => {
  "use strict";

  const { make, verdict } = convscope;
  const home = document.getElementById("reasons");
  const form = document.getElementById("which");
  const canvas = document.getElementById("map");
  const one = document.getElementById("one");
  const list = document.getElementById("kinds");
  const THUMBNAILS = 120; // of so many pictures each is drawn, of more a dot
  const EDGE = 26; // around the map, so that what lies at its border is whole
  const NEAR = 24; // a pointer so near (px of the canvas) is on a picture

  Promise.all([convscope.table(home.dataset.table), convscope.table(`${home.dataset.table}_kinds`)])
    .then(([pictures, kinds]) => start(pictures, kinds)).catch((error) => convscope.say(home, error));

  async function start(table, kinds) {
    const { about } = table;
    const whole = await table.whole();
    const ofKinds = await kinds.whole();
    const pen = canvas.getContext("2d");
    const drawings = new Map(); // row -> its picture
    let shown = 0; // the class
    let rows = []; // the pictures of the class that have heat
    let current = null; // the row that is kept
    let over = null; // the row under the pointer
    let lit = null; // the kind that is lit up
    const colour = (kind) => about.colours[(kind - 1) % about.colours.length];

    // ---- the map ----------------------------------------------------------------------------------------------------

    const place = (k) => [EDGE + whole.x[k] * (canvas.width - 2 * EDGE), EDGE + whole.y[k] * (canvas.height - 2 * EDGE)];

    function draw() {
      pen.clearRect(0, 0, canvas.width, canvas.height);
      const small = rows.length <= THUMBNAILS;
      const side = Math.max(22, Math.min(52, 420 / Math.sqrt(rows.length || 1)));
      const marked = over ?? current;
      const order = marked === null ? rows : [...rows.filter((k) => k !== marked), marked];
      for (const k of order) {
        const [x, y] = place(k);
        const kind = whole.kind[k];
        pen.globalAlpha = lit === null || lit === kind ? 1 : 0.15;
        const image = small ? drawings.get(k) : null;
        const big = k === marked ? 1.5 : 1;
        if (image && image.complete && image.naturalWidth) {
          const half = (big * side) / 2;
          pen.fillStyle = colour(kind);
          pen.fillRect(x - half - 2, y - half - 2, 2 * half + 4, 2 * half + 4);
          pen.drawImage(image, x - half, y - half, 2 * half, 2 * half);
        } else {
          const radius = big * (small ? 7 : rows.length > 2000 ? 2.5 : 4);
          pen.beginPath();
          // Kinds differ in shape, too.
          if (kind % 2) pen.arc(x, y, radius, 0, 2 * Math.PI);
          else pen.rect(x - radius, y - radius, 2 * radius, 2 * radius);
          pen.fillStyle = colour(kind);
          pen.fill();
        }
        if (k === marked) {
          pen.lineWidth = 3;
          pen.strokeStyle = getComputedStyle(document.body).color;
          const half = (image ? big * side : 16) / 2 + 4;
          pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
        }
      }
      pen.globalAlpha = 1;
    }

    function soon() {
      if (soon.waits) return;
      soon.waits = true;
      requestAnimationFrame(() => {
        soon.waits = false;
        draw();
      });
    }

    async function thumbnails() {
      if (rows.length > THUMBNAILS) return;
      await table.load(rows);
      for (const k of rows) {
        const address = table.row(k).overlay;
        if (!address || drawings.has(k)) continue;
        const image = new Image();
        image.addEventListener("load", soon);
        image.src = address;
        drawings.set(k, image);
      }
      soon();
    }

    function under(event) {
      const box = canvas.getBoundingClientRect();
      const x = ((event.clientX - box.left) * canvas.width) / box.width;
      const y = ((event.clientY - box.top) * canvas.height) / box.height;
      let best = null;
      let least = (NEAR * Math.max(1, canvas.width / box.width / 1.5)) ** 2;
      for (const k of rows) {
        const [left, top] = place(k);
        const away = (left - x) ** 2 + (top - y) ** 2;
        if (away < least) [best, least] = [k, away];
      }
      return best;
    }

    // The nearest picture in a direction: what lies aside counts twice.
    function towards(dx, dy) {
      if (current === null) return rows[0] ?? null;
      const [x, y] = place(current);
      let best = null;
      let least = Infinity;
      for (const k of rows) {
        const [left, top] = place(k);
        const along = (left - x) * dx + (top - y) * dy;
        const aside = Math.abs((left - x) * dy) + Math.abs((top - y) * dx);
        if (k === current || along <= 0 || along < aside / 2) continue;
        if (along + 2 * aside < least) [best, least] = [k, along + 2 * aside];
      }
      return best;
    }

    // ---- one picture ------------------------------------------------------------------------------------------------

    function tell(k) {
      if (k === null) {
        one.replaceChildren(make("p", { class: "muted" }, "No picture is chosen."));
        return;
      }
      const row = table.row(k);
      const parts = [];
      if (row.overlay || row.photo) {
        const image = make("img", { src: row.overlay || row.photo, alt: `${about.title} over ${row.id}`, decoding: "async" });
        parts.push(row.page ? make("a", { href: row.page }, image) : image);
      }
      const several = about.classes[shown][2] > 1;
      parts.push(make("p", null, verdict(row.result), ` ${row.predicted ? "predicted " : ""}`, make("strong", null, row.predicted)),
        make("p", { class: "muted" }, `truth: ${row.truth || "unknown"}${several ? ` · kind ${row.kind}` : ""}`),
        make("p", { class: "path" }, row.page ? make("a", { href: row.page }, row.id) : row.id));
      one.replaceChildren(...parts);
    }

    function look(k) {
      soon();
      const promise = k === null ? null : table.load([k]);
      if (promise) promise.then(() => { if (k === (over ?? current)) tell(k); }, (error) => convscope.say(one, error));
      else tell(k);
    }

    function keep(k) {
      current = k;
      over = null;
      look(k);
      const values = new URLSearchParams();
      if (about.classes.length > 1) values.set("class", shown);
      if (k !== null) values.set("of", k);
      window.history.replaceState(null, "", `#${values}`);
    }

    canvas.addEventListener("pointermove", (event) => {
      const found = under(event);
      canvas.style.cursor = found === null ? "default" : "pointer";
      if (found === over) return;
      over = found;
      look(over ?? current);
    });
    canvas.addEventListener("pointerleave", () => {
      over = null;
      look(current);
    });
    canvas.addEventListener("click", (event) => {
      const found = under(event);
      if (found !== null) keep(found);
    });
    const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    canvas.addEventListener("keydown", (event) => {
      if (event.key in STEPS) {
        const found = towards(...STEPS[event.key]);
        if (found !== null) keep(found);
      } else if (event.key === "Home" && rows.length) keep(rows[0]);
      else if (event.key === "Enter" && current !== null && table.row(current)?.page) window.location.href = table.row(current).page;
      else return;
      event.preventDefault();
      event.stopPropagation(); // other scripts of the page have keys, too
    });

    // ---- the kinds ----------------------------------------------------------------------------------------------------

    // Dark where there is no heat, pale where there is most: some colours of matplotlib's inferno, and those between.
    const HEAT = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
    function heat(level) {
      const at = (level / 255) * (HEAT.length - 1);
      const low = Math.min(Math.floor(at), HEAT.length - 2);
      return HEAT[low].map((value, j) => value + (at - low) * (HEAT[low + 1][j] - value));
    }

    function mean(values, label) {
      const [height, width] = about.shape;
      const drawn = make("canvas", { width, height, class: "mean-heat", role: "img", "aria-label": label });
      const surface = drawn.getContext("2d");
      const pixels = surface.createImageData(width, height);
      values.forEach((level, j) => pixels.data.set([...heat(level), 255], 4 * j));
      surface.putImageData(pixels, 0, 0);
      return drawn;
    }

    function article(row) {
      const several = about.classes[shown][2] > 1;
      const name = several ? `Kind ${row.kind}: ${row.pictures} of ${row.of} pictures` : `${row.pictures} pictures`;
      const facts = [];
      if (row.lies_on) facts.push(make("p", null, `The heat lies ${/^on /.test(row.lies_on) ? row.lies_on : `on ${row.lies_on}`}.`));
      if (row.warning) facts.push(make("p", { class: "warning" }, `The heat lies ${row.warning}.`));
      facts.push(make("p", { class: "muted" }, `True classes: ${row.classes}${row.mistakes === "" ? "" : ` · ${row.mistakes} answered wrongly`}`));
      const button = several && make("button", { type: "button", class: "chip", "aria-pressed": "false" }, "light up on the map");
      if (button) {
        button.addEventListener("click", () => {
          lit = lit === Number(row.kind) ? null : Number(row.kind);
          for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
          button.setAttribute("aria-pressed", String(lit !== null));
          soon();
        });
      }
      const strip = make("ul", { class: "reason-strip" }, row.central.map((k) => {
        const picture = table.row(k);
        const label = `${picture.id}, predicted ${picture.predicted || "nothing"}`;
        const image = picture.overlay || picture.photo
          ? make("img", { src: picture.overlay || picture.photo, alt: label, loading: "lazy", decoding: "async" })
          : make("span", { class: "absent" }, picture.id);
        return make("li", null, picture.page ? make("a", { href: picture.page, title: label }, image) : image);
      }));
      const swatch = make("span", { class: "reason-colour" });
      swatch.style.background = colour(Number(row.kind));
      return make("article", { class: "reason-kind" },
        make("figure", null, mean(row.mean, `Mean heatmap of ${name}`), make("figcaption", { class: "muted" }, "mean heatmap, by its largest value")),
        make("div", null, make("h3", null, swatch, name), facts, button, make("p", { class: "muted reason-nearest" }, "Nearest to the mean:"), strip));
    }

    async function kindsOf(number) {
      const own = [...Array(kinds.count).keys()].filter((k) => ofKinds.class[k] === number);
      await kinds.load(own);
      const drawn = own.map((k) => kinds.row(k));
      await table.load(drawn.flatMap((row) => row.central));
      if (number !== shown) return; // another class was chosen meanwhile
      list.replaceChildren(...drawn.map(article));
    }

    // ---- the class ----------------------------------------------------------------------------------------------------

    function choose(number, picture) {
      shown = number;
      lit = null;
      rows = [...Array(table.count).keys()].filter((k) => whole.class[k] === number && whole.x[k] !== null);
      form.elements.class.value = number;
      const [, words] = about.classes[number];
      document.getElementById("told").textContent = `${words[0].toUpperCase()}${words.slice(1)}.`;
      canvas.setAttribute("aria-label", `Map of ${rows.length} pictures`);
      current = rows.includes(picture) ? picture : rows[0] ?? null;
      over = null;
      look(current);
      kindsOf(number).catch((error) => convscope.say(list, error));
      thumbnails().catch((error) => convscope.say(list, error));
    }

    function follow() {
      const values = new URLSearchParams(window.location.hash.slice(1));
      const first = Math.max(about.classes.findIndex(([, , count]) => count > 1), 0);
      const asked = Number(values.get("class") ?? first);
      choose(about.classes[asked] ? asked : first, Number(values.get("of") ?? -1));
    }

    if (!about.classes.length) throw new Error("there are no pictures.");
    home.hidden = false;
    form.hidden = about.classes.length < 2;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      choose(Number(form.elements.class.value), -1);
      keep(current);
    });
    window.addEventListener("hashchange", follow);
    follow();
    home.removeAttribute("data-table"); // it is all there
  }
})();
