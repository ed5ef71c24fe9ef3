// Pictures of the images, cut out of sheets, of which a few are held decoded.

const MOST_SHEETS = 40; // of 4 MB each

// `about`: side, columns, n_sheets, folder (where the sheets are files beside the page).
// `sizes`: Uint8Array, width and height of each picture; 0 where there is none.
function makeThumbnails(about, sizes) {
  const sheets = new Map(); // number -> { promise, picture }, the one used last at the end
  const aSheet = about.columns * about.columns;

  function sheetOf(number) {
    let sheet = sheets.get(number);
    if (sheet === undefined) {
      sheet = { promise: null, picture: null };
      sheet.promise = loaded(number).then((picture) => {
        sheet.picture = picture;
        return picture;
      });
    } else {
      sheets.delete(number);
    }
    sheets.set(number, sheet);
    if (sheets.size > MOST_SHEETS) {
      const [oldest] = sheets.keys();
      sheets.delete(oldest);
    }
    return sheet;
  }

  function loaded(number) {
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
    const { x, y, width, height } = placeOf(row);
    canvas.dataset.row = row;
    canvas.width = Math.max(1, width);
    canvas.height = Math.max(1, height);
    if (width === 0) {
      return;
    }
    let picture;
    try {
      picture = await sheetOf(Math.floor(row / aSheet)).promise;
    } catch {
      return; // the folder beside the page is gone: the map is of use without pictures
    }
    if (canvas.dataset.row === String(row)) {
      canvas.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, width, height);
      canvas.dataset.painted = row;
    }
  }

  // Draw into a square around (px, py) if the sheet is there, else call `later` when it is. The
  // picture has a frame of the context's fill colour.
  function drawNow(context, row, px, py, side, later, framePx) {
    const { x, y, width, height } = placeOf(row);
    if (width === 0) {
      return;
    }
    const sheet = sheetOf(Math.floor(row / aSheet));
    if (sheet.picture === null) {
      sheet.promise.then(later, () => {});
      return;
    }
    const scale = side / Math.max(width, height);
    const [w, h] = [width * scale, height * scale];
    const [left, top] = [px - w / 2, py - h / 2];
    context.fillRect(left - framePx, top - framePx, w + 2 * framePx, h + 2 * framePx);
    context.drawImage(sheet.picture, x, y, width, height, left, top, w, h);
  }

  return { paint, drawNow, has: (row) => sizes[2 * row] > 0, side: about.side };
}
