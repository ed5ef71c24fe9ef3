"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load, random } = require("./load.js");

const {
  makeGrid, nearestRow, rowsInBox, rowsInPolygon, rowTowards, extentOf,
} = load(["view", "grid"], [
  "makeGrid", "nearestRow", "rowsInBox", "rowsInPolygon", "rowTowards", "extentOf",
]);

function cloud(n, seed) {
  const next = random(seed);
  const x = Uint16Array.from({ length: n }, () => Math.floor(65536 * next()));
  const y = Uint16Array.from({ length: n }, () => Math.floor(65536 * next()));
  const shown = Uint8Array.from({ length: n }, () => (next() < 0.8 ? 1 : 0));
  return { x, y, shown, next };
}

const SIZES = [1, 2, 3, 17, 500, 5000];

test("every row is in the grid once", () => {
  for (const n of SIZES) {
    const { x, y } = cloud(n, n);
    const { order, start } = makeGrid(x, y);
    assert.deepEqual(Array.from(order).sort((a, b) => a - b), Array.from({ length: n }, (_, i) => i));
    assert.equal(start[start.length - 1], n);
  }
});

test("the nearest shown row is that of a search through all", () => {
  for (const n of SIZES) {
    const { x, y, shown, next } = cloud(n, n + 1);
    const grid = makeGrid(x, y);
    for (let i = 0; i < 50; i += 1) {
      const [px, py, radius] = [70000 * next() - 2000, 70000 * next() - 2000, 30000 * next()];
      const distances = Array.from(x, (value, row) => (shown[row] ? Math.hypot(value - px, y[row] - py) : Infinity));
      const least = Math.min(...distances);
      const found = nearestRow(grid, px, py, radius, shown);
      assert.equal(found >= 0, least <= radius);
      if (found >= 0) {
        assert.equal(distances[found], least);
      }
    }
  }
});

test("a box has exactly the shown rows in it, on its edges too", () => {
  const { x, y, shown, next } = cloud(3000, 5);
  const grid = makeGrid(x, y);
  for (let i = 0; i < 40; i += 1) {
    const [a, b, c, d] = Array.from({ length: 4 }, () => x[Math.floor(3000 * next())]);
    const [left, right, top, bottom] = [Math.min(a, b), Math.max(a, b), Math.min(c, d), Math.max(c, d)];
    const wanted = [];
    x.forEach((value, row) => {
      if (shown[row] && value >= left && value <= right && y[row] >= top && y[row] <= bottom) {
        wanted.push(row);
      }
    });
    assert.deepEqual(Array.from(rowsInBox(grid, left, top, right, bottom, shown)), wanted);
  }
});

// The sum of the angles under which its edges are seen from a point: another way than the grid's.
function winds(polygon, x, y) {
  let sum = 0;
  polygon.forEach(([x1, y1], i) => {
    const [x2, y2] = polygon[(i + 1) % polygon.length];
    const turn = Math.atan2(y2 - y, x2 - x) - Math.atan2(y1 - y, x1 - x);
    sum += turn - 2 * Math.PI * Math.round(turn / (2 * Math.PI));
  });
  return Math.round(sum / (2 * Math.PI));
}

test("a lasso has exactly the points inside", () => {
  const { x, y, next } = cloud(2000, 9);
  const shown = new Uint8Array(2000).fill(1);
  const grid = makeGrid(x, y);
  for (let i = 0; i < 30; i += 1) {
    const corners = 3 + Math.floor(20 * next());
    const polygon = Array.from({ length: corners }, () => [80000 * next() - 7000.5, 80000 * next() - 7000.5]);
    const wanted = Array.from(x.keys()).filter((row) => winds(polygon, x[row], y[row]) % 2 !== 0);
    assert.deepEqual(Array.from(rowsInPolygon(grid, polygon, shown)), wanted);
  }
  assert.equal(rowsInPolygon(grid, [[0, 0], [9, 9]], shown).length, 0);
});

test("an arrow goes to a row in its direction, and back and forth reaches every row of a line", () => {
  const x = Uint16Array.of(100, 200, 300, 300);
  const y = Uint16Array.of(100, 100, 100, 60000);
  const grid = makeGrid(x, y);
  const all = new Uint8Array(4).fill(1);
  assert.equal(rowTowards(grid, 0, 1, 0, all), 1);
  assert.equal(rowTowards(grid, 1, 1, 0, all), 2);
  assert.equal(rowTowards(grid, 2, -1, 0, all), 1);
  assert.equal(rowTowards(grid, 2, 0, 1, all), 3);
  assert.equal(rowTowards(grid, 0, -1, 0, all), -1);
  assert.equal(rowTowards(grid, 0, 1, 0, Uint8Array.of(1, 0, 1, 1)), 2);
});

test("by arrows one comes through all rows of one place, and back", () => {
  const x = Uint16Array.of(9, 5, 1, 5, 5, 9, 5);
  const grid = makeGrid(x, new Uint16Array(7).fill(3));
  const shown = Uint8Array.of(1, 1, 1, 1, 0, 1, 1);
  const walk = (from, dx) => {
    const rows = [];
    for (let row = from; row >= 0; row = rowTowards(grid, row, dx, 0, shown)) {
      rows.push(row);
      assert.ok(rows.length < 9);
    }
    return rows;
  };
  assert.deepEqual(walk(2, 1), [2, 1, 3, 6, 0, 5]);
  assert.deepEqual(walk(5, -1), [5, 0, 6, 3, 1, 2]);
  assert.equal(rowTowards(grid, 1, 0, 1, shown), 3);
  assert.equal(rowTowards(grid, 3, 0, -1, shown), 1);
  // All images are one: a constant network, or copies alone.
  const one = makeGrid(new Uint16Array(50), new Uint16Array(50));
  const all = new Uint8Array(50).fill(1);
  for (let row = 0; row < 50; row += 1) {
    assert.equal(rowTowards(one, row, 0, 1, all), row < 49 ? row + 1 : -1);
    assert.equal(rowTowards(one, row, 0, -1, all), row - 1);
  }
});

test("the extent is that of all points", () => {
  assert.deepEqual(extentOf([5, 1, 9], [7, 7, 7]), { left: 1, right: 9, top: 7, bottom: 7 });
});
