"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load, random } = require("./load.js");

const { makeLabels, makeKeptLabels, LEFT_OUT } = load(["labels", "kept_labels"], [
  "makeLabels", "makeKeptLabels", "LEFT_OUT",
]);

function browser() {
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, text) => kept.set(name, text),
    clear: () => kept.clear(),
  };
}

function aWindow(storage, { base = [0, 0, 1, 1, 0xffff, 2], twins = [], name = "a page" } = {}) {
  const now = Uint16Array.from(base);
  const classes = ["<script>", "قبعات", "帽子"];
  const labels = makeLabels(now, classes, twins);
  const kept = makeKeptLabels(name, labels, now, classes, () => storage);
  const nameOf = (label) => (label === LEFT_OUT ? "" : classes[label] ?? null);
  const give = (rows, title) => {
    labels.assign(rows, title === "" ? LEFT_OUT : labels.classOf(title));
    kept.keep();
  };
  return { labels, kept, give, names: () => Array.from(now, nameOf) };
}

test("what one window keeps, another takes over as one step, with classes that it does not know", () => {
  const storage = browser();
  const first = aWindow(storage);
  first.give([0, 4], "😀 new");
  first.give([2], "");
  const second = aWindow(storage);
  assert.equal(second.kept.takeOver(), 3);
  assert.deepEqual(second.names(), ["😀 new", "<script>", "", "قبعات", "😀 new", "帽子"]);
  assert.equal(second.kept.takeOver(), 0);
  second.labels.undo();
  second.kept.keep();
  assert.equal(second.labels.nChanged(), 0);
  assert.equal(first.kept.takeOver(), 3);
  assert.deepEqual(first.names(), aWindow(browser()).names());
});

test("windows that write at one time lose nothing", () => {
  const storage = browser();
  const [first, second] = [aWindow(storage), aWindow(storage)];
  first.give([0], "帽子");
  second.give([1], "قبعات"); // without having been told
  second.give([2], "");
  first.give([3], "");
  second.kept.takeOver();
  assert.deepEqual(first.names(), ["帽子", "قبعات", "", "", null, "帽子"]);
  assert.deepEqual(second.names(), first.names());
  assert.deepEqual(aWindow(storage, { name: "another page" }).kept.takeOver(), 0);
});

test("any number of windows agree in the end, in any order of steps", () => {
  const next = random(5);
  const storage = browser();
  const twins = [[1, 3], [0, 5]];
  const windows = Array.from({ length: 3 }, () => aWindow(storage, { twins }));
  for (let i = 0; i < 300; i += 1) {
    const one = windows[Math.floor(3 * next())];
    const way = next();
    if (way < 0.6) {
      const rows = [0, 1, 2, 3, 4, 5].filter(() => next() < 0.3);
      one.give(rows, ["<script>", "帽子", "", `new ${i % 5}`][Math.floor(4 * next())]);
    } else {
      one.labels[way < 0.8 ? "undo" : "redo"]();
      one.kept.keep();
    }
    if (next() < 0.5) {
      windows.forEach((each) => each.kept.takeOver());
      assert.deepEqual(windows[1].names(), windows[0].names());
      assert.deepEqual(windows[2].names(), windows[0].names());
    }
  }
});

test("labels stay in the page where the browser keeps none, or forgets them", () => {
  const full = { getItem: () => null, setItem: () => { throw new Error("full"); } };
  const here = aWindow(full);
  here.give([0], "");
  assert.equal(here.kept.isKept(), false);
  here.give([1], "");
  assert.equal(here.kept.takeOver(), 0);
  assert.deepEqual(here.labels.changedRows(), [0, 1]);

  const storage = browser();
  const there = aWindow(storage);
  there.give([0], "");
  storage.clear();
  there.give([1], "");
  assert.deepEqual(there.labels.changedRows(), [0, 1]);
  assert.equal(aWindow(storage).kept.takeOver(), 2);

  for (const text of ["", "no JSON", "7", "{}", '{"classes":[],"changes":[[0,3],[99,0],["1",0],[1]]}']) {
    storage.setItem("a page", text);
    assert.equal(aWindow(storage).kept.takeOver(), 0);
  }
});
