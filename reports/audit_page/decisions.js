// What a person decides of the findings of a page: step by step, kept by the browser, written as a
// labels file.

// `id` is of the findings, so that no other page has these decisions. `storage` gives the place
// where a browser keeps texts by name; it throws where a page from a disk has none.
function makeDecisions(findings, id, storage) {
  const name = `bottlebank.audit.${id}`;
  let steps = []; // [place in `findings`, "yes" or "no"], in the order in which they were made
  let decided = new Map(); // place → the last of these
  let isKept = false;
  let isWritten = true;

  function take(found) {
    steps = found;
    decided = new Map(steps);
  }

  // Have the browser keep what is decided now; where it refuses, the page asks before it is left.
  function keep() {
    try {
      const text = JSON.stringify({ steps, isWritten });
      if (steps.length) storage().setItem(name, text);
      else storage().removeItem(name);
      isKept = storage().getItem(name) === (steps.length ? text : null);
    } catch {
      isKept = false;
    }
  }

  // Take what the browser has kept: of an earlier visit, or of another window with the page.
  function restore() {
    if (steps.length && !isKept) return; // what is decided here is nowhere else
    try {
      const kept = JSON.parse(storage().getItem(name)) || { steps: [], isWritten: true };
      take(kept.steps.filter(isStep));
      isWritten = kept.isWritten === true;
    } catch {
      // Nothing is kept, or something else is there in its place.
    }
    isKept = canKeep();
  }

  // Without touching what is kept, which a busy browser may not have read yet.
  function canKeep() {
    try {
      storage().setItem(`${name}.probe`, "");
      storage().removeItem(`${name}.probe`);
      return true;
    } catch {
      return false;
    }
  }

  function isStep(step) {
    if (!Array.isArray(step) || !["yes", "no"].includes(step[1])) return false;
    const finding = Number.isInteger(step[0]) ? findings[step[0]] : undefined;
    return Boolean(finding && finding.suggested);
  }

  function change(found) {
    take(found);
    isWritten = !steps.length;
    keep();
  }

  restore();
  return {
    name,
    restore,
    of: (finding) => decided.get(findings.indexOf(finding)),
    decide: (finding, decision) => change([...steps, [findings.indexOf(finding), decision]]),
    // The finding whose last decision was taken back; undefined where there is none.
    undo() {
      const last = steps.at(-1);
      if (last) change(steps.slice(0, -1));
      return last && findings[last[0]];
    },
    beginAgain: () => change([]),
    count: () => decided.size,
    countAccepted: () => [...decided.values()].filter((each) => each === "yes").length,
    canUndo: () => steps.length > 0,
    isKept: () => isKept,
    // Whether leaving the page loses something.
    isAtRisk: () => !isKept && !isWritten,
    // An image may be found for two reasons: what was decided last about it counts.
    rows() {
      const last = [...new Set(steps.map(([place]) => place).reverse())];
      const byKey = new Map();
      for (const place of last) {
        const finding = findings[place];
        if (!byKey.has(finding.key)) byKey.set(finding.key, { ...finding, accept: decided.get(place) });
      }
      return [...byKey.values()];
    },
    noteWritten() {
      isWritten = true;
      keep();
    },
  };
}

// The labels file of decisions, after which the page's `earlier` rows are repeated.
function decidedFile(decisions, columns, earlier) {
  const rows = decisions.rows().map((row) => columns.map((name) => row[name]));
  return labelsCsv(columns, withEarlier(rows, earlier));
}
