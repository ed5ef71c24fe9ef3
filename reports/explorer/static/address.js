// What is seen, in the part of the address behind #: a copied address shows the same.

function addressOf(app) {
  const { view, filters } = app;
  const words = new URLSearchParams();
  const add = (name, value, usual) => value !== usual && words.set(name, value);
  const times = view.scale / view.fitScale;
  if (app.moved) {
    words.set("at", `${Math.round(view.x)},${Math.round(view.y)},${Number(times.toPrecision(4))}`);
  }
  add("colour", app.colourBy, "label");
  add("mode", app.mode, "move");
  add("search", byId("search").value.trim(), "");
  add("prediction", filters.prediction, ANY);
  add("known", filters.known, ANY);
  add("changed", String(filters.changed), "false");
  add("confidence", filters.confidence.join(","), "0,1");
  add("score", filters.score.join(","), "-Infinity,Infinity");
  filters.hiddenClasses.forEach((code) => words.append("hide", code));
  filters.hiddenSplits.forEach((code) => words.append("hide-split", code));
  app.ownColours.forEach((colour, code) => words.append("class-colour", `${code},${colour.slice(1)}`));
  if (app.opened >= 0) {
    words.set("image", app.opened);
  }
  if (app.forced) {
    words.set("draw", app.forced);
  }
  return words.toString();
}

// Set an app to what an address says; what makes no sense is passed over.
function goToAddress(app, text) {
  const words = new URLSearchParams(text);
  const { view, filters, store } = app;
  const oneOf = (name, known, usual) => (known.includes(words.get(name)) ? words.get(name) : usual);
  const range = (name, usual) => {
    const ends = (words.get(name) ?? "").split(",").map(Number);
    return ends.length === 2 && ends[0] <= ends[1] ? ends : usual;
  };
  const codes = (name, below) => {
    const found = words.getAll(name).map(Number);
    return new Set(found.filter((code) => Number.isInteger(code) && code >= 0 && below(code)));
  };
  fitView(view, app.extent);
  app.moved = false;
  const at = (words.get("at") ?? "").split(",").map(Number);
  if (at.length === 3 && at.every(Number.isFinite) && at[2] > 0) {
    view.x = within(at[0], 0, MAP_SIZE);
    view.y = within(at[1], 0, MAP_SIZE);
    view.scale = view.fitScale * within(at[2], 0.25, MOST_TIMES);
    app.moved = true;
  }
  const names = colourings(store).map(({ name }) => name);
  app.colourBy = oneOf("colour", names, "label");
  app.mode = oneOf("mode", ["move", "box", "lasso"], "move");
  byId("search").value = words.get("search") ?? "";
  filters.prediction = oneOf("prediction", ["right", "wrong"], ANY);
  filters.known = oneOf("known", ["known", "unknown"], ANY);
  filters.changed = words.get("changed") === "true";
  filters.confidence = range("confidence", [0, 1]);
  filters.score = range("score", [-Infinity, Infinity]);
  filters.hiddenClasses = codes("hide", (code) => code < app.classes.length || code >= LEFT_OUT);
  filters.hiddenSplits = codes("hide-split", (code) => code < store.splitNames.length);
  app.ownColours.clear();
  for (const own of words.getAll("class-colour")) {
    const [, code, colour] = /^(\d{1,5}),([0-9a-f]{6})$/.exec(own) ?? [];
    if (code !== undefined) {
      app.ownColours.set(Number(code), `#${colour}`);
    }
  }
  const image = Number(words.get("image") ?? -1);
  app.opened = Number.isInteger(image) && image >= 0 && image < store.n ? image : -1;
}
