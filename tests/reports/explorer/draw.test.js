"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const { load, random } = require("./load.js");

const { makeGrid, makeCanvasDrawer, blend, makeView, fitView, toScreen, pixelOf, rgbOf, rampColour } = load(
  ["view", "grid", "draw_canvas", "colours"],
  ["makeGrid", "makeCanvasDrawer", "blend", "makeView", "fitView", "toScreen", "pixelOf", "rgbOf", "rampColour"],
);

// A canvas that keeps what is put on it.
function fakeCanvas() {
  const canvas = { width: 0, height: 0, put: null };
  canvas.getContext = () => ({
    createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
    putImageData: (image) => { canvas.put = new Uint32Array(image.data.buffer); },
  });
  return canvas;
}

const WHITE = 0xffffffff;
const EXTENT = { left: 0, right: 65535, top: 0, bottom: 65535 };

test("each point is drawn in its colour at its place, hidden ones are not", () => {
  for (const radius of [0.75, 1.5, 4]) {
    const x = Uint16Array.of(10000, 40000, 60000, 20000);
    const y = Uint16Array.of(10000, 20000, 60000, 50000);
    const canvas = fakeCanvas();
    const drawer = makeCanvasDrawer(canvas, makeGrid(x, y));
    drawer.resize(400, 300);
    const colours = Uint32Array.of(0, 0xff0000ff, 0xff00ff00, 0xffaaaaff, 0xffaaffaa);
    drawer.setCodes(Uint16Array.of(1, 2, 0, 3), colours);
    const view = makeView(400, 300);
    fitView(view, EXTENT);
    drawer.draw(view, radius, 1, WHITE);
    const at = (row) => {
      const [px, py] = toScreen(view, x[row], y[row]);
      return canvas.put[Math.round(py - 0.5) * 400 + Math.round(px - 0.5)];
    };
    assert.equal(at(0), colours[1]);
    assert.equal(at(1), colours[2]);
    assert.equal(at(2), WHITE);
    assert.equal(at(3), colours[3]);
  }
});

test("pale points are below the others, whatever their order", () => {
  const x = Uint16Array.of(30000, 30000, 30000);
  const canvas = fakeCanvas();
  const drawer = makeCanvasDrawer(canvas, makeGrid(x, x));
  drawer.resize(100, 100);
  const view = makeView(100, 100);
  fitView(view, EXTENT);
  for (const bright of [0, 1, 2]) {
    drawer.setCodes(Uint16Array.from(x, (_, row) => (row === bright ? 1 : 2)), Uint32Array.of(0, 0xff112233, 0xffeeeeee));
    drawer.draw(view, 3, 1, WHITE);
    assert.ok(canvas.put.includes(0xff112233));
    assert.ok(!canvas.put.includes(0xffeeeeee));
  }
});

test("edges are soft, and hard where it must be quick", () => {
  const canvas = fakeCanvas();
  const drawer = makeCanvasDrawer(canvas, makeGrid(Uint16Array.of(30000), Uint16Array.of(30000)));
  drawer.resize(100, 100);
  drawer.setCodes(Uint16Array.of(1), Uint32Array.of(0, 0xff112233, 0xffeeeeee));
  const view = makeView(100, 100);
  fitView(view, EXTENT);
  for (const quick of [false, true, false]) {
    drawer.draw(view, 5, 1, 0xff000000, quick);
    const colours = new Set(canvas.put);
    assert.ok(colours.has(0xff112233));
    assert.equal(colours.size === 2, quick);
  }
});

test("points beyond the window are left out, and nothing is written outside of the picture", () => {
  const next = random(8);
  const x = Uint16Array.from({ length: 500 }, () => 65535 * next());
  const y = Uint16Array.from({ length: 500 }, () => 65535 * next());
  const canvas = fakeCanvas();
  const drawer = makeCanvasDrawer(canvas, makeGrid(x, y));
  drawer.resize(80, 60);
  drawer.setCodes(new Uint16Array(500).fill(1), Uint32Array.of(0, 0xff000000, 0xff808080));
  const view = makeView(80, 60);
  fitView(view, EXTENT);
  view.scale *= 20;
  drawer.draw(view, 6, 1, WHITE);
  const drawn = canvas.put.reduce((n, pixel) => n + (pixel !== WHITE), 0);
  assert.ok(drawn < 80 * 60 * 0.9);
});

test("colours are mixed channel by channel", () => {
  assert.equal(blend(0xff000000, 0xffffffff, 256), 0xffffffff);
  assert.equal(blend(0xff102030, 0xffffffff, 0), 0xff102030);
  const half = blend(0xff000000, 0xff204060, 128);
  assert.deepEqual([half & 255, (half >> 8) & 255, (half >> 16) & 255], [0x30, 0x20, 0x10]);
  assert.equal(pixelOf(rgbOf("#0072b2")), 0xffb27200);
  assert.equal(rampColour("light", 0), "#c9dcec");
  assert.equal(rampColour("dark", 1), "#eef6ff");
});
