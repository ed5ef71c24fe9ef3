// The explorer's scripts in a scope of their own, as the page has them, for the tests in node.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const REPORTS = path.join(__dirname, "..", "..", "..", "reports");
const STATIC = path.join(REPORTS, "explorer", "static");

// What the scripts of these names define, by the names that are wanted.
function load(scripts, wanted) {
  const files = scripts.map((name) => path.join(STATIC, `${name}.js`));
  const sources = [path.join(REPORTS, "labels_csv", "labels_csv.js"), ...files].map(
    (file) => fs.readFileSync(file, "utf8"),
  );
  return new Function(`"use strict";\n${sources.join("\n")}\nreturn { ${wanted.join(", ")} };`)();
}

// Numbers from 0 to 1, the same in each run (mulberry32).
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

module.exports = { load, random };
