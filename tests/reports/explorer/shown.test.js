"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load } = require("./load.js");

const {
  makeFilters, shownRows, classFigures, makeSearch, makeTexts, LEFT_OUT, NO_LABEL,
} = load(["view", "decode", "labels", "filters", "search"], [
  "makeFilters", "shownRows", "classFigures", "makeSearch", "makeTexts", "LEFT_OUT", "NO_LABEL",
]);

const store = {
  n: 6,
  labels: Uint16Array.of(0, 0, 1, 1, LEFT_OUT, NO_LABEL),
  predicted: Uint16Array.of(0, 1, 1, 0, 0, 1),
  confidence: Uint16Array.of(65535, 32768, 6554, 0, 65535, 52428),
  unknown: Uint8Array.of(0, 1, 0, 0, 1, 0),
  fair: null,
  splits: Uint8Array.of(0, 0, 1, 1, 0, 1),
  score: Float32Array.of(1, 2, NaN, 4, 5, 6),
};

function rowsOf(change) {
  const shown = shownRows(store, Object.assign(makeFilters(), change), (row) => row === 3);
  return Array.from(shown.keys()).filter((row) => shown[row]);
}

test("each filter shows what it says", () => {
  assert.deepEqual(rowsOf({}), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(rowsOf({ hiddenClasses: new Set([0, LEFT_OUT]) }), [2, 3, 5]);
  assert.deepEqual(rowsOf({ hiddenSplits: new Set([1]) }), [0, 1, 4]);
  assert.deepEqual(rowsOf({ prediction: "right" }), [0, 2]);
  assert.deepEqual(rowsOf({ prediction: "wrong" }), [1, 3]);
  assert.deepEqual(rowsOf({ confidence: [0.4, 0.9] }), [1, 5]);
  assert.deepEqual(rowsOf({ known: "unknown" }), [1, 4]);
  assert.deepEqual(rowsOf({ known: "known" }), [0, 2, 3, 5]);
  assert.deepEqual(rowsOf({ score: [2, 5] }), [1, 3, 4]);
  assert.deepEqual(rowsOf({ changed: true }), [3]);
  assert.deepEqual(rowsOf({ found: Uint8Array.of(1, 0, 0, 0, 0, 1) }), [0, 5]);
  assert.deepEqual(rowsOf({ prediction: "wrong", hiddenSplits: new Set([1]) }), [1]);
});

test("classes have counts, and how many of their images are predicted right", () => {
  const figures = (changes) => {
    const found = classFigures({ ...store, ...changes }, ["a", "b", "new"]);
    assert.deepEqual(Array.from(found.counts), [2, 2, 0]);
    assert.deepEqual([found.leftOut, found.unlabelled], [1, 1]);
    return [Array.from(found.judged), Array.from(found.right)];
  };
  assert.deepEqual(figures({}), [[2, 2, 0], [1, 1, 0]]);
  // What predicts had seen the first, which it has right, and the last two.
  assert.deepEqual(figures({ fair: Uint8Array.of(0, 1, 1, 1, 0, 0) }), [[1, 2, 0], [0, 1, 0]]);
  assert.deepEqual(figures({ fair: new Uint8Array(6) }), [[0, 0, 0], [0, 0, 0]]);
  assert.deepEqual(figures({ predicted: null }), [[0, 0, 0], [0, 0, 0]]);
});

test("a search finds every path and label that has the words, in any script", () => {
  const paths = ["Hat/İstanbul.jpg", "hat/帽子 1.jpg", "", "قبعة/١.png", "😀/😀.webp", "x/<script>.jpg"];
  const texts = makeTexts(paths.join("\0"), paths.length);
  paths.forEach((path, row) => assert.equal(texts.at(row), path));
  const search = makeSearch(texts, paths.length);
  const labels = Uint16Array.of(0, 0, 1, 1, 1, LEFT_OUT);
  const rows = (words) => {
    const found = search(words, labels, ["Hats", "<b>"]);
    return Array.from(found.keys()).filter((row) => found[row]);
  };
  assert.equal(search("  ", labels, []), null);
  assert.deepEqual(rows("HAT"), [0, 1]);
  assert.deepEqual(rows("帽子"), [1]);
  assert.deepEqual(rows("قبعة"), [3]);
  assert.deepEqual(rows("😀/"), [4]);
  assert.deepEqual(rows("<SCRIPT>"), [5]);
  assert.deepEqual(rows("<b>"), [2, 3, 4]);
  assert.deepEqual(rows("jpg"), [0, 1, 5]);
  assert.deepEqual(rows("none of them"), []);
});
