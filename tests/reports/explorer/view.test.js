"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load, random } = require("./load.js");

const { makeView, fitView, panView, zoomView, resizeView, toScreen, toMap, pointRadius } = load(
  ["view"],
  ["makeView", "fitView", "panView", "zoomView", "resizeView", "toScreen", "toMap", "pointRadius"],
);

const near = (a, b, within) => assert.ok(Math.abs(a - b) < within, `${a} is not ${b}`);
const EXTENT = { left: 0, right: 65535, top: 10000, bottom: 50000 };

test("the whole map fits, in windows of any shape", () => {
  for (const [width, height] of [[1280, 800], [390, 400], [60, 2000], [10, 10]]) {
    const view = makeView(width, height);
    fitView(view, EXTENT);
    for (const [x, y] of [[0, 10000], [65535, 50000]]) {
      const [px, py] = toScreen(view, x, y);
      assert.ok(width < 60 || (px >= 0 && px <= width && py >= 0 && py <= height));
    }
    const [x, y] = toMap(view, width / 2, height / 2);
    near(x, 32767.5, 1e-6);
    near(y, 30000, 1e-6);
  }
});

test("a margin leaves room for pictures", () => {
  const view = makeView(1280, 800, 56);
  resizeView(view, 1280, 800, EXTENT);
  fitView(view, EXTENT);
  for (const [x, y] of [[0, 10000], [65535, 50000]]) {
    const [px, py] = toScreen(view, x, y);
    assert.ok(px >= 55.9 && px <= 1280 - 55.9 && py >= 55.9 && py <= 800 - 55.9);
  }
});

test("the place under the pointer stays when one zooms, and screen and map are inverse", () => {
  const next = random(4);
  const view = makeView(800, 600);
  fitView(view, EXTENT);
  for (let i = 0; i < 100; i += 1) {
    const [px, py] = [250 + 300 * next(), 200 + 200 * next()];
    const [x, y] = toMap(view, px, py);
    zoomView(view, 0.8 + 0.5 * next(), px, py);
    if (view.x > 0 && view.x < 65535 && view.y > 0 && view.y < 65535) {
      const [sx, sy] = toScreen(view, x, y);
      near(sx, px, 1e-6);
      near(sy, py, 1e-6);
    }
  }
});

test("a move is one of the points, and never leaves the map altogether", () => {
  const view = makeView(800, 600);
  fitView(view, EXTENT);
  zoomView(view, 10, 400, 300);
  const [px, py] = toScreen(view, 30000, 30000);
  panView(view, 40, -25);
  const [qx, qy] = toScreen(view, 30000, 30000);
  near(qx, px + 40, 1e-6);
  near(qy, py - 25, 1e-6);
  panView(view, 1e9, 1e9);
  assert.equal(view.x, 0);
  assert.equal(view.y, 0);
});

test("a window of another size shows the same, as close", () => {
  const view = makeView(800, 600);
  fitView(view, EXTENT);
  zoomView(view, 5, 100, 100);
  const [x, y, times] = [view.x, view.y, view.scale / view.fitScale];
  resizeView(view, 300, 900, EXTENT);
  assert.deepEqual([view.x, view.y], [x, y]);
  near(view.scale / view.fitScale, times, 1e-9);
});

test("points are smaller the more there are, and never vanish", () => {
  const view = makeView(1000, 700);
  fitView(view, EXTENT);
  const radii = [1, 100, 3000, 60000, 1e6].map((n) => pointRadius(view, n));
  radii.slice(1).forEach((radius, i) => assert.ok(radius <= radii[i] && radius >= 0.5));
});
