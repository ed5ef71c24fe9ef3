// Names of files and classes may be anything: they only ever become text, never markup.
const data = JSON.parse(document.getElementById("findings").textContent);
const all = data.kinds.flatMap((kind) => kind.findings);
const decisions = makeDecisions(all, data.id, () => localStorage);
let kind = data.kinds[0];
let at = 0;

const get = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function picture(name, alternative) {
  const source = data.pictures[name];
  if (!source) return element("div", "the file has gone", "gone");
  const image = element("img");
  image.src = source;
  image.alt = alternative;
  return image;
}

function showEvidence(place, title, images) {
  place.replaceChildren();
  place.hidden = !images.length;
  if (!images.length) return;
  place.append(element("h3", title));
  const grid = element("div");
  for (const image of images) {
    const figure = element("figure");
    const shown = picture(image.picture, `${image.label}: ${image.path}`);
    shown.title = image.path;
    figure.append(shown);
    grid.append(figure);
  }
  place.append(grid);
}

function show() {
  const had = document.activeElement;
  fill();
  // A button that cannot be pressed any more loses the focus, and with it a keyboard its place.
  const others = ["next", "previous", "accept", "undo"].map(get);
  if (had && had.disabled) others.find((button) => !button.disabled)?.focus();
}

function fill() {
  const finding = kind && kind.findings[at];
  get("nothing").hidden = Boolean(finding);
  get("card").hidden = !finding;
  for (const button of get("kinds").children) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === (kind && kind.kind)));
  }
  if (finding) showFinding(finding);
  const suggests = Boolean(finding && finding.suggested);
  get("accept").disabled = get("reject").disabled = !suggests;
  get("previous").disabled = !finding || at === 0;
  get("next").disabled = !finding || at === kind.findings.length - 1;
  get("undo").disabled = get("again").disabled = !decisions.canUndo();
  get("download").disabled = !decisions.count();
  const [decided, accepted] = [decisions.count(), decisions.countAccepted()];
  const decidable = all.filter((each) => each.suggested).length;
  get("progress").textContent =
    `${decided} of ${decidable} decided: ${accepted} accepted, ${decided - accepted} kept`;
  get("kept").textContent = decisions.isKept()
    ? "This browser keeps your decisions, also when the page is closed, until you begin again."
    : "This browser keeps nothing of this page: download labels.csv before you close it.";
  get("kept").className = decisions.isKept() ? "" : "lost";
}

function showFinding(finding) {
  const label = finding.label || "no label";
  get("card-title").textContent = finding.suggested ? `${label} → ${finding.suggested}?` : label;
  const shown = kind.findings.length;
  const more = kind.total > shown ? `, the first of ${kind.total}` : "";
  get("position").textContent = `${kind.title}: ${at + 1} of ${shown}${more}`;
  get("main").replaceChildren(picture(finding.picture, `${label}: ${finding.shown}`));
  const isTwice = finding.kind === "duplicate";
  const other = isTwice && finding.ofGiven[0] ? finding.ofGiven[0].label : label;
  showEvidence(
    get("given"),
    isTwice ? `The other one: ${other}` : `Most similar images of ${label}`,
    finding.ofGiven,
  );
  showEvidence(get("other"), `Most similar images of ${finding.suggested}`, finding.ofSuggested);
  const inTest = finding.split === "test" ? " It is in the test split." : "";
  get("reason").textContent = `${finding.reason[0].toUpperCase()}${finding.reason.slice(1)}.${inTest}`;
  get("path").textContent = finding.shown;
  const decision = decisions.of(finding);
  const verdict = get("verdict");
  verdict.className = decision || "";
  verdict.textContent =
    decision === "yes" ? `Accepted: ${finding.suggested}` : decision === "no" ? `Kept: ${label}` : "";
}

function move(step) {
  if (!kind) return;
  at = Math.min(Math.max(at + step, 0), kind.findings.length - 1);
  show();
}

function decide(decision) {
  const finding = kind && kind.findings[at];
  if (!finding || !finding.suggested) return;
  decisions.decide(finding, decision);
  if (at < kind.findings.length - 1) at += 1;
  show();
}

function goTo(finding) {
  kind = data.kinds.find((each) => each.findings.includes(finding));
  at = kind.findings.indexOf(finding);
  show();
}

function undo() {
  const finding = decisions.undo();
  if (finding) goTo(finding);
}

function beginAgain() {
  const n = decisions.count();
  if (!confirm(`Forget ${n === 1 ? "the decision" : `all ${n} decisions`} and begin again?`)) return;
  decisions.beginAgain();
  goTo(all[0]);
}

function download() {
  if (!decisions.count()) return;
  const text = decidedFile(decisions, data.columns, data.earlier);
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  decisions.noteWritten();
}

const KEYS = {
  a: () => decide("yes"),
  r: () => decide("no"),
  u: undo,
  d: download,
  j: () => move(1),
  k: () => move(-1),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});
get("accept").addEventListener("click", KEYS.a);
get("reject").addEventListener("click", KEYS.r);
get("undo").addEventListener("click", undo);
get("download").addEventListener("click", download);
get("next").addEventListener("click", KEYS.j);
get("previous").addEventListener("click", KEYS.k);
get("again").addEventListener("click", beginAgain);
window.addEventListener("beforeunload", (event) => {
  if (decisions.isAtRisk()) event.preventDefault();
});
window.addEventListener("storage", (event) => {
  // Another window with this page has decided something; null: everything was cleared.
  if (event.key !== decisions.name && event.key !== null) return;
  decisions.restore();
  show();
});

get("title").textContent = data.title;
get("summary").append(...data.summary.map((line) => element("p", line)));
get("shortcuts").hidden = !data.shortcuts.length;
get("shortcuts").querySelector("ul").append(...data.shortcuts.map((line) => element("li", line)));
get("shortcuts").querySelector("summary").textContent =
  (data.shortcuts.length === 1 ? "A shortcut: " : `${data.shortcuts.length} shortcuts: `) + data.shortcuts[0];
for (const each of data.kinds) {
  const button = element("button", `${each.title} (${each.total})`);
  button.type = "button";
  button.dataset.kind = each.kind;
  button.addEventListener("click", () => {
    kind = each;
    at = 0;
    show();
  });
  get("kinds").append(button);
}
// On to the first that is not decided, of an earlier visit.
const undecided = all.find((each) => each.suggested && !decisions.of(each));
if (decisions.canUndo() && undecided) goTo(undecided);
else show();
