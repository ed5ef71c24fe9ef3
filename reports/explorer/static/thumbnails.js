// Pictures of the images, cut out of sheets. Few sheets are held decoded, for those of one view may
// be on as many sheets as there are images in it; what was cut out of them is held longer.

const MOST_SHEETS = 40; // of 4 MB each
const MOST_TILES = 480; // of up to 64 kB each: four times what is drawn at once
const MOST_AT_ONCE = 4; // sheets that are being decoded

// `about`: side, columns, folder (where the sheets are files beside the page).
// `sizes`: Uint8Array, width and height of each picture; 0 where there is none.
function makeThumbnails(about, sizes) {
  const aSheet = about.columns * about.columns;
  const sheets = new Map(); // number -> decoded sheet, the one used last at the end
  const tiles = new Map(); // row -> its picture, in the same order
  const wanted = new Map(); // number -> { rows, promise, done, later } of sheets that are to come
  const queue = []; // numbers of those that are not being decoded yet
  const gone = new Set(); // numbers of sheets that could not be had
  let nAtOnce = 0;

  // The picture of a row, where it is held.
  function tileOf(row) {
    let tile = tiles.get(row);
    if (tile === undefined) {
      const number = Math.floor(row / aSheet);
      const sheet = sheets.get(number);
      if (sheet === undefined) {
        return undefined;
      }
      hold(sheets, number, sheet, MOST_SHEETS);
      tile = cutOut(sheet, row);
    }
    hold(tiles, row, tile, MOST_TILES);
    return tile;
  }

  function hold(pictures, key, picture, most) {
    pictures.delete(key);
    pictures.set(key, picture);
    if (pictures.size > most) {
      const [[oldest, unused]] = pictures;
      pictures.delete(oldest);
      unused.close?.();
    }
  }

  function cutOut(sheet, row) {
    const { x, y, width, height } = placeOf(row);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(sheet, x, y, width, height, 0, 0, width, height);
    return canvas.transferToImageBitmap();
  }

  // Have a row's picture held soon; null where it cannot be.
  function want(row) {
    const number = Math.floor(row / aSheet);
    if (gone.has(number)) {
      return null;
    }
    let asked = wanted.get(number);
    if (asked === undefined) {
      asked = { rows: new Set(), later: null };
      asked.promise = new Promise((resolve) => { asked.done = resolve; });
      wanted.set(number, asked);
      queue.push(number);
      decodeNext();
    }
    asked.rows.add(row);
    return asked;
  }

  async function decodeNext() {
    if (nAtOnce === MOST_AT_ONCE || queue.length === 0) {
      return;
    }
    const number = queue.pop(); // asked for last: it is in view now
    nAtOnce += 1;
    try {
      hold(sheets, number, await loaded(number), MOST_SHEETS);
    } catch {
      gone.add(number); // the folder beside the page: the map is of use without pictures
    }
    nAtOnce -= 1;
    const { rows, done, later } = wanted.get(number);
    wanted.delete(number);
    // Now, as the sheet may have made room for others when they are drawn.
    rows.forEach(tileOf);
    done();
    later?.();
    decodeNext();
  }

  async function loaded(number) {
    if (about.folder === null) {
      const text = byId(`sheet-${number}`).textContent.trim();
      return createImageBitmap(new Blob([bytesOfBase64(text)], { type: "image/webp" }));
    }
    return new Promise((resolve, reject) => {
      const picture = new Image();
      picture.onload = () => resolve(picture);
      picture.onerror = () => reject(new Error(`${about.folder} is not beside this page`));
      picture.src = `${about.folder.split("/").map(encodeURIComponent).join("/")}/${number}.webp`;
    });
  }

  function placeOf(row) {
    const inSheet = row % aSheet;
    const [width, height] = [sizes[2 * row], sizes[2 * row + 1]];
    const x = (inSheet % about.columns) * about.side;
    return { x, y: Math.floor(inSheet / about.columns) * about.side, width, height };
  }

  // Paint a canvas, which takes the picture's own size.
  async function paint(canvas, row) {
    const { width, height } = placeOf(row);
    canvas.dataset.row = row;
    canvas.width = Math.max(1, width);
    canvas.height = Math.max(1, height);
    if (width === 0) {
      return;
    }
    let tile = tileOf(row);
    if (tile === undefined) {
      await want(row)?.promise;
      tile = tileOf(row);
    }
    if (tile !== undefined && canvas.dataset.row === String(row)) {
      canvas.getContext("2d").drawImage(tile, 0, 0);
      canvas.dataset.painted = row;
    }
  }

  // Draw into a square around (px, py) if the picture is held, else call `later` when it is. It
  // has a frame of the context's fill colour.
  function drawNow(context, row, px, py, side, later, framePx) {
    const { width, height } = placeOf(row);
    if (width === 0) {
      return;
    }
    const tile = tileOf(row);
    if (tile === undefined) {
      const asked = want(row);
      if (asked !== null) {
        asked.later = later;
      }
      return;
    }
    const scale = side / Math.max(width, height);
    const [w, h] = [width * scale, height * scale];
    const [left, top] = [px - w / 2, py - h / 2];
    context.fillRect(left - framePx, top - framePx, w + 2 * framePx, h + 2 * framePx);
    context.drawImage(tile, left, top, w, h);
  }

  return { paint, drawNow, has: (row) => sizes[2 * row] > 0, side: about.side };
}
