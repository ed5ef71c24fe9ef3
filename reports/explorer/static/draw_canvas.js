// Points written into the pixels of a 2-D canvas: the quickest way where no GPU helps.

const MOST_SOFT_PIXELS = 1500000; // beyond, points have hard edges

// A drawer has resize(width, height), setCodes(codes, colours), draw(view, radius, ratio, ground, quick);
// `quick`: hard edges will do.
// `codes`: Uint16Array, what each row is drawn as; 0 is not at all, c is colours[c], the upper half
// of which is pale and drawn first. `colours`: Uint32Array, 0xAABBGGRR.
function makeCanvasDrawer(canvas, grid) {
  const context = canvas.getContext("2d", { alpha: false });
  const { order } = grid;
  const xs = Uint16Array.from(order, (row) => grid.x[row]);
  const ys = Uint16Array.from(order, (row) => grid.y[row]);
  const sorted = new Uint16Array(order.length);
  let colours = new Uint32Array(1);
  let firstPale = 1;
  let hasPale = false;
  let image = null;
  let pixels = null;

  function setCodes(codes, table) {
    colours = table;
    firstPale = (table.length + 1) >> 1;
    hasPale = false;
    for (let k = 0; k < sorted.length; k += 1) {
      const code = codes[order[k]];
      sorted[k] = code;
      hasPale = hasPale || code >= firstPale;
    }
  }

  function resize(width, height) {
    canvas.width = width;
    canvas.height = height;
    image = context.createImageData(width, height);
    pixels = new Uint32Array(image.data.buffer);
  }

  function draw(view, radius, ratio, ground, quick) {
    pixels.fill(ground);
    const reach = (radius + 2) / view.scale;
    const [left, top] = toMap(view, 0, 0);
    const [right, bottom] = toMap(view, view.width, view.height);
    const stretches = [];
    let n = 0;
    stretchesInBox(grid, left - reach, top - reach, right + reach, bottom + reach, (from, to) => {
      stretches.push(from, to);
      n += to - from;
    });
    const size = radius * ratio;
    const isSoft = !quick && n * (2 * size + 2) ** 2 < MOST_SOFT_PIXELS;
    const soft = isSoft ? makeStamp(size) : null;
    for (const pale of hasPale ? [true, false] : [false]) {
      for (let s = 0; s < stretches.length; s += 2) {
        if (soft) {
          drawSoft(stretches[s], stretches[s + 1], view, ratio, soft, pale, ground);
        } else {
          drawHard(stretches[s], stretches[s + 1], view, ratio, size, pale);
        }
      }
    }
    context.putImageData(image, 0, 0);
  }

  function drawHard(from, to, view, ratio, size, pale) {
    const { width, height } = image;
    const side = Math.max(1, Math.round(2 * size));
    const scale = view.scale * ratio;
    const shiftX = (view.width / 2) * ratio - view.x * scale - side / 2 + 0.5;
    const shiftY = (view.height / 2) * ratio - view.y * scale - side / 2 + 0.5;
    const corner = side > 3 ? 1 : 0; // of larger squares the corners are left out
    for (let k = from; k < to; k += 1) {
      const code = sorted[k];
      if (code === 0 || code >= firstPale !== pale) {
        continue;
      }
      const px = Math.floor(xs[k] * scale + shiftX);
      const py = Math.floor(ys[k] * scale + shiftY);
      if (px < 0 || py < 0 || px + side > width || py + side > height) {
        continue;
      }
      const colour = colours[code];
      let at = py * width + px;
      for (let dy = 0; dy < side; dy += 1, at += width) {
        const cut = dy === 0 || dy === side - 1 ? corner : 0;
        for (let dx = cut; dx < side - cut; dx += 1) {
          pixels[at + dx] = colour;
        }
      }
    }
  }

  function drawSoft(from, to, view, ratio, stamp, pale, ground) {
    const { width, height } = image;
    const { side, halo, disc } = stamp;
    const scale = view.scale * ratio;
    for (let k = from; k < to; k += 1) {
      const code = sorted[k];
      if (code === 0 || code >= firstPale !== pale) {
        continue;
      }
      const px = Math.round((xs[k] - view.x) * scale + (view.width / 2) * ratio - side / 2);
      const py = Math.round((ys[k] - view.y) * scale + (view.height / 2) * ratio - side / 2);
      const colour = colours[code];
      for (let dy = Math.max(0, -py); dy < Math.min(side, height - py); dy += 1) {
        const at = (py + dy) * width + px;
        for (let dx = Math.max(0, -px); dx < Math.min(side, width - px); dx += 1) {
          const cover = dy * side + dx;
          if (halo[cover] > 0) {
            const behind = blend(pixels[at + dx], ground, halo[cover]);
            pixels[at + dx] = blend(behind, colour, disc[cover]);
          }
        }
      }
    }
  }

  return { name: "canvas", resize, setCodes, draw };
}

// How much of each pixel a disc covers, 0 to 256, and a disc that is wider by a pixel.
function makeStamp(radius) {
  const side = 2 * Math.ceil(radius + 1) + 1;
  const halo = new Uint16Array(side * side);
  const disc = new Uint16Array(side * side);
  const middle = (side - 1) / 2;
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const distance = Math.hypot(x - middle, y - middle);
      disc[y * side + x] = Math.round(256 * within(radius + 0.5 - distance, 0, 1));
      halo[y * side + x] = Math.round(180 * within(radius + 1.25 - distance, 0, 1));
    }
  }
  return { side, halo, disc };
}

// Of two colours 0xAABBGGRR, `share` 256ths of the second.
function blend(below, above, share) {
  if (share >= 256) {
    return above;
  }
  const rest = 256 - share;
  const redBlue = ((below & 0xff00ff) * rest + (above & 0xff00ff) * share) >>> 8;
  const green = ((below & 0x00ff00) * rest + (above & 0x00ff00) * share) >>> 8;
  return (0xff000000 | (redBlue & 0xff00ff) | (green & 0x00ff00)) >>> 0;
}
