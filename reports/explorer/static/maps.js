// Maps of the worst mistakes: what speaks for the class that an image was taken for.

function makeMaps(words, pictures) {
  const of = new Map(words.rows.map((each) => [each.row, each]));
  const addresses = new Map(); // start in `pictures` -> address
  return {
    rows: words.rows.map(({ row }) => row),
    nMistakes: words.n_mistakes,
    inWords: words.in_words,
    of: (row) => of.get(row) ?? null,
    addressOf: ({ start, end }) => {
      if (!addresses.has(start)) {
        const picture = new Blob([pictures.subarray(start, end)], { type: "image/webp" });
        addresses.set(start, URL.createObjectURL(picture));
      }
      return addresses.get(start);
    },
  };
}

// How many mistakes have maps, in words. `withTrained`: whether some are of images that the head was
// trained on, which other figures of the page leave out.
function mapsInWords(maps, withTrained) {
  const n = maps.rows.length;
  if (n === 0) {
    return "There are no mistakes of which a map could be shown.";
  }
  const which = n < maps.nMistakes
    ? `The ${n === 1 ? "" : `${n} `}most confident of ${maps.nMistakes.toLocaleString("en")} mistakes ${n === 1 ? "shows" : "show"}`
    : n === 1 ? "The one mistake shows" : `All ${n} mistakes show`;
  const counted = withTrained ? " Mistakes on images that the head was trained on are among them." : "";
  return `${which} what speaks for the class that each was taken for, ${maps.inWords}.${counted}`;
}

// The row that is `step` places further among the mistakes with maps, which are a circle.
function mapBeside(rows, row, step) {
  return rows[(rows.indexOf(row) + step + rows.length) % rows.length];
}
