// Labels that a person gives: each step can be undone, and what changed is a labels file.

const LEFT_OUT = 0xfffe;
const NO_LABEL = 0xffff;

// `labels`: Uint16Array, places in `classes`, changed in place. `classes` grows by new names.
// `twins`: groups of rows with one content; a labels file goes by content, so they share a label.
function makeLabels(labels, classes, twins = []) {
  const twinsOf = new Map(twins.flatMap((group) => group.map((row) => [row, group])));
  const original = labels.slice();
  const done = [];
  const undone = [];
  const changed = new Set();

  function note(row) {
    if (labels[row] === original[row]) {
      changed.delete(row);
    } else {
      changed.add(row);
    }
  }

  // One step: these rows have one label now. False where they had it already.
  function assign(rows, label) {
    const meant = new Set(rows);
    if (twinsOf.size > 0) {
      rows.forEach((row) => twinsOf.get(row)?.forEach((twin) => meant.add(twin)));
    }
    return assignEach([...meant].map((row) => [row, label])) > 0;
  }

  // One step: [[row, label], …], each row a label of its own. How many rows had another one.
  function assignEach(pairs) {
    const moved = pairs.filter(([row, label]) => labels[row] !== label);
    if (moved.length > 0) {
      const rows = Uint32Array.from(moved, ([row]) => row);
      const after = Uint16Array.from(moved, ([, label]) => label);
      done.push({ rows, before: Uint16Array.from(rows, (row) => labels[row]), after });
      undone.length = 0;
      apply(rows, (i) => after[i]);
    }
    return moved.length;
  }

  function apply(rows, labelOf) {
    rows.forEach((row, i) => {
      labels[row] = labelOf(i);
      note(row);
    });
  }

  // The step that was taken back or done again; undefined where there is none.
  function undo() {
    const step = done.pop();
    if (step) {
      undone.push(step);
      apply(step.rows, (i) => step.before[i]);
    }
    return step;
  }

  function redo() {
    const step = undone.pop();
    if (step) {
      done.push(step);
      apply(step.rows, (i) => step.after[i]);
    }
    return step;
  }

  // Place of a class in `classes`, with a new place for a new name; names are compared as NFC.
  function classOf(name) {
    const normal = name.normalize("NFC");
    const found = classes.findIndex((known) => known.normalize("NFC") === normal);
    return found >= 0 ? found : classes.push(normal) - 1;
  }

  return {
    original,
    assign,
    assignEach,
    undo,
    redo,
    classOf,
    canUndo: () => done.length > 0,
    canRedo: () => undone.length > 0,
    changedRows: () => Array.from(changed).sort((a, b) => a - b),
    isChanged: (row) => changed.has(row),
    nChanged: () => changed.size,
  };
}

// A labels file as `bottlebank train --labels` reads it: what changed, by the images' content, and
// what an `earlier` one says: key, path, label, and "" where nobody has decided that label yet.
function labelsFile(rows, { keyOf, pathOf, labelOf }, earlier = []) {
  const changed = rows.map((row) => [keyOf(row), pathOf(row), labelOf(row), "no"]);
  const all = withEarlier(changed, earlier);
  const columns = ["key", "path", "label", "accept"];
  const n = all.some((row) => row[3] === "") ? 4 : 3;
  return labelsCsv(columns.slice(0, n), all.map((row) => row.slice(0, n)));
}
