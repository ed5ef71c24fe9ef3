// A labels file, byte for byte as bottlebank itself writes one (datasets/guarded_names.py).

// What a spreadsheet would compute, or a reader would take off at the ends, has an apostrophe before
// it; so has what begins with apostrophes in front of these. Reading takes that apostrophe off.
const AMBIGUOUS = /^'*[=+\-@\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b]|[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b]$/;

function csvValue(text) {
  const safe = AMBIGUOUS.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// `columns` are names, `rows` lists of texts, the first of each a key.
function labelsCsv(columns, rows) {
  const lines = [columns, ...rows].map((row) => `${row.map(csvValue).join(",")}\r\n`);
  return lines.join("");
}

// Rows, and after them those of an earlier labels file whose images they do not name: what is
// decided now goes before what was decided then, and nothing of that is lost.
function withEarlier(rows, earlier) {
  const keys = new Set(rows.map(([key]) => key));
  return [...rows, ...earlier.filter(([key]) => !keys.has(key))];
}
