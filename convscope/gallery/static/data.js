// Tables beside a page that is opened from disk, where nothing can be fetched: a script is loaded that hands over plain JSON.
// convscope/gallery/data_files.py writes them and has an example.
(() => {
  "use strict";

  const asked = new Map(); // name of a file -> what waits for it

  // ---- files ----------------------------------------------------------------------------------------------------

  function load(name) {
    if (asked.has(name)) return asked.get(name).promise;
    const entry = {};
    entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    asked.set(name, entry);
    const file = `data/${encodeURIComponent(name)}.js`;
    const script = document.createElement("script");
    const fail = (why) => {
      asked.delete(name); // it may be asked for again
      entry.reject(new Error(`${file} ${why}`));
    };
    script.addEventListener("load", () => {
      script.remove();
      if (!entry.came) fail("is damaged. Make the gallery again.");
    });
    script.addEventListener("error", () => {
      script.remove();
      fail("cannot be read: it lies beside this page, and has to be copied with it.");
    });
    script.src = file;
    document.head.append(script);
    return entry.promise;
  }

  function put(name, value) {
    const entry = asked.get(name);
    if (!entry) return;
    entry.came = true;
    entry.resolve(value);
  }

  // ---- tables ---------------------------------------------------------------------------------------------------

  // A column as it was before convscope.gallery.data_files.pack; `count` is how many rows it has.
  function unpack(column, count) {
    if (Array.isArray(column)) return column;
    if ("all" in column) return new Array(count).fill(column.all);
    if ("at" in column) return column.at.map((code) => column.of[code]);
    return column.rest.map((text) => (text === null ? null : column.start + text + column.end));
  }

  class Table {
    constructor(name, head) {
      this.name = name;
      this.count = head.rows;
      this.about = head.about;
      this.size = head.rows_a_file;
      this.parts = new Map();
      this.keep(0, head);
      this.wholeIsThere = head.whole.length > 0;
    }

    keep(number, value) {
      const count = Math.min(this.size, this.count - number * this.size);
      const columns = Object.entries(value.columns).map(([key, column]) => [key, unpack(column, count)]);
      this.parts.set(number, columns);
    }

    // The values of a row by the names of their columns; null while they are not loaded.
    row(k) {
      const part = this.parts.get(Math.floor(k / this.size));
      return part ? Object.fromEntries(part.map(([key, values]) => [key, values[k % this.size]])) : null;
    }

    // Load these rows (any numbers, in any order): null where all are there, else a promise.
    load(rows) {
      const numbers = new Set(rows.map((k) => Math.floor(k / this.size)));
      const missing = [...numbers].filter((number) => !this.parts.has(number));
      if (!missing.length) return null;
      return Promise.all(missing.map((number) => load(`${this.name}.${number}`).then((value) => this.keep(number, value))));
    }

    // The columns that are written whole: name -> a value for every row.
    whole() {
      if (!this.wholeIsThere) return Promise.resolve({});
      this.all ??= load(`${this.name}.whole`).then((value) =>
        Object.fromEntries(Object.entries(value.columns).map(([key, column]) => [key, unpack(column, this.count)])));
      this.all.catch(() => { this.all = null; });
      return this.all;
    }
  }

  const table = (name) => load(name).then((head) => new Table(name, head));

  // ---- errors ---------------------------------------------------------------------------------------------------

  // Say before an element, in words, what went wrong: once, however often.
  function say(element, error) {
    const text = `Not all of this page can be shown: ${error.message}`;
    let line = element.previousElementSibling;
    if (!line || !line.matches(".trouble")) {
      line = document.createElement("p");
      line.className = "warning trouble";
      line.setAttribute("role", "alert");
      element.before(line);
    }
    if (line.textContent !== text) line.textContent = text;
  }

  window.convscope = Object.assign(window.convscope || {}, { put, table, say });
})();
