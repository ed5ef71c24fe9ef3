// The panel of one image: a larger picture, what is known of it, its nearest images.

function makeImagePanel(app, panel) {
  const { store } = app;
  const canvas = element("canvas", { class: "picture", role: "img" });
  const views = makeMapViews(app, showPicture);
  const name = element("h2", {});
  const path = element("p", { class: "path" });
  const link = element("a", { target: "_blank", rel: "noreferrer" }, "Open the original");
  const copy = element("button", { type: "button", onclick: copyPath }, "Copy path");
  const facts = element("dl", {});
  const evidence = element("div", { class: "evidence" });
  const nearest = element("ol", { class: "strip", "aria-label": "Nearest images" });
  const nearestTitle = element("h3", {}, "Nearest images");
  const summary = element("p", { class: "quiet" });
  const { form, input } = makeLabelForm(app, "image-label", "Label of this image", () => [app.opened]);
  const nothing = element("p", { class: "quiet" }, "Click an image on the map, or press Enter on one.");
  const content = element(
    "div", { hidden: true }, canvas, views.picture, views.controls, name, path, element("p", { class: "row" }, link, copy), facts, form,
    evidence, nearestTitle, summary, nearest,
  );
  panel.append(nothing, content);

  async function copyPath() {
    try {
      await navigator.clipboard.writeText(app.fullPath(app.opened));
      app.announce("Path copied");
    } catch {
      getSelection().selectAllChildren(path);
      app.announce("The path is selected: copy it with the browser");
    }
  }

  function showPicture() {
    canvas.hidden = views.show(app.opened) || !(app.thumbnails?.has(app.opened) ?? false);
  }

  function fact(title, value) {
    return [element("dt", {}, title), element("dd", {}, value)];
  }

  function update() {
    keepFocus(panel, fill, ({ dataset }) => tileIn(nearest, dataset.row) ?? panel);
  }

  function fill() {
    const row = app.opened;
    nothing.hidden = row >= 0;
    content.hidden = row < 0;
    if (row < 0) {
      return;
    }
    showPicture();
    canvas.setAttribute("aria-label", `Picture of ${fileName(store.paths.at(row))}`);
    app.thumbnails?.paint(canvas, row);
    name.textContent = fileName(store.paths.at(row));
    path.textContent = app.fullPath(row);
    const address = app.linkOf(row);
    link.hidden = address === null;
    if (address !== null) {
      link.href = address;
    }
    facts.replaceChildren(...fact("Label", app.labelInWords(row)));
    if (app.labels.isChanged(row)) {
      facts.append(...fact("It was", app.nameOfLabel(app.labels.original[row])));
    }
    if (store.predicted) {
      facts.append(...fact("Prediction", app.predictionInWords(row)));
    }
    if (store.splitNames.length > 1) {
      facts.append(...fact("Split", store.splitNames[store.splits[row]]));
    }
    if (store.score && Number.isFinite(store.score[row])) {
      facts.append(...fact("Score", String(Number(store.score[row].toPrecision(3)))));
    }
    input.value = "";
    fillEvidence(row);
    fillNearest(row);
  }

  function fillEvidence(row) {
    if (!store.topClasses) {
      return;
    }
    const bars = [];
    for (let i = 0; i < store.nTop; i += 1) {
      const share = store.topShares[row * store.nTop + i] / 65535;
      const bar = element("meter", { min: 0, max: 1, value: share, "aria-hidden": "true" });
      const title = app.classes[store.topClasses[row * store.nTop + i]];
      bars.push(element("li", {}, element("span", { class: "name" }, title), bar, element("span", { class: "number" }, percent(share))));
    }
    evidence.replaceChildren(element("h3", {}, "Probabilities"), element("ul", { class: "bars" }, ...bars));
  }

  function fillNearest(row) {
    nearestTitle.hidden = !store.nearest;
    if (!store.nearest) {
      return;
    }
    const rows = store.nearest.subarray(row * store.nNearest, (row + 1) * store.nNearest);
    const label = store.labels[row];
    const alike = rows.filter((other) => store.labels[other] === label).length;
    summary.textContent = `${alike} of the ${rows.length} nearest by transfer values have the label “${app.nameOfLabel(label)}”.`;
    nearest.replaceChildren(...Array.from(rows, (other, i) => {
      const cosine = store.cosines[row * store.nNearest + i] / 32767;
      return tile(app, other, `${app.nameOfLabel(store.labels[other])} · ${cosine.toFixed(2)}`, "similarity");
    }));
  }

  return { update, focusLabel: () => input.focus() };
}

// A button with the picture of an image, which opens it.
function tile(app, row, caption) {
  const path = app.store.paths.at(row);
  const canvas = element("canvas", { "aria-hidden": "true", width: 1, height: 1 });
  app.thumbnails?.paint(canvas, row);
  const button = element(
    "button",
    { type: "button", class: "tile", title: path, "data-row": row, onclick: () => app.open(row, true), onfocus: () => app.hover(row), onblur: () => app.hover(-1) },
    element("span", { class: "frame" }, app.thumbnails?.has(row) ? canvas : fileName(path)),
    element("span", { class: "caption" }, caption),
    element("span", { class: "unseen" }, ` ${fileName(path)}`),
  );
  return element("li", {}, button);
}

// The tile of a row in a list; null where it has none.
function tileIn(list, row) {
  return list.querySelector(`.tile[data-row="${row}"]`);
}
