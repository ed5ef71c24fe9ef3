// Which images are shown.

const ANY = "any";

function makeFilters() {
  return {
    hiddenClasses: new Set(), // places in `classes`, LEFT_OUT, NO_LABEL
    hiddenSplits: new Set(),
    prediction: ANY, // "right", "wrong"
    confidence: [0, 1],
    known: ANY, // "known", "unknown"
    score: [-Infinity, Infinity],
    changed: false,
    found: null, // Uint8Array of what was searched for; null: nothing was
  };
}

// Uint8Array: 1 for each row that is shown.
function shownRows(store, filters, isChanged) {
  const shown = new Uint8Array(store.n).fill(1);
  const drop = (fails) => {
    for (let row = 0; row < store.n; row += 1) {
      if (shown[row] && fails(row)) {
        shown[row] = 0;
      }
    }
  };
  const { labels, predicted, confidence, unknown, score, splits } = store;
  if (filters.hiddenClasses.size > 0) {
    drop((row) => filters.hiddenClasses.has(labels[row]));
  }
  if (filters.hiddenSplits.size > 0) {
    drop((row) => filters.hiddenSplits.has(splits[row]));
  }
  if (predicted && filters.prediction !== ANY) {
    const right = filters.prediction === "right";
    drop((row) => labels[row] >= LEFT_OUT || (labels[row] === predicted[row]) !== right);
  }
  const [least, most] = filters.confidence;
  if (confidence && (least > 0 || most < 1)) {
    // Half a step of the 16 bits that a share has is no difference.
    const [low, high] = [65535 * least - 0.5, 65535 * most + 0.5];
    drop((row) => confidence[row] < low || confidence[row] > high);
  }
  if (unknown && filters.known !== ANY) {
    const wanted = filters.known === "unknown" ? 1 : 0;
    drop((row) => unknown[row] !== wanted);
  }
  const [lowest, highest] = filters.score;
  if (score && (lowest > -Infinity || highest < Infinity)) {
    drop((row) => !(score[row] >= lowest && score[row] <= highest));
  }
  if (filters.changed) {
    drop((row) => !isChanged(row));
  }
  if (filters.found) {
    drop((row) => !filters.found[row]);
  }
  return shown;
}

// Whether a row's prediction tells something: it has a label, which what predicts had not seen.
function tells(store, row) {
  return store.predicted !== null && store.labels[row] < LEFT_OUT && (store.fair === null || store.fair[row] === 1);
}

// Of each class, how many images have its label, how many of these predictions tell something
// about, and how many of these are predicted right.
function classFigures(store, classes) {
  const counts = new Uint32Array(classes.length);
  const judged = new Uint32Array(classes.length);
  const right = new Uint32Array(classes.length);
  let leftOut = 0;
  let unlabelled = 0;
  for (let row = 0; row < store.n; row += 1) {
    const label = store.labels[row];
    if (label === LEFT_OUT) {
      leftOut += 1;
    } else if (label === NO_LABEL) {
      unlabelled += 1;
    } else {
      counts[label] += 1;
      if (tells(store, row)) {
        judged[label] += 1;
        right[label] += store.predicted[row] === label ? 1 : 0;
      }
    }
  }
  return { counts, judged, right, leftOut, unlabelled };
}
