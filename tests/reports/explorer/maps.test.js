"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load } = require("./load.js");

const { makeMaps, mapsInWords, mapBeside } = load(["maps"], ["makeMaps", "mapsInWords", "mapBeside"]);

function mapsOf(n, nMistakes) {
  const rows = Array.from({ length: n }, (_, i) => ({ row: 10 * i, note: "", maps: [] }));
  return makeMaps({ rows, n_mistakes: nMistakes, in_words: "by occlusion" }, new Uint8Array());
}

test("how many mistakes have maps is said", () => {
  const words = (n, of, withTrained = false) => mapsInWords(mapsOf(n, of), withTrained);
  assert.match(words(50, 4180), /^The 50 most confident of 4,180 mistakes show .*by occlusion\.$/);
  assert.match(words(3, 3), /^All 3 mistakes show/);
  assert.match(words(1, 1), /^The one mistake shows/);
  assert.match(words(0, 0), /^There are no mistakes/);
  assert.match(words(3, 3, true), /trained on are among them\.$/);
});

test("the mistakes are gone through in a circle", () => {
  const { rows, of } = mapsOf(3, 9);
  assert.deepEqual(rows, [0, 10, 20]);
  assert.equal(mapBeside(rows, 0, 1), 10);
  assert.equal(mapBeside(rows, 20, 1), 0);
  assert.equal(mapBeside(rows, 0, -1), 20);
  assert.equal(of(10).row, 10);
  assert.equal(of(11), null);
});

test("a map has one address, of its own bytes", async () => {
  const words = { rows: [], n_mistakes: 0, in_words: "" };
  const { addressOf } = makeMaps(words, Uint8Array.from([1, 2, 3, 4, 5]));
  const address = addressOf({ start: 1, end: 4 });
  assert.equal(addressOf({ start: 1, end: 4 }), address);
  const { resolveObjectURL } = require("node:buffer");
  assert.deepEqual([...new Uint8Array(await resolveObjectURL(address).arrayBuffer())], [2, 3, 4]);
});
