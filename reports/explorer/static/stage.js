// The two canvases of the map: the points, and over them pictures, rings, box and lasso.

const MOST_PICTURES = 120; // points in view, beyond which no pictures are drawn over them
const RING_PX = 3;
const QUICK_FROM_MS = 12; // where soft edges take longer, points in motion have hard ones
const AT_REST_MS = 150;

function makeStage(app, map) {
  const over = byId("over");
  const context = over.getContext("2d");
  const tip = byId("tip");
  const tipPicture = byId("tip-picture");
  let drawer = app.forced === "canvas" ? null : makeWebglDrawer(byId("points"), app.grid, app.forced === "webgl");
  if (drawer === null) {
    drawByProcessor();
  }
  map.dataset.drawer = drawer.name;
  byId("points").addEventListener("webglcontextlost", () => {
    drawByProcessor();
    drawer.resize(over.width, over.height);
    recolour();
  });
  let ratio = 1;
  let asked = null; // drawNow or drawOver, at the next frame
  let shape = null;
  let codes = new Uint16Array(app.store.n);
  let colours = new Uint32Array(1);
  let softMs = 0; // that the last drawing with soft edges took
  let drawnAt = -Infinity;
  let settling = 0;

  // On a new canvas: one that was asked for WebGL gives no 2-D context afterwards.
  function drawByProcessor() {
    const fresh = byId("points").cloneNode();
    byId("points").replaceWith(fresh);
    drawer = makeCanvasDrawer(fresh, app.grid);
    map.dataset.drawer = drawer.name;
  }

  function measure() {
    const { clientWidth: width, clientHeight: height } = map;
    const now = Math.min(window.devicePixelRatio || 1, 2);
    if (width === 0 || (width === app.view.width && height === app.view.height && now === ratio)) {
      return false;
    }
    ratio = now;
    resizeView(app.view, width, height, app.extent);
    drawer.resize(Math.round(width * ratio), Math.round(height * ratio));
    over.width = Math.round(width * ratio);
    over.height = Math.round(height * ratio);
    return true;
  }

  function recolour() {
    ({ codes, table: colours } = pointCodes(app));
    drawer.setCodes(codes, colours);
    redraw();
  }

  function redraw() {
    ask(drawNow);
  }

  function ask(draw) {
    if (asked === null) {
      requestAnimationFrame(() => {
        const now = asked;
        asked = null;
        now();
      });
    }
    asked = asked === drawNow ? drawNow : draw;
  }

  function drawNow() {
    const start = performance.now();
    const quick = softMs > QUICK_FROM_MS && start - drawnAt < AT_REST_MS;
    const ground = pixelOf(rgbOf(app.ground));
    drawer.draw(app.view, pointRadius(app.view, app.store.n), ratio, ground, quick);
    drawOver();
    drawnAt = performance.now();
    clearTimeout(settling);
    if (quick) {
      settling = setTimeout(redraw, AT_REST_MS + 1);
    } else {
      softMs = drawnAt - start;
    }
  }

  function drawOver() {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, app.view.width, app.view.height);
    drawPictures();
    for (const [row, wide] of [[app.opened, 2], [app.cursor, 0], [app.hovered, 0]]) {
      if (row >= 0) {
        ring(row, wide);
      }
    }
    if (shape) {
      outline(shape);
    }
  }

  function drawPictures() {
    app.picturePx = 0;
    if (!app.thumbnails || !app.withPictures) {
      return;
    }
    const { view, grid, shown } = app;
    const [left, top] = toMap(view, 0, 0);
    const [right, bottom] = toMap(view, view.width, view.height);
    let n = 0;
    stretchesInBox(grid, left, top, right, bottom, (from, to) => { n += to - from; });
    if (n > 8 * MOST_PICTURES) {
      return;
    }
    const rows = rowsInBox(grid, left, top, right, bottom, shown);
    if (rows.length > MOST_PICTURES) {
      return;
    }
    const room = Math.sqrt((view.width * view.height) / Math.max(rows.length, 1));
    const side = within(0.5 * room, 28, Math.min(app.thumbnails.side, 96));
    app.picturePx = side;
    const firstPale = (colours.length + 1) >> 1;
    for (const row of rows) {
      const [px, py] = toScreen(view, grid.x[row], grid.y[row]);
      const pale = codes[row] >= firstPale;
      context.globalAlpha = pale ? 0.25 : 1;
      context.fillStyle = cssOf(colours[pale ? codes[row] - firstPale + 1 : codes[row]]);
      app.thumbnails.drawNow(context, row, px, py, side, () => ask(drawOver), 3);
    }
    context.globalAlpha = 1;
  }

  function ring(row, wide) {
    const [px, py] = toScreen(app.view, app.store.x[row], app.store.y[row]);
    const radius = pointRadius(app.view, app.store.n) + RING_PX + wide;
    for (const [width, colour] of [[5, app.ground], [2 + wide / 2, inkOf(app.theme)]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(px, py, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function outline(corners) {
    context.beginPath();
    corners.forEach(([px, py], i) => context[i === 0 ? "moveTo" : "lineTo"](px, py));
    context.closePath();
    context.fillStyle = app.theme === "dark" ? "#ffffff22" : "#00000018";
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = inkOf(app.theme);
    context.stroke();
  }

  function setShape(corners) {
    shape = corners;
    ask(drawOver);
  }

  // Show what an image is, beside the pointer or, without one, beside its point.
  function hover(row, at) {
    tip.hidden = row < 0;
    if (row < 0) {
      ask(drawOver);
      return;
    }
    const [px, py] = at ?? toScreen(app.view, app.store.x[row], app.store.y[row]);
    if (tip.dataset.row !== String(row) || tip.dataset.label !== String(app.store.labels[row])) {
      tip.dataset.row = row;
      tip.dataset.label = app.store.labels[row];
      tipPicture.hidden = !(app.thumbnails?.has(row) ?? false);
      app.thumbnails?.paint(tipPicture, row);
      byId("tip-name").textContent = fileName(app.store.paths.at(row));
      byId("tip-label").textContent = app.labelInWords(row);
      byId("tip-prediction").textContent = app.store.predicted ? `predicted ${app.predictionInWords(row)}` : "";
      ask(drawOver);
    }
    const { width, height } = app.view;
    const beside = px > width / 2 ? px - tip.offsetWidth - 14 : px + 14;
    tip.style.left = `${within(beside, 4, Math.max(4, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${within(py - tip.offsetHeight / 2, 4, Math.max(4, height - tip.offsetHeight - 4))}px`;
  }

  function bringIntoView(row) {
    const { view, store } = app;
    const [px, py] = toScreen(view, store.x[row], store.y[row]);
    const edge = 40;
    if (px < edge || py < edge || px > view.width - edge || py > view.height - edge) {
      view.x = store.x[row];
      view.y = store.y[row];
      app.moved = true;
    }
  }

  return { measure, recolour, redraw, drawNow, setShape, hover, bringIntoView };
}

function inkOf(theme) {
  return theme === "dark" ? "#ffffff" : "#111111";
}

function cssOf(pixel) {
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}
