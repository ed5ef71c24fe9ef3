"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load, random } = require("./load.js");

const { makeLabels, labelsFile, LEFT_OUT } = load(["labels"], ["makeLabels", "labelsFile", "LEFT_OUT"]);

test("undo takes back every step, redo does it again, in any order of both", () => {
  const next = random(2);
  const labels = Uint16Array.from({ length: 40 }, (_, row) => row % 3);
  const made = makeLabels(labels, ["a", "b", "c"]);
  const states = [Array.from(labels)];
  let at = 0;
  for (let i = 0; i < 400; i += 1) {
    const way = next();
    if (way < 0.4) {
      const rows = Array.from({ length: 40 }, (_, row) => row).filter(() => next() < 0.2);
      if (made.assign(rows, next() < 0.2 ? LEFT_OUT : Math.floor(3 * next()))) {
        at += 1;
        states.splice(at, states.length, Array.from(labels));
      }
    } else if (way < 0.7) {
      at -= made.undo() ? 1 : 0;
    } else {
      at += made.redo() ? 1 : 0;
    }
    assert.deepEqual(Array.from(labels), states[at]);
    const changed = states[0].flatMap((label, row) => (label === labels[row] ? [] : [row]));
    assert.deepEqual(made.changedRows(), changed);
    assert.equal(made.nChanged(), changed.length);
    assert.equal(made.canUndo(), at > 0);
    assert.equal(made.canRedo(), at < states.length - 1);
  }
});

test("files of one content have one label", () => {
  const labels = Uint16Array.of(0, 1, 0, 1);
  const made = makeLabels(labels, ["a", "b", "c"], [[0, 3]]);
  made.assign([0], 2);
  assert.deepEqual(Array.from(labels), [2, 1, 0, 2]);
  made.undo();
  assert.deepEqual(Array.from(labels), [0, 1, 0, 1]);
  made.assign([0], 0); // its own label, which its twin has not
  assert.deepEqual(Array.from(labels), [0, 1, 0, 0]);
});

test("a name that looks the same is the same class, a new one is a new class", () => {
  const classes = ["caf\u00e9", "hat"];
  const { classOf } = makeLabels(new Uint16Array(1), classes);
  assert.equal(classOf("cafe\u0301"), 0);
  assert.equal(classOf("hat"), 1);
  assert.equal(classOf("قبعة"), 2);
  assert.equal(classOf("قبعة"), 2);
  assert.deepEqual(classes, ["caf\u00e9", "hat", "قبعة"]);
});

test("a labels file of what changed", () => {
  const text = labelsFile([3, 1], {
    keyOf: (row) => `k${row}`, pathOf: (row) => `${row}.jpg`, labelOf: (row) => (row === 1 ? "" : "@x"),
  });
  assert.equal(text, "key,path,label\r\nk3,3.jpg,'@x\r\nk1,1.jpg,\r\n");
});

test("a labels file repeats what an earlier one says of other images", () => {
  const ways = { keyOf: (row) => `k${row}`, pathOf: () => "p", labelOf: () => "new" };
  const earlier = [["k1", "a", "old", "no"], ["k9", "b", "", "no"]];
  assert.equal(labelsFile([1], ways, earlier), "key,path,label\r\nk1,p,new\r\nk9,b,\r\n");
  const open = [["k8", "c", "", ""]]; // nobody has decided anything of it
  assert.equal(
    labelsFile([1], ways, [...earlier, ...open]),
    "key,path,label,accept\r\nk1,p,new,no\r\nk9,b,,no\r\nk8,c,,\r\n",
  );
});
