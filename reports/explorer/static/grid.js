// A grid over the map, by which points near a place, in a box or in a lasso are found.

const POINTS_A_CELL = 4;

// x, y: Uint16Array. Rows of one cell follow one another in `order`, in a mixed order, so that no
// class is drawn over the others because its folder comes last.
function makeGrid(x, y) {
  const n = x.length;
  const bits = within(Math.round(Math.log2(Math.max(1, n / POINTS_A_CELL)) / 2), 1, 10);
  const side = 1 << bits;
  const shift = 16 - bits;
  const start = new Uint32Array(side * side + 1);
  for (let row = 0; row < n; row += 1) {
    start[(y[row] >> shift) * side + (x[row] >> shift) + 1] += 1;
  }
  for (let cell = 0; cell < side * side; cell += 1) {
    start[cell + 1] += start[cell];
  }
  const order = new Uint32Array(n);
  const next = start.slice();
  const step = coprimeStep(n);
  for (let i = 0, row = 0; i < n; i += 1, row = (row + step) % n) {
    order[next[(y[row] >> shift) * side + (x[row] >> shift)]++] = row;
  }
  return { x, y, side, shift, start, order };
}

// A step that visits each of n rows once, far from the one before.
function coprimeStep(n) {
  let step = Math.max(1, Math.floor(n * 0.618));
  while (greatestDivisor(step, n) !== 1) {
    step += 1;
  }
  return step;
}

function greatestDivisor(a, b) {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function cellRange(grid, low, high) {
  const last = grid.side - 1;
  return [
    within(Math.floor(low) >> grid.shift, 0, last),
    within(Math.floor(high) >> grid.shift, 0, last),
  ];
}

// Call `visit(from, to)` for each stretch of `order` whose cells touch a box.
function stretchesInBox(grid, left, top, right, bottom, visit) {
  if (right < 0 || bottom < 0 || left > MAP_SIZE || top > MAP_SIZE) {
    return;
  }
  const [firstX, lastX] = cellRange(grid, Math.max(left, 0), Math.min(right, MAP_SIZE));
  const [firstY, lastY] = cellRange(grid, Math.max(top, 0), Math.min(bottom, MAP_SIZE));
  for (let cy = firstY; cy <= lastY; cy += 1) {
    const from = grid.start[cy * grid.side + firstX];
    const to = grid.start[cy * grid.side + lastX + 1];
    if (from < to) {
      visit(from, to);
    }
  }
}

// The row nearest to a place, at most `radius` away, of those that are `shown`; -1: there is none.
function nearestRow(grid, x, y, radius, shown) {
  let best = -1;
  let least = radius * radius;
  stretchesInBox(grid, x - radius, y - radius, x + radius, y + radius, (from, to) => {
    for (let k = from; k < to; k += 1) {
      const row = grid.order[k];
      const dx = grid.x[row] - x;
      const dy = grid.y[row] - y;
      const squared = dx * dx + dy * dy;
      if (shown[row] && squared <= least) {
        least = squared;
        best = row;
      }
    }
  });
  return best;
}

// Shown rows in a box, ascending; its edges belong to it.
function rowsInBox(grid, left, top, right, bottom, shown) {
  const rows = [];
  stretchesInBox(grid, left, top, right, bottom, (from, to) => {
    for (let k = from; k < to; k += 1) {
      const row = grid.order[k];
      const x = grid.x[row];
      const y = grid.y[row];
      if (shown[row] && x >= left && x <= right && y >= top && y <= bottom) {
        rows.push(row);
      }
    }
  });
  return Uint32Array.from(rows).sort();
}

// Shown rows in a polygon [[x, y], …], ascending; where it crosses itself, by the even-odd rule.
function rowsInPolygon(grid, polygon, shown) {
  if (polygon.length < 3) {
    return new Uint32Array(0);
  }
  const xs = Float64Array.from(polygon, (corner) => corner[0]);
  const ys = Float64Array.from(polygon, (corner) => corner[1]);
  const [left, right] = extremes(xs);
  const [top, bottom] = extremes(ys);
  const candidates = rowsInBox(grid, left, top, right, bottom, shown);
  return candidates.filter((row) => isInside(xs, ys, grid.x[row], grid.y[row]));
}

function isInside(xs, ys, x, y) {
  let inside = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i, i += 1) {
    if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) {
      inside = !inside;
    }
  }
  return inside;
}

function extremes(values) {
  let least = Infinity;
  let most = -Infinity;
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}

// The shown row that the eye meets first when it leaves `row` in a direction (dx, dy is one of
// ±1, 0): near, and not far off to the side. Rows at one place follow one another, ascending to the
// right and downwards, descending the other way. -1: there is none.
function rowTowards(grid, row, dx, dy, shown) {
  let best = -1;
  let least = Infinity;
  const ascends = dx + dy > 0;
  for (let other = 0; other < grid.x.length; other += 1) {
    const along = (grid.x[other] - grid.x[row]) * dx + (grid.y[other] - grid.y[row]) * dy;
    const aside = (grid.x[other] - grid.x[row]) * dy - (grid.y[other] - grid.y[row]) * dx;
    const comesNext = along > 0 || (along === 0 && aside === 0 && other > row === ascends);
    if (!comesNext || !shown[other] || other === row) {
      continue;
    }
    const cost = along * along + 4 * aside * aside;
    if (cost < least || (cost === least && !ascends)) {
      least = cost;
      best = other;
    }
  }
  return best;
}

function extentOf(x, y) {
  const [left, right] = extremes(x);
  const [top, bottom] = extremes(y);
  return { left, right, top, bottom };
}
