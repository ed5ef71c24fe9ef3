// Labels that are given and not yet downloaded survive the page: the browser keeps them by the
// name of the data and of the labels that it came with, where it allows that for a file. All windows
// with one page share them.

// `storage` gives the place where a browser keeps texts by name; it throws where a page from a disk
// has none.
function makeKeptLabels(name, labels, now, classes, storage) {
  let seen = new Map(); // row -> name of its class, as they were kept when this window last looked
  let isKept = true;

  // What is changed here: row -> name of its class, "" where it is left out.
  function changes() {
    const nameOf = (label) => (label === LEFT_OUT ? "" : classes[label]);
    return new Map(labels.changedRows().map((row) => [row, nameOf(now[row])]));
  }

  // null where nothing is kept, or something else in its place.
  function read() {
    try {
      const kept = JSON.parse(storage().getItem(name));
      const nameOf = (label) => (label === LEFT_OUT ? "" : kept.classes[label]);
      const isOne = ([row, label]) =>
        Number.isInteger(row) && row >= 0 && row < now.length && typeof label === "string";
      return new Map(kept.changes.map(([row, label]) => [row, nameOf(label)]).filter(isOne));
    } catch {
      return null;
    }
  }

  // Take over, as one step, what an earlier visit or another window changed since this one looked;
  // where both changed a label, that of this window stays. How many labels are other ones now.
  function takeOver() {
    const theirs = read();
    if (theirs === null) {
      return 0; // cleared with the browser's data: what is done here stays
    }
    const ours = changes();
    const labelOf = (row) => {
      const title = theirs.get(row);
      return title === undefined ? labels.original[row] : title === "" ? LEFT_OUT : labels.classOf(title);
    };
    const rows = [...new Set([...seen.keys(), ...theirs.keys()])]
      .filter((row) => theirs.get(row) !== seen.get(row) && ours.get(row) === seen.get(row));
    seen = theirs;
    return labels.assignEach(rows.map((row) => [row, labelOf(row)]));
  }

  // Have the browser keep what is changed here and elsewhere.
  function keep() {
    takeOver();
    seen = changes();
    try {
      const text = JSON.stringify({ classes, changes: labels.changedRows().map((row) => [row, now[row]]) });
      storage().setItem(name, text);
      isKept = storage().getItem(name) === text;
    } catch {
      isKept = false; // no storage, or it is full: the page asks before it is left
    }
  }

  return { name, takeOver, keep, isKept: () => isKept };
}
