// What the page is doing: what is shown, selected, opened, and the steps between.

function makeApp(about, store, map) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themeNow = () => (dark.matches ? "dark" : "light");
  const classes = about.classes;
  const ownColours = new Map();
  const app = {
    about, store, map, classes,
    grid: makeGrid(store.x, store.y),
    extent: extentOf(store.x, store.y),
    view: makeView(1, 1, store.n <= MOST_PICTURES ? PICTURE_MARGIN_PX : MARGIN_PX),
    labels: makeLabels(store.labels, classes, about.twins),
    filters: makeFilters(),
    shown: new Uint8Array(store.n).fill(1),
    selected: new Uint8Array(store.n),
    nSelected: 0, nShown: store.n, nJudged: 0, nWrong: null,
    emphasis: null, hovered: -1, cursor: -1, opened: -1,
    mode: "move", colourBy: "label", moved: false, forced: null,
    theme: themeNow(), ground: "#ffffff",
    withPictures: true, picturePx: 0, thumbnails: null, maps: null, search: null, colouring: null,
  };
  app.kept = makeKeptLabels(
    `bottlebank.explorer.${about.name}`, app.labels, store.labels, classes, () => localStorage,
  );
  let panels = null;
  let stage = null;

  app.paletteColour = (i) => {
    const palette = about.palette[app.theme];
    return palette[i % palette.length];
  };
  app.classColour = (code) => ownColours.get(code) ?? app.paletteColour(code);
  app.ownColours = ownColours;
  app.setClassColour = (code, colour) => {
    ownColours.set(code, colour);
    app.recolour();
    app.noteAddress();
  };
  app.nameOfLabel = (label) =>
    label === LEFT_OUT ? "left out" : label === NO_LABEL ? "no label" : classes[label];
  app.labelInWords = (row) =>
    app.nameOfLabel(store.labels[row]) + (app.labels.isChanged(row) ? " (changed here)" : "");
  app.predictionInWords = (row) => {
    const unknown = store.unknown?.[row] ? ", unknown" : "";
    return `${app.nameOfLabel(store.predicted[row])}, ${percent(store.confidence[row] / 65535)}${unknown}`;
  };
  app.inWords = (row) => {
    const prediction = store.predicted ? `; predicted ${app.predictionInWords(row)}` : "";
    const selected = app.selected[row] ? "; selected" : "";
    return `${fileName(store.paths.at(row))}: ${app.labelInWords(row)}${prediction}${selected}`;
  };
  app.linkOf = (row) => {
    if (about.links === null) {
      return null;
    }
    const path = about.odd_links[row] ?? store.paths.at(row).split("/").map(encodeURIComponent).join("/");
    return about.links + path;
  };
  app.fullPath = (row) => about.root + store.paths.at(row);
  app.announce = (text) => { byId("spoken").textContent = text; };

  app.begin = () => {
    app.ground = getComputedStyle(map).getPropertyValue("--map").trim();
    const words = new URLSearchParams(location.hash.slice(1));
    app.forced = ["canvas", "webgl"].includes(words.get("draw")) ? words.get("draw") : null;
    stage = makeStage(app, map);
    stage.measure();
    goToAddress(app, location.hash.slice(1));
    app.shown = shownRows(store, app.filters, app.labels.isChanged);
    app.recolour();
    stage.drawNow();
    byId("wait").hidden = true;
    performance.mark("first-drawing");
  };

  app.ready = () => {
    byId("title").textContent = about.title;
    byId("caption").textContent = about.caption;
    panels = makePanels(app);
    attachPointer(app, map);
    attachKeyboard(app, map);
    new ResizeObserver(() => stage.measure() && app.redraw()).observe(map);
    dark.addEventListener("change", () => {
      app.theme = themeNow();
      app.ground = getComputedStyle(map).getPropertyValue("--map").trim();
      app.recolour();
      panels.setAll();
    });
    addEventListener("hashchange", () => {
      if (location.hash.slice(1) !== addressOf(app)) {
        follow();
      }
    });
    addEventListener("storage", ({ key }) => {
      const n = key === app.kept.name ? app.kept.takeOver() : 0;
      if (n > 0) {
        showChanged(`${counted(n, "label")} changed in another window`);
      }
    });
    addEventListener("beforeunload", (event) => app.labels.nChanged() > 0 && !app.isWritten && event.preventDefault());
    restore();
    follow();
    performance.mark("ready");
    document.body.dataset.ready = "yes";
  };
  app.isWritten = false; // whether labels.csv was downloaded since the last change
  app.restored = null; // what the browser had kept, in words, until something is changed

  function follow() {
    goToAddress(app, location.hash.slice(1));
    app.setMode(app.mode);
    app.refresh();
    panels.opened();
    if (app.opened >= 0) {
      panels.show("image");
    }
  }

  function restore() {
    if (app.kept.takeOver() > 0) {
      app.restored = `${counted(app.labels.nChanged(), "label")} of your last visit restored`;
      app.announce(app.restored);
    }
  }

  let noting = 0;
  app.noteAddress = () => {
    clearTimeout(noting);
    noting = setTimeout(() => {
      const words = addressOf(app);
      if (location.hash.slice(1) !== words) {
        history.replaceState(null, "", `#${words}`);
      }
    }, 200);
  };
  app.redraw = () => stage.redraw();
  app.hasMoved = () => {
    app.moved = true;
    app.hover(-1);
    app.redraw();
    app.noteAddress();
  };
  app.fit = () => {
    fitView(app.view, app.extent);
    app.moved = false;
    app.redraw();
    app.noteAddress();
  };
  app.showPictures = (on) => {
    app.withPictures = on;
    panels.setAll();
    app.redraw();
  };
  app.recolour = () => {
    app.colouring = coloured(app);
    stage.recolour();
  };
  // After a filter, a label or a colouring changed.
  app.refresh = () => {
    app.filters.found = app.search(byId("search").value, store.labels, classes);
    app.shown = shownRows(store, app.filters, app.labels.isChanged);
    app.nShown = app.shown.reduce((sum, each) => sum + each, 0);
    countWrong();
    app.recolour();
    panels.update();
    app.noteAddress();
  };
  function countWrong() {
    app.nJudged = 0;
    app.nWrong = store.predicted === null ? null : 0;
    for (let row = 0; row < store.n; row += 1) {
      if (app.shown[row] && tells(store, row)) {
        app.nJudged += 1;
        app.nWrong += store.labels[row] !== store.predicted[row] ? 1 : 0;
      }
    }
  }
  app.showOnly = (code) => {
    const { hiddenClasses } = app.filters;
    const all = [...classes.keys(), LEFT_OUT, NO_LABEL];
    const isAlone = hiddenClasses.size === all.length - 1 && !hiddenClasses.has(code);
    app.filters.hiddenClasses = new Set(isAlone ? [] : all.filter((each) => each !== code));
    app.refresh();
  };
  app.showAll = () => {
    Object.assign(app.filters, makeFilters());
    byId("search").value = "";
    app.refresh();
  };
  app.emphasise = (code) => {
    app.emphasis = code;
    stage.recolour();
  };
  app.setMode = (mode) => {
    app.mode = mode;
    map.dataset.mode = mode;
    for (const button of document.querySelectorAll("[data-mode-of-map]")) {
      button.setAttribute("aria-pressed", String(button.dataset.modeOfMap === mode));
    }
    app.noteAddress();
  };
  app.drawShape = (shape) => stage.setShape(shape);
  app.hover = (row, at) => {
    if (row !== app.hovered || at) {
      app.hovered = row;
      stage.hover(row, at);
    }
  };
  app.open = (row, goesThere = false) => {
    app.opened = row;
    if (row >= 0) {
      app.cursor = row;
      app.announce(app.inWords(row));
      panels.show("image");
      if (goesThere) {
        stage.bringIntoView(row);
      }
    }
    panels.opened();
    app.redraw();
    app.noteAddress();
  };
  app.goBack = () => {
    if (app.opened >= 0) {
      app.open(-1);
    } else if (app.nSelected > 0) {
      app.select([], "new");
    }
  };
  app.moveCursor = (dx, dy) => {
    const from = app.cursor;
    const [x, y] = [app.view.x, app.view.y];
    const next = from >= 0
      ? rowTowards(app.grid, from, dx, dy, app.shown)
      : nearestRow(app.grid, x, y, 2 * MAP_SIZE, app.shown);
    if (next >= 0) {
      app.cursor = next;
      stage.bringIntoView(next);
      app.hover(next);
      app.announce(app.inWords(next));
      app.redraw();
    }
  };
  app.selectedRows = () => {
    const rows = new Uint32Array(app.nSelected);
    for (let row = 0, k = 0; k < rows.length; row += 1) {
      if (app.selected[row]) {
        rows[k++] = row;
      }
    }
    return rows;
  };
  // `how`: "new" selection, "add" to it, "take" from it.
  app.select = (rows, how) => {
    if (how === "new") {
      app.selected.fill(0);
    }
    for (const row of rows) {
      app.selected[row] = how === "take" ? 0 : 1;
    }
    app.nSelected = app.selected.reduce((sum, each) => sum + each, 0);
    stage.recolour();
    panels.selected();
    app.announce(app.nSelected === 0 ? "Nothing selected" : `${counted(app.nSelected, "image")} selected`);
  };
  app.selectShown = () => {
    const rows = [];
    app.shown.forEach((is, row) => is && rows.push(row));
    app.select(rows, "new");
  };
  app.stepThroughSelection = (step) => {
    const rows = app.selectedRows();
    if (rows.length > 0) {
      const at = rows.indexOf(app.opened);
      app.open(rows[at < 0 ? 0 : (at + step + rows.length) % rows.length], true);
    }
  };
  // The images that a key or a button is about.
  app.meant = () => (app.nSelected > 0 ? app.selectedRows() : [app.opened >= 0 ? app.opened : app.cursor].filter((row) => row >= 0));
  app.askLabel = () => {
    const kind = app.nSelected > 0 ? "selection" : app.opened >= 0 ? "image" : null;
    if (kind) {
      panels.show(kind);
      panels[kind].focusLabel();
    }
  };
  app.assign = (label, rows = app.meant()) => {
    if (rows.length > 0 && app.labels.assign(rows, label)) {
      haveChanged(`${counted(rows.length, "image")}: ${app.nameOfLabel(label)}`);
    }
  };
  app.assignName = (name, rows) => app.assign(app.labels.classOf(name), rows);
  app.assignPlace = (place) => place < classes.length && app.assign(place);
  app.step = (way) => {
    const step = app.labels[way]();
    if (step) {
      haveChanged(`${way === "undo" ? "Undone" : "Done again"}: ${counted(step.rows.length, "label")}`);
    }
  };
  // To the labels that the page came with: one step, which can be undone.
  app.beginAgain = () => {
    const rows = app.labels.changedRows();
    const n = app.labels.assignEach(rows.map((row) => [row, app.labels.original[row]]));
    haveChanged(`${counted(n, "label")} as before; Undo brings ${n === 1 ? "it" : "them"} back`);
  };
  function haveChanged(words) {
    app.kept.keep();
    showChanged(words);
  }
  function showChanged(words) {
    app.isWritten = false;
    app.restored = null;
    app.refresh();
    panels.opened();
    panels.labelled();
    app.announce(words);
  }
  app.keys = null;
  app.earlier = null;
  app.download = async () => {
    const rows = app.labels.changedRows();
    if (rows.length === 0) {
      app.announce("No label has been changed yet");
      return;
    }
    app.keys ??= new Uint8Array(await gunzip(takePart("keys")));
    app.earlier ??= hasPart("earlier") ? JSON.parse(await takeText("earlier")) : [];
    const text = labelsFile(rows, {
      keyOf: (row) => hexOf(app.keys.subarray(32 * row, 32 * row + 32)),
      pathOf: app.fullPath,
      labelOf: (row) => (store.labels[row] === LEFT_OUT ? "" : app.nameOfLabel(store.labels[row])),
    }, app.earlier);
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    element("a", { href: address, download: "labels.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    app.isWritten = true;
    const before = app.earlier.length > 0 ? ", with what was decided before" : "";
    app.announce(`labels.csv: ${counted(rows.length, "label")}${before}`);
  };
  return app;
}
