// The panel of what is shown: the colouring, the classes with their figures, the filters.

function makeShowPanel(app, panel) {
  const { store, filters } = app;
  const changed = () => app.refresh();
  const choice = (title, value, options, set) => {
    const id = `filter-${title.toLowerCase().replaceAll(" ", "-")}`;
    const select = element("select", { id, onchange: () => { set(select.value); changed(); } });
    for (const [name, words] of options) {
      select.append(element("option", { value: name, selected: name === value }, words));
    }
    return element("div", { class: "field" }, element("label", { for: id }, title), select);
  };
  const range = (title, least, most, step, ends, set) => {
    const field = (i, words) => element("input", {
      type: "number", min: least, max: most, step, "aria-label": `${title}, ${words}`,
      value: Number.isFinite(ends[i]) ? ends[i] : [least, most][i],
      onchange: (event) => {
        const value = event.target.valueAsNumber;
        const given = [...set()];
        given[i] = Number.isFinite(value) ? value : [-Infinity, Infinity][i];
        set(given);
        changed();
      },
    });
    return element(
      "div", { class: "field", role: "group", "aria-label": title },
      element("span", {}, title),
      element("span", { class: "range" }, field(0, "from"), " to ", field(1, "to")),
    );
  };

  const list = element("ul", { class: "classes", "aria-label": "Classes" });
  const legend = element("ul", { class: "legend", "aria-label": "Colours" });
  const fields = element("div", { class: "fields" });
  const count = element("p", { class: "count" });
  const who = element("p", { class: "quiet" }, app.about.predicted_by && `Predicted ${app.about.predicted_by}.`);
  panel.append(count, fields, legend, list, who);

  function build() {
    fields.replaceChildren(
      choice("Colour by", app.colourBy, colourings(store).map(({ name, title }) => [name, title]), (name) => {
        app.colourBy = name;
      }),
    );
    if (store.predicted) {
      const options = [[ANY, "all"], ["wrong", "wrong alone"], ["right", "right alone"]];
      fields.append(choice("Predictions", filters.prediction, options, (name) => { filters.prediction = name; }));
    }
    if (store.confidence) {
      fields.append(range("Confidence", 0, 1, 0.05, filters.confidence, (ends) => {
        if (ends) {
          filters.confidence = [within(ends[0], 0, 1), within(ends[1], 0, 1)];
        }
        return filters.confidence;
      }));
    }
    if (store.unknown) {
      const options = [[ANY, "all"], ["unknown", "unknown alone"], ["known", "known alone"]];
      fields.append(choice("Unknown", filters.known, options, (name) => { filters.known = name; }));
    }
    if (store.score) {
      const [least, most] = store.scoreRange;
      fields.append(range("Score", least, most, "any", filters.score, (ends) => {
        filters.score = ends ?? filters.score;
        return filters.score;
      }));
    }
    if (store.splitNames.length > 1) {
      fields.append(element(
        "div", { class: "field", role: "group", "aria-label": "Splits" },
        element("span", {}, "Splits"),
        element("span", { class: "checks" }, ...store.splitNames.map((name, i) => check(name, filters.hiddenSplits, i))),
      ));
    }
    const alone = element("input", {
      type: "checkbox", checked: filters.changed,
      onchange: () => { filters.changed = alone.checked; changed(); },
    });
    const boxes = [element("label", { class: "check" }, alone, "changed here alone")];
    if (app.thumbnails) {
      const pictures = element("input", {
        type: "checkbox", checked: app.withPictures,
        onchange: () => app.showPictures(pictures.checked),
      });
      boxes.push(element("label", { class: "check" }, pictures, "pictures close up"));
    }
    fields.append(element("div", { class: "checks" }, ...boxes));
    fields.append(element("button", { type: "button", onclick: () => app.showAll() }, "Show all"));
    fillList();
  }

  function check(name, hidden, code) {
    const box = element("input", {
      type: "checkbox", checked: !hidden.has(code),
      onchange: () => {
        hidden[box.checked ? "delete" : "add"](code);
        changed();
      },
    });
    return element("label", { class: "check" }, box, element("span", { class: "name" }, name));
  }

  function fillList() {
    const figures = classFigures(store, app.classes);
    const items = app.classes.map((name, code) => item(name, code, figures.counts[code], figures.right[code]));
    for (const [name, code, n] of [["left out", LEFT_OUT, figures.leftOut], ["no label", NO_LABEL, figures.unlabelled]]) {
      if (n > 0) {
        items.push(item(name, code, n, null));
      }
    }
    list.replaceChildren(...items);
  }

  function item(name, code, n, right) {
    const isClass = code < LEFT_OUT;
    const emphasise = (on) => () => { app.emphasise(on ? code : null); };
    const colour = isClass
      ? element("input", {
          type: "color", value: app.classColour(code), "aria-label": `Colour of ${name}`,
          oninput: (event) => app.setClassColour(code, event.target.value),
        })
      : element("span", { class: "swatch" });
    const figure = n === 0 || right === null || !store.predicted ? "" : percent(right / n);
    return element(
      "li", { onmouseenter: emphasise(true), onmouseleave: emphasise(false) },
      colour,
      check(name, filters.hiddenClasses, code),
      element("span", { class: "number", title: "images" }, n.toLocaleString("en")),
      element("span", { class: "number", title: "of these, predicted right" }, figure),
      element("button", {
        type: "button", class: "small", "aria-label": `Only ${name}`,
        onclick: () => app.showOnly(code),
      }, "only"),
    );
  }

  function update() {
    const { nShown } = app;
    const all = nShown === store.n ? "" : ` of ${store.n.toLocaleString("en")}`;
    const wrong = app.nWrong === null ? "" : `, ${app.nWrong.toLocaleString("en")} predicted wrong`;
    count.textContent = `${nShown.toLocaleString("en")}${all} ${store.n === 1 ? "image" : "images"} shown${wrong}`;
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
  }

  function shadeEntries() {
    const [least, most] = app.colourBy === "score" ? store.scoreRange : [0, 1];
    return [0, 0.25, 0.5, 0.75, 1].map((share) => ({
      name: String(Number((least + share * (most - least)).toPrecision(3))),
      colour: rampColour(app.theme, share),
    }));
  }

  return { build, update };
}
