// The panel of what is shown: the colouring, the classes with their figures, the filters. Its
// controls are made once and kept up to date: one that is made anew loses the keyboard's focus.

function makeShowPanel(app, panel) {
  const { store, filters } = app;
  const changed = () => app.refresh();
  const settings = []; // functions that set a control to what holds now
  const setAll = () => settings.forEach((set) => set());

  const choice = (title, options, get, set) => {
    const id = `filter-${title.toLowerCase().replaceAll(" ", "-")}`;
    const select = element("select", { id, onchange: () => { set(select.value); changed(); } });
    select.append(...options.map(([name, words]) => element("option", { value: name }, words)));
    settings.push(() => { select.value = get(); });
    return element("div", { class: "field" }, element("label", { for: id }, title), select);
  };
  const range = (title, least, most, step, get, set) => {
    const field = (i, words) => {
      const input = element("input", {
        type: "number", min: least, max: most, step, "aria-label": `${title}, ${words}`,
        onchange: () => {
          const value = input.valueAsNumber;
          const given = [...get()];
          given[i] = Number.isFinite(value) ? value : [-Infinity, Infinity][i];
          set(given);
          changed();
        },
      });
      settings.push(() => {
        if (input !== document.activeElement) { // nobody is typing in it
          input.value = Number.isFinite(get()[i]) ? get()[i] : [least, most][i];
        }
      });
      return input;
    };
    return element(
      "div", { class: "field", role: "group", "aria-label": title },
      element("span", {}, title),
      element("span", { class: "range" }, field(0, "from"), " to ", field(1, "to")),
    );
  };
  const check = (words, get, set) => {
    const box = element("input", { type: "checkbox", onchange: () => set(box.checked) });
    const setBox = () => { box.checked = get(); };
    settings.push(setBox);
    setBox();
    return element("label", { class: "check" }, box, words);
  };
  // Filters come and go as sets: these are read each time.
  const checkOf = (name, set, code) => check(
    element("span", { class: "name" }, name),
    () => !filters[set].has(code),
    (on) => {
      filters[set][on ? "delete" : "add"](code);
      changed();
    },
  );

  const list = element("ul", { class: "classes", "aria-label": "Classes" });
  const items = new Map(); // place in `classes`, LEFT_OUT or NO_LABEL -> item
  const legend = element("ul", { class: "legend", "aria-label": "Colours" });
  const fields = element("div", { class: "fields" });
  const count = element("p", { class: "count" });
  const who = element("p", { class: "quiet" }, app.about.predicted_by && `Predicted ${app.about.predicted_by}.`);
  panel.append(count, fields, legend, list, who);

  fields.append(choice(
    "Colour by", colourings(store).map(({ name, title }) => [name, title]),
    () => app.colourBy, (name) => { app.colourBy = name; },
  ));
  if (store.predicted) {
    const options = [[ANY, "all"], ["wrong", "wrong alone"], ["right", "right alone"]];
    fields.append(choice("Predictions", options, () => filters.prediction, (name) => { filters.prediction = name; }));
  }
  if (store.confidence) {
    fields.append(range("Confidence", 0, 1, 0.05, () => filters.confidence, (ends) => {
      filters.confidence = ends.map((end) => within(end, 0, 1));
    }));
  }
  if (store.unknown) {
    const options = [[ANY, "all"], ["unknown", "unknown alone"], ["known", "known alone"]];
    fields.append(choice("Unknown", options, () => filters.known, (name) => { filters.known = name; }));
  }
  if (store.score) {
    const [least, most] = store.scoreRange;
    fields.append(range("Score", least, most, "any", () => filters.score, (ends) => { filters.score = ends; }));
  }
  if (store.splitNames.length > 1) {
    fields.append(element(
      "div", { class: "field", role: "group", "aria-label": "Splits" },
      element("span", {}, "Splits"),
      element("span", { class: "checks" }, ...store.splitNames.map((name, i) => checkOf(name, "hiddenSplits", i))),
    ));
  }
  const boxes = [check("changed here alone", () => filters.changed, (on) => { filters.changed = on; changed(); })];
  if (app.thumbnails) {
    boxes.push(check("pictures close up", () => app.withPictures, (on) => app.showPictures(on)));
  }
  fields.append(element("div", { class: "checks" }, ...boxes));
  fields.append(element("button", { type: "button", onclick: () => app.showAll() }, "Show all"));
  if (app.maps) {
    fields.append(element("p", { class: "quiet" }, mapsInWords(app.maps, store.fair !== null && app.maps.rows.some((row) => store.fair[row] === 0))));
  }
  if (app.maps?.rows.length > 0) {
    const first = { type: "button", onclick: () => app.open(app.maps.rows[0], true) };
    fields.append(element("button", first, "Go through the mistakes"));
  }

  function fillList() {
    const figures = classFigures(store, app.classes);
    app.classes.forEach((name, code) => {
      const of = figures.judged[code];
      const share = of === 0 ? "" : percent(figures.right[code] / of);
      fillItem(name, code, figures.counts[code], share);
    });
    fillItem("left out", LEFT_OUT, figures.leftOut, "");
    fillItem("no label", NO_LABEL, figures.unlabelled, "");
  }

  function fillItem(name, code, n, share) {
    const isClass = code < LEFT_OUT;
    let item = items.get(code);
    if (item === undefined) {
      if (!isClass && n === 0) {
        return;
      }
      item = makeItem(name, code, isClass);
      items.set(code, item);
      const next = [LEFT_OUT, NO_LABEL].find((other) => other > code && items.has(other));
      list.insertBefore(item.entry, next === undefined ? null : items.get(next).entry);
    }
    item.entry.hidden = !isClass && n === 0;
    item.count.textContent = n.toLocaleString("en");
    item.share.textContent = share;
  }

  function makeItem(name, code, isClass) {
    const emphasise = (on) => () => { app.emphasise(on ? code : null); };
    const colour = isClass
      ? element("input", {
          type: "color", "aria-label": `Colour of ${name}`,
          oninput: (event) => app.setClassColour(code, event.target.value),
        })
      : element("span", { class: "swatch" });
    if (isClass) {
      const setColour = () => { colour.value = app.classColour(code); };
      settings.push(setColour);
      setColour();
    }
    const count = element("span", { class: "number", title: "images" });
    const share = element("span", { class: "number", title: store.fair ? "of those not seen in training, predicted right" : "of these, predicted right" });
    const only = element("button", {
      type: "button", class: "small", "aria-label": `Only ${name}`,
      onclick: () => app.showOnly(code),
    }, "only");
    const entry = element(
      "li", { onmouseenter: emphasise(true), onmouseleave: emphasise(false) },
      colour, checkOf(name, "hiddenClasses", code), count, share, only,
    );
    return { entry, count, share };
  }

  function update() {
    const { nShown } = app;
    const all = nShown === store.n ? "" : ` of ${store.n.toLocaleString("en")}`;
    count.textContent = `${nShown.toLocaleString("en")}${all} ${store.n === 1 ? "image" : "images"} shown${wrongInWords()}`;
    const { groups, shades } = app.colouring;
    const byClass = app.colourBy === "label" || app.colourBy === "prediction";
    const entries = shades ? shadeEntries() : groups;
    legend.hidden = byClass;
    legend.replaceChildren(...(byClass ? [] : entries.map(({ name, colour }) => {
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = colour;
      return element("li", {}, swatch, name);
    })));
    fillList();
    setAll();
  }

  function wrongInWords() {
    const { nWrong, nJudged } = app;
    if (nWrong === null || (store.fair && nJudged === 0)) {
      return "";
    }
    const wrong = `${nWrong.toLocaleString("en")} predicted wrong`;
    return store.fair ? `; of ${nJudged.toLocaleString("en")} not seen in training, ${wrong}` : `, ${wrong}`;
  }

  function shadeEntries() {
    const [least, most] = app.colourBy === "score" ? store.scoreRange : [0, 1];
    return [0, 0.25, 0.5, 0.75, 1].map((share) => ({
      name: String(Number((least + share * (most - least)).toPrecision(3))),
      colour: rampColour(app.theme, share),
    }));
  }

  return { setAll, update };
}
