// The side of the page: three panels behind tabs, the bar above the map, the help.

function makePanels(app) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const panels = {
    show: makeShowPanel(app, byId("panel-show")),
    image: makeImagePanel(app, byId("panel-image")),
    selection: makeSelectionPanel(app, byId("panel-selection")),
  };

  function show(name) {
    keepFocus(document.querySelector("aside"), () => open(name), () => byId(`panel-${name}`));
  }

  function open(name) {
    for (const tab of tabs) {
      const is = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !is;
    }
    if (name === "selection" && app.nSelected === 0) {
      panels.selection.update(); // it says how to select
    }
  }

  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => show(tab.id.slice(4)));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const next = tabs[(i + step + tabs.length) % tabs.length];
        event.preventDefault();
        show(next.id.slice(4));
        next.focus();
      }
    });
  });

  const press = {
    "zoom-in": () => zoom(1.5),
    "zoom-out": () => zoom(1 / 1.5),
    fit: () => app.fit(),
    undo: () => app.step("undo"),
    redo: () => app.step("redo"),
    download: () => app.download(),
    "begin-again": () => app.beginAgain(),
    "show-help": () => byId("help").showModal(),
    "close-help": () => byId("help").close(),
  };
  for (const [id, act] of Object.entries(press)) {
    byId(id).addEventListener("click", act);
  }
  for (const button of document.querySelectorAll("[data-mode-of-map]")) {
    button.addEventListener("click", () => app.setMode(button.dataset.modeOfMap));
  }
  function zoom(factor) {
    zoomView(app.view, factor, app.view.width / 2, app.view.height / 2);
    app.hasMoved();
  }

  let waiting = 0;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(app.refresh, app.store.n > 50000 ? 250 : 60);
  });
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    app.refresh();
    app.announce(`${counted(app.nShown, "image")} shown`);
  });
  byId("keys").replaceChildren(...KEYS.flatMap(([key, does]) => [
    element("dt", {}, key), element("dd", {}, does),
  ]));

  function update() {
    const next = () => ["undo", "redo", "show-help"].map(byId).find(({ disabled }) => !disabled);
    keepFocus(document.body, fill, next);
  }

  function fill() {
    panels.show.update();
    fillClassNames(app.classes);
    const n = app.labels.nChanged();
    byId("undo").disabled = !app.labels.canUndo();
    byId("redo").disabled = !app.labels.canRedo();
    byId("download").disabled = n === 0;
    byId("n-changed").textContent = n === 0 ? "" : ` (${n.toLocaleString("en")})`;
    byId("kept").hidden = n === 0;
    byId("kept-words").textContent = app.kept.isKept()
      ? `${app.restored ?? `${counted(n, "label")} changed`}. This browser keeps ${n === 1 ? "it" : "them"}.`
      : "This browser keeps no labels: download labels.csv before you close the page.";
  }

  return {
    image: panels.image,
    selection: panels.selection,
    show,
    setAll: panels.show.setAll,
    update,
    opened: panels.image.update,
    labelled: panels.selection.update,
    selected: () => {
      panels.selection.update();
      byId("n-selected").textContent = app.nSelected === 0 ? "" : ` (${app.nSelected.toLocaleString("en")})`;
      if (app.nSelected > 0) {
        show("selection");
      }
    },
  };
}
