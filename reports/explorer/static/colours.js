// What each point is coloured by, and which colours there are.

const SHADES = 32;
const QUIET = { light: "#8a938d", dark: "#7b857f" };
const RIGHT = { light: "#0072b2", dark: "#56b4e9" };
const WRONG = { light: "#d55e00", dark: "#f0803c" };
// One hue from pale to strong, against the ground: read alike by all kinds of colour vision.
const RAMP = { light: ["#c9dcec", "#3f87bd", "#08264f"], dark: ["#24435c", "#4f9fd6", "#eef6ff"] };

// Ways to colour that the data allows: name, title, and the groups or shades that it makes.
function colourings(store) {
  const all = [
    ["label", "Label", true],
    ["prediction", "Prediction", store.predicted],
    ["correctness", "Right or wrong", store.predicted],
    ["confidence", "Confidence", store.confidence],
    ["unknown", "Unknown", store.unknown],
    ["split", "Split", store.splitNames.length > 1],
    ["score", "Score", store.score],
    ["changed", "Changed here", true],
  ];
  return all.filter(([, , possible]) => possible).map(([name, title]) => ({ name, title }));
}

// Groups of a colouring, [{ name, colour }], and the group of each row.
function coloured(app) {
  const { store, theme } = app;
  const [quiet, right, wrong] = [QUIET[theme], RIGHT[theme], WRONG[theme]];
  const ofClasses = (codes) => {
    const groups = app.classes.map((name, i) => ({ name, colour: app.classColour(i) }));
    groups.push({ name: "left out", colour: quiet }, { name: "no label", colour: quiet });
    const n = app.classes.length;
    return { groups, groupOf: (row) => (codes[row] < LEFT_OUT ? codes[row] : n + codes[row] - LEFT_OUT) };
  };
  const ofShades = (shareOf, name) => {
    const groups = Array.from({ length: SHADES }, (_, i) => ({
      name,
      colour: rampColour(theme, i / (SHADES - 1)),
    }));
    groups.push({ name: "none", colour: quiet });
    const shade = (share) => (share >= 0 ? Math.min(SHADES - 1, Math.floor(share * SHADES)) : SHADES);
    return { groups, shades: true, groupOf: (row) => shade(shareOf(row)) };
  };
  const named = (names, groupOf) => ({ groups: names.map(([name, colour]) => ({ name, colour })), groupOf });
  switch (app.colourBy) {
    case "prediction":
      return ofClasses(store.predicted);
    case "correctness":
      return named([["right", right], ["wrong", wrong], ["no label", quiet]], (row) =>
        store.labels[row] >= LEFT_OUT ? 2 : Number(store.labels[row] !== store.predicted[row]),
      );
    case "confidence":
      return ofShades((row) => store.confidence[row] / 65535, "confidence");
    case "score": {
      const [least, most] = store.scoreRange;
      return ofShades((row) => (store.score[row] - least) / (most - least || 1), "score");
    }
    case "unknown":
      return named([["known", right], ["unknown", wrong]], (row) => store.unknown[row]);
    case "split":
      return named(store.splitNames.map((name, i) => [name, app.paletteColour(i)]), (row) => store.splits[row]);
    case "changed":
      return named([["as it was", quiet], ["changed here", wrong]], (row) => Number(app.labels.isChanged(row)));
    default:
      return ofClasses(store.labels);
  }
}

// What a drawer draws: codes of the rows and the table of colours, see `makeCanvasDrawer`.
function pointCodes(app) {
  const { groups, groupOf } = app.colouring;
  const n = groups.length;
  const ground = rgbOf(app.ground);
  const table = new Uint32Array(2 * n + 1);
  groups.forEach(({ colour }, i) => {
    const rgb = rgbOf(colour);
    table[1 + i] = pixelOf(rgb);
    table[1 + n + i] = pixelOf(rgb.map((part, c) => Math.round(0.22 * part + 0.78 * ground[c])));
  });
  const { shown, selected, nSelected, emphasis } = app;
  const { labels } = app.store;
  const codes = new Uint16Array(shown.length);
  for (let row = 0; row < codes.length; row += 1) {
    if (shown[row]) {
      const pale = emphasis === null ? nSelected > 0 && !selected[row] : labels[row] !== emphasis;
      codes[row] = 1 + groupOf(row) + (pale ? n : 0);
    }
  }
  return { codes, table };
}

function rgbOf(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

// 0xAABBGGRR, as the bytes of a picture lie in memory.
function pixelOf([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function rampColour(theme, share) {
  const stops = RAMP[theme].map(rgbOf);
  const at = share * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const mixed = stops[low].map((part, c) => part + (stops[low + 1][c] - part) * (at - low));
  return `#${mixed.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
