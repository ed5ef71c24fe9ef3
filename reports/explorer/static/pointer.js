// Mouse, pen and fingers on the map: move, zoom, point at, open, box and lasso.

const CLICK_PX = 6; // what moves less is a click
const LEAST_STEP_PX = 3; // between two corners of a lasso
const REACH_PX = { mouse: 9, pen: 12, touch: 24 };

function attachPointer(app, map) {
  const down = new Map(); // pointerId -> [x, y]
  let start = null; // { x, y, moved, shape, adds, takes }
  let pinch = null;

  const at = (event) => {
    const box = map.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const pick = (event) => {
    const [px, py] = at(event);
    const [x, y] = toMap(app.view, px, py);
    const reach = REACH_PX[event.pointerType] ?? REACH_PX.mouse;
    const drawn = Math.max(pointRadius(app.view, app.store.n), app.picturePx / 2);
    return nearestRow(app.grid, x, y, Math.max(reach, drawn) / app.view.scale, app.shown);
  };

  map.addEventListener("pointerdown", (event) => {
    if (event.button > 0) {
      return;
    }
    map.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    if (down.size === 2) {
      pinch = spanOf(down);
      start = null;
      app.drawShape(null);
      return;
    }
    const [x, y] = at(event);
    const draws = app.mode !== "move" || event.shiftKey;
    const shape = draws ? [[x, y]] : null;
    start = { x, y, moved: false, shape, adds: event.shiftKey, takes: event.altKey };
    app.hover(-1);
  });

  map.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (before === undefined) {
      app.hover(pick(event), at(event));
      return;
    }
    const [x, y] = at(event);
    down.set(event.pointerId, [x, y]);
    if (pinch) {
      const now = spanOf(down);
      panView(app.view, now.x - pinch.x, now.y - pinch.y);
      zoomView(app.view, now.length / Math.max(pinch.length, 1), now.x, now.y);
      pinch = now;
      app.hasMoved();
    } else if (start) {
      start.moved = start.moved || Math.hypot(x - start.x, y - start.y) > CLICK_PX;
      if (!start.moved) {
        return;
      }
      if (start.shape) {
        extend(start.shape, x, y);
        app.drawShape(app.mode === "box" ? corners(start, x, y) : start.shape);
      } else {
        panView(app.view, x - before[0], y - before[1]);
        app.hasMoved();
      }
    }
  });

  const lift = (event) => {
    if (!down.delete(event.pointerId)) {
      return;
    }
    if (pinch) {
      pinch = null;
      return;
    }
    const ended = start;
    start = null;
    if (!ended || event.type === "pointercancel") {
      app.drawShape(null);
      return;
    }
    if (!ended.moved) {
      const row = pick(event);
      if (ended.adds && row >= 0) {
        app.select([row], app.selected[row] ? "take" : "add");
      } else {
        app.open(row);
      }
      return;
    }
    if (ended.shape) {
      const [x, y] = at(event);
      const shape = app.mode === "box" ? corners(ended, x, y) : ended.shape;
      app.drawShape(null);
      const rows = rowsInShape(app, shape);
      app.select(rows, ended.adds ? "add" : ended.takes ? "take" : "new");
    }
  };
  map.addEventListener("pointerup", lift);
  map.addEventListener("pointercancel", lift);
  map.addEventListener("pointerleave", () => app.hover(-1));
  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    zoomView(app.view, Math.exp(-within(event.deltaY * lines, -200, 200) / 300), ...at(event));
    app.hasMoved();
  }, { passive: false });
  map.addEventListener("dblclick", (event) => {
    if (pick(event) < 0) {
      zoomView(app.view, 2, ...at(event));
      app.hasMoved();
    }
  });
}

function spanOf(down) {
  const [[x0, y0], [x1, y1]] = down.values();
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, length: Math.hypot(x1 - x0, y1 - y0) };
}

function extend(shape, x, y) {
  const [lastX, lastY] = shape[shape.length - 1];
  if (Math.hypot(x - lastX, y - lastY) >= LEAST_STEP_PX) {
    shape.push([x, y]);
  }
}

function corners(start, x, y) {
  return [[start.x, start.y], [x, start.y], [x, y], [start.x, y]];
}

// Shown rows inside a shape that was drawn on the screen.
function rowsInShape(app, shape) {
  const polygon = shape.map(([px, py]) => toMap(app.view, px, py));
  return rowsInPolygon(app.grid, polygon, app.shown);
}
