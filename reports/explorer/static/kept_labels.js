// Labels that are given and not yet downloaded survive the page: the browser keeps them by the
// name of the data, where it allows that for a file.

function keepLabels(app) {
  const rows = app.labels.changedRows();
  const name = `bottlebank.explorer.${app.about.name}`;
  try {
    if (rows.length === 0) {
      localStorage.removeItem(name);
    } else {
      const changes = rows.map((row) => [row, app.store.labels[row]]);
      localStorage.setItem(name, JSON.stringify({ classes: app.classes, changes }));
    }
  } catch {
    // No storage, or it is full: the page asks before it is left.
  }
}

// What was kept, as [[row, class name, "" or null], …]; empty where there is nothing that fits.
function keptLabels(name, n) {
  try {
    const { classes, changes } = JSON.parse(localStorage.getItem(`bottlebank.explorer.${name}`));
    const nameOf = (label) => (label === LEFT_OUT ? "" : classes[label]);
    return changes
      .map(([row, label]) => [row, nameOf(label)])
      .filter(([row, label]) => Number.isInteger(row) && row >= 0 && row < n && typeof label === "string");
  } catch {
    return [];
  }
}
