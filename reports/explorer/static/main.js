// The page as a whole: what the parts know of one another.

async function openStore(about) {
  const n = about.n;
  const places = await takeArray("places", Uint16Array);
  const store = {
    n,
    x: places.subarray(0, n),
    y: places.subarray(n),
    labels: await takeArray("labels", Uint16Array),
    splitNames: about.splits,
    scoreRange: about.score_range,
    nTop: about.n_top,
    nNearest: about.n_nearest,
  };
  const kinds = {
    splits: Uint8Array, predicted: Uint16Array, confidence: Uint16Array, unknown: Uint8Array, fair: Uint8Array,
    score: Float32Array, topClasses: Uint16Array, topShares: Uint16Array, cosines: Int16Array,
    nearest: n > 65535 ? Uint32Array : Uint16Array,
  };
  for (const [name, Kind] of Object.entries(kinds)) {
    store[name] = hasPart(name) ? await takeArray(name, Kind) : null;
  }
  return store;
}

async function start() {
  const about = JSON.parse(await takeText("about"));
  const map = byId("map");
  const store = await openStore(about);
  const app = makeApp(about, store, map);
  app.begin();
  // What the first picture does without.
  store.paths = makeTexts(await takeText("paths"), store.n);
  app.search = makeSearch(store.paths, store.n);
  if (about.thumbnails) {
    app.thumbnails = makeThumbnails(about.thumbnails, await takeArray("sizes", Uint8Array));
  }
  if (hasPart("maps")) {
    const pictures = new Uint8Array(await gunzip(takePart("mapPictures")));
    app.maps = makeMaps(JSON.parse(await takeText("maps")), pictures);
  }
  app.ready();
}

start().catch((error) => {
  const old = typeof DecompressionStream === "undefined";
  byId("problem").textContent = old
    ? "This browser is too old to open the map: it needs Chrome 80, Firefox 113, Safari 16.4 or newer."
    : `The map cannot be opened: ${error.message}`;
  byId("problem").hidden = false;
});
