"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");

const FILE = path.join(__dirname, "..", "..", "..", "reports", "audit_page", "decisions.js");
const makeDecisions = new Function(`${fs.readFileSync(FILE, "utf8")}\nreturn makeDecisions;`)();

// As a browser's localStorage; `full` refuses what is written.
function makeStorage() {
  const kept = new Map();
  return {
    kept,
    full: false,
    getItem: (name) => kept.get(name) ?? null,
    removeItem: (name) => kept.delete(name),
    setItem(name, text) {
      if (this.full) throw new Error("quota");
      kept.set(name, text);
    },
  };
}

const FINDINGS = [
  { key: "a", label: "hat", suggested: "shoe" },
  { key: "b", label: "hat", suggested: "bag" },
  { key: "c", label: "hat", suggested: "" },
  { key: "a", label: "hat", suggested: "bag" }, // the same image, for another reason
];
const refused = () => {
  throw new Error("The operation is insecure.");
};
const told = (made) => FINDINGS.map((each) => made.of(each) ?? "");

test("what is decided is there at the next visit, and can be undone then", () => {
  const storage = makeStorage();
  const first = makeDecisions(FINDINGS, "one", () => storage);
  assert.equal(first.isKept(), true);
  first.decide(FINDINGS[0], "yes");
  first.decide(FINDINGS[1], "no");
  first.decide(FINDINGS[0], "no");
  const second = makeDecisions(FINDINGS, "one", () => storage);
  assert.deepEqual(told(second), ["no", "no", "", ""]);
  assert.deepEqual([second.count(), second.countAccepted(), second.isAtRisk()], [2, 0, false]);
  assert.equal(second.undo(), FINDINGS[0]);
  assert.deepEqual(told(second), ["yes", "no", "", ""]);
  assert.deepEqual(told(makeDecisions(FINDINGS, "one", () => storage)), ["yes", "no", "", ""]);
});

test("another page has nothing of it, and beginning again forgets this one alone", () => {
  const storage = makeStorage();
  const [one, other] = ["one", "other"].map((id) => makeDecisions(FINDINGS, id, () => storage));
  one.decide(FINDINGS[0], "yes");
  other.decide(FINDINGS[1], "no");
  assert.deepEqual(told(makeDecisions(FINDINGS, "other", () => storage)), ["", "no", "", ""]);
  assert.deepEqual(told(makeDecisions(FINDINGS, "third", () => storage)), ["", "", "", ""]);
  one.beginAgain();
  assert.equal(one.canUndo(), false);
  assert.deepEqual(told(makeDecisions(FINDINGS, "one", () => storage)), ["", "", "", ""]);
  assert.deepEqual([...storage.kept.keys()], [other.name]);
});

test("a window follows another one with the same page", () => {
  const storage = makeStorage();
  const [one, other] = [0, 1].map(() => makeDecisions(FINDINGS, "one", () => storage));
  one.decide(FINDINGS[0], "yes");
  other.restore();
  other.decide(FINDINGS[1], "no");
  one.restore();
  assert.deepEqual(told(one), ["yes", "no", "", ""]);
  one.beginAgain();
  other.restore();
  assert.equal(other.count(), 0);
});

test("where nothing can be kept, decisions are at risk until they are written", () => {
  const storage = makeStorage();
  storage.full = true;
  for (const place of [refused, () => storage, () => null]) {
    const made = makeDecisions(FINDINGS, "one", place);
    assert.equal(made.isAtRisk(), false); // nothing is decided yet
    made.decide(FINDINGS[0], "yes");
    assert.deepEqual([made.isKept(), made.isAtRisk(), made.count()], [false, true, 1]);
    made.noteWritten();
    assert.equal(made.isAtRisk(), false);
    made.decide(FINDINGS[1], "no");
    assert.equal(made.isAtRisk(), true);
    made.restore(); // finds nothing, and takes nothing away
    assert.deepEqual(told(made), ["yes", "no", "", ""]);
    made.undo();
    made.undo();
    assert.equal(made.isAtRisk(), false); // nothing is decided any more
  }
});

test("what else lies there is passed over", () => {
  const steps = [[0, "yes"], [1, "perhaps"], [2, "yes"], [9, "no"], [-1, "no"], ["0", "no"], null, 7];
  const odd = ["{", "null", "7", "[]", '{"steps": 3}', JSON.stringify({ steps })];
  for (const text of odd) {
    const storage = makeStorage();
    storage.kept.set("bottlebank.audit.one", text);
    const made = makeDecisions(FINDINGS, "one", () => storage);
    assert.deepEqual([...storage.kept], [["bottlebank.audit.one", text]]); // until one decides
    assert.deepEqual(told(made), [text === odd.at(-1) ? "yes" : "", "", "", ""]);
    made.decide(FINDINGS[1], "no");
    assert.equal(made.of(FINDINGS[1]), "no");
  }
});

test("of an image that was found twice, what was decided last is written", () => {
  const made = makeDecisions(FINDINGS, "one", makeStorage);
  made.decide(FINDINGS[0], "yes");
  made.decide(FINDINGS[1], "no");
  made.decide(FINDINGS[3], "no");
  const rows = made.rows();
  assert.deepEqual(rows.map(({ key, suggested, accept }) => [key, suggested, accept]), [
    ["a", "bag", "no"], ["b", "bag", "no"],
  ]);
});
