// Search in paths and class names, in upper and lower case alike.

// `texts`: from makeTexts. All paths are one long string, through which one search goes.
function makeSearch(texts, n) {
  let lowered = null;
  let starts = null;

  // Uint8Array: 1 for each row whose path or label has the words; null where nothing is asked.
  return function search(words, labels, classes) {
    const wanted = words.trim().toLowerCase();
    if (wanted === "") {
      return null;
    }
    if (lowered === null) {
      lowered = texts.joined.toLowerCase();
      starts = offsetsOf(lowered, n); // some letters are longer in lower case
    }
    const found = new Uint8Array(n);
    let row = 0;
    for (let at = lowered.indexOf(wanted); at >= 0; at = lowered.indexOf(wanted, starts[row + 1])) {
      row = lastAtMost(starts, at, row);
      found[row] = 1;
    }
    const named = classes.map((name) => name.toLowerCase().includes(wanted));
    if (named.includes(true)) {
      for (let each = 0; each < n; each += 1) {
        if (named[labels[each]]) {
          found[each] = 1;
        }
      }
    }
    return found;
  };
}

// The last place, from `low` on, whose value is at most `wanted`; values ascend.
function lastAtMost(values, wanted, low) {
  let high = values.length - 1;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= wanted) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}
