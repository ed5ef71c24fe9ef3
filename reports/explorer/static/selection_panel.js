// The panel of the selection: a strip of its pictures, and what can be done with it.

const TILES_AT_A_TIME = 60;

function makeSelectionPanel(app, panel) {
  const title = element("h2", {});
  const about = element("p", { class: "quiet" });
  const { form, input } = makeLabelForm(app, "selection-label", "Label of the selection", () => app.selectedRows());
  const strip = element("ul", { class: "strip", "aria-label": "Selected images" });
  const more = element("button", { type: "button", onclick: addMore }, "");
  const clear = element("button", { type: "button", onclick: () => app.select([], "new") }, "End the selection");
  const all = element("button", { type: "button", onclick: () => app.selectShown() }, "Select all shown");
  panel.append(title, about, element("p", { class: "row" }, all, clear), form, strip, more);
  let rows = new Uint32Array(0);
  let n = 0;

  function update() {
    keepFocus(panel, fill, ({ dataset }) => tileIn(strip, dataset.row) ?? all);
  }

  function fill() {
    rows = app.selectedRows();
    n = 0;
    strip.replaceChildren();
    title.textContent = rows.length === 0 ? "Nothing is selected" : `${counted(rows.length, "image")} selected`;
    about.textContent = rows.length === 0
      ? "Draw a box or a lasso around images, hold Shift and click one, or press Space on one."
      : byClassInWords();
    form.hidden = clear.hidden = rows.length === 0;
    showMore();
  }

  function byClassInWords() {
    const counts = new Map();
    rows.forEach((row) => counts.set(app.store.labels[row], (counts.get(app.store.labels[row]) ?? 0) + 1));
    const most = [...counts].sort((a, b) => b[1] - a[1]);
    const words = most.slice(0, 5).map(([label, of]) => `${of.toLocaleString("en")} ${app.nameOfLabel(label)}`);
    const others = most.length > 5 ? `, and ${counted(most.length - 5, "other label")}` : "";
    return words.join(", ") + others;
  }

  function addMore() {
    const first = rows[n];
    keepFocus(panel, showMore, () => tileIn(strip, first));
  }

  function showMore() {
    const next = rows.subarray(n, n + TILES_AT_A_TIME);
    strip.append(...Array.from(next, (row) => tile(app, row, app.nameOfLabel(app.store.labels[row]))));
    n += next.length;
    more.hidden = n >= rows.length;
    more.textContent = `Show ${Math.min(TILES_AT_A_TIME, rows.length - n)} more of ${(rows.length - n).toLocaleString("en")}`;
  }

  return { update, focusLabel: () => input.focus() };
}
