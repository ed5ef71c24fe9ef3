"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load } = require("./load.js");

const COLUMNS = 4;
const A_SHEET = COLUMNS * COLUMNS;
const SIDE = 10;

// Thumbnails over sheets that say which they are and what was cut out of them.
function made(nSheets, { missing = [] } = {}) {
  const decoded = new Map(); // number -> how often
  const now = { atOnce: 0, most: 0, held: 0, mostHeld: 0 };
  const browser = {
    document: { getElementById: (id) => ({ textContent: Buffer.from(id).toString("base64") }) },
    createImageBitmap: async (blob) => {
      const number = Number((await blob.text()).slice("sheet-".length));
      decoded.set(number, (decoded.get(number) ?? 0) + 1);
      now.most = Math.max(now.most, ++now.atOnce);
      await new Promise(setImmediate);
      now.atOnce -= 1;
      if (missing.includes(number)) {
        throw new Error("broken");
      }
      now.mostHeld = Math.max(now.mostHeld, ++now.held);
      return { number, close: () => { now.held -= 1; } };
    },
    OffscreenCanvas: class {
      getContext() {
        return { drawImage: (sheet, x, y) => { this.row = rowAt(sheet.number, x, y); } };
      }

      transferToImageBitmap() {
        return { row: this.row, close() { this.row = "closed"; } };
      }
    },
  };
  Object.assign(globalThis, browser);
  const { makeThumbnails } = load(["dom", "decode", "thumbnails"], ["makeThumbnails"]);
  const sizes = new Uint8Array(2 * nSheets * A_SHEET).fill(SIDE);
  const about = { side: SIDE, columns: COLUMNS, folder: null };
  return { thumbnails: makeThumbnails(about, sizes), decoded, now };
}

function rowAt(number, x, y) {
  return number * A_SHEET + (y / SIDE) * COLUMNS + x / SIDE;
}

// Draw these rows again and again, as a stage does, until nothing asks for it; what was drawn last.
async function settled(thumbnails, rows) {
  let drawn = [];
  for (let frame = 0; frame < 500; frame += 1) {
    let again = false;
    drawn = [];
    const context = { fillRect() {}, drawImage: (tile) => drawn.push(tile.row) };
    for (const row of rows) {
      thumbnails.drawNow(context, row, 0, 0, 20, () => { again = true; }, 1);
    }
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    if (!again) {
      return drawn;
    }
  }
  return assert.fail("it is still drawn");
}

test("a view of more sheets than are held comes to rest, with each sheet decoded once", async () => {
  for (const nSheets of [1, 41, 54, 120]) {
    const { thumbnails, decoded, now } = made(nSheets);
    const rows = Array.from({ length: 120 }, (_, i) => (i * 37) % (nSheets * A_SHEET));
    const unique = [...new Set(rows)];
    assert.deepEqual(await settled(thumbnails, unique), unique);
    assert.equal(decoded.size, new Set(unique.map((row) => Math.floor(row / A_SHEET))).size);
    assert.deepEqual([...new Set(decoded.values())], [1]);
    assert.deepEqual(await settled(thumbnails, unique), unique);
    assert.deepEqual([...new Set(decoded.values())], [1]);
    assert.ok(now.most <= 4, `${now.most} at once`);
    assert.ok(now.mostHeld <= 41, `${now.mostHeld} held`);
  }
});

test("what was seen before the view is forgotten in time, and comes back", async () => {
  const { thumbnails, decoded, now } = made(200);
  for (const first of [0, 100, 0]) {
    const rows = Array.from({ length: 100 }, (_, i) => (first + i) * A_SHEET + (i % A_SHEET));
    for (let turn = 0; turn < 2; turn += 1) {
      assert.deepEqual(await settled(thumbnails, rows), rows);
      rows.forEach((row, i) => { rows[i] = row - (row % A_SHEET) + ((row + 1) % A_SHEET); });
    }
  }
  assert.equal(decoded.size, 200);
  assert.ok(now.held <= 40);
});

test("a canvas is painted with the row that was meant last", async () => {
  const { thumbnails } = made(60, { missing: [7] });
  const painted = [];
  const dataset = new Proxy({}, { set: (all, name, value) => Reflect.set(all, name, String(value)) });
  const canvas = { dataset, getContext: () => ({ drawImage: (tile) => painted.push(tile.row) }) };
  await Promise.all([5, 800, 901].map((row) => thumbnails.paint(canvas, row)));
  assert.deepEqual(painted, [901]);
  assert.equal(canvas.dataset.painted, "901");
  await thumbnails.paint(canvas, 7 * A_SHEET);
  await thumbnails.paint(canvas, 7 * A_SHEET);
  assert.deepEqual(painted, [901]);
  assert.deepEqual(await settled(thumbnails, [7 * A_SHEET, 901]), [901]);
  await thumbnails.paint(canvas, 5);
  assert.deepEqual(painted, [901, 5]);
});
