// Text of the server and names of files are set as textContent only: a class may be called <b>.

const AT_A_TIME = 3;
const MOST_TRIES = 4; // while the server has too much to do
const LOOKING = "Looking at it…";
const KEY = /^bb_[\w-]{43}$/;
const KEY_IN_USE = "The key is in use until you close this tab.";
const KEPT_KEY = "bottlebank.key"; // in this tab alone, and gone when it is closed

const form = document.getElementById("form");
const input = document.getElementById("files");
const results = document.getElementById("results");
const cards = document.getElementById("cards");
const allAgain = document.getElementById("all-again");
const announcement = document.getElementById("status");
const keyForm = document.getElementById("key-form");
const keyInput = document.getElementById("key");
const keyNote = document.getElementById("key-note");
const maxBodyBytes = Number(form.dataset.maxBodyBytes);

const waiting = [];
let working = 0;
let nEvidence = 3; // none where the server does not have the training images

function add(files) {
  if (files.length === 0) {
    announce("That was not a file. Save the image first, then drop or choose the file.", true);
    return;
  }
  const added = Array.from(files, (file) => ({ file, card: newCard(file) }));
  results.hidden = false;
  cards.prepend(...added.map(({ card }) => card));
  waiting.push(...added);
  announce(`Looking at ${added.length === 1 ? files[0].name : `${added.length} images`}`);
  added[0].card.scrollIntoView({ block: "nearest" });
  work();
}

function work() {
  while (working < AT_A_TIME && waiting.length > 0) {
    const { file, card } = waiting.shift();
    working += 1;
    show(file, card).finally(() => {
      working -= 1;
      work();
    });
  }
}

function newCard(file) {
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
  card.querySelector(".name").textContent = file.name;
  card.querySelector(".note").textContent = LOOKING;
  showThumbnail(file, card.querySelector("img"));
  const again = card.querySelector(".again");
  again.setAttribute("aria-label", `Try again: ${file.name}`);
  again.addEventListener("click", () => {
    card.classList.remove("refused");
    card.querySelector(".note").textContent = LOOKING;
    offerAgain(card, false);
    card.focus({ preventScroll: true }); // the button that had it is gone
    waiting.push({ file, card });
    work();
  });
  return card;
}

async function show(file, card) {
  const note = card.querySelector(".note");
  let said;
  try {
    const prediction = await ask(file, card);
    said = prediction.unknown ? showUnknown(prediction, card) : showClasses(prediction, card);
    showEvidence(prediction, card);
  } catch (refusal) {
    card.classList.add("refused");
    note.textContent = `No answer: ${refusal.message}`;
    offerAgain(card, refusal instanceof TemporaryError);
    said = `no answer, ${refusal.message}`;
  }
  if (card.isConnected) {
    announce(`${file.name}: ${said}`);
  }
}

function showClasses(prediction, card) {
  card.querySelector(".note").remove();
  const classes = card.querySelector(".classes");
  classes.hidden = false;
  classes.replaceChildren(...prediction.top.map(classRow));
  return `${prediction.label}, ${percent(prediction.probability)}`;
}

// Probabilities say which class is most like it, not that the image is of any: no bar is drawn.
function showUnknown(prediction, card) {
  card.classList.add("unknown");
  card.querySelector(".note").textContent = "Unknown: resembles none of the classes, or several";
  const guess = card.querySelector(".guess");
  guess.hidden = false;
  guess.querySelector("bdi").textContent = prediction.label;
  return `unknown: resembles none of the classes, or several (best guess ${prediction.label})`;
}

function showEvidence({ note, evidence = [] }, card) {
  if (note) {
    const remark = card.querySelector(".remark");
    remark.hidden = false;
    remark.textContent = note;
  }
  if (evidence.length > 0) {
    card.querySelector(".evidence").hidden = false;
    card.querySelector(".evidence ol").replaceChildren(...evidence.map(neighbourRow));
  }
}

function offerAgain(card, offered) {
  card.querySelector(".again").hidden = !offered;
  allAgain.hidden = againButtons().length < 2;
}

function againButtons() {
  return cards.querySelectorAll(".again:not([hidden])");
}

// What has a card is only read aloud; the rest is shown, too.
function announce(text, visible = false) {
  announcement.textContent = text;
  announcement.classList.toggle("only-read-aloud", !visible);
}

function showThumbnail(file, image) {
  const address = URL.createObjectURL(file);
  image.onload = () => {
    image.hidden = false;
    URL.revokeObjectURL(address);
  };
  image.onerror = () => {
    image.closest(".card").classList.add("no-preview"); // most browsers show no TIFF or HEIC
    URL.revokeObjectURL(address);
  };
  image.src = address;
}

// What may be answered another time.
class TemporaryError extends Error {}

async function ask(file, card, evidence = nEvidence) {
  if (file.size > maxBodyBytes) {
    throw new Error(`the file has ${megabytes(file.size)}; at most ${megabytes(maxBodyBytes)} are accepted.`);
  }
  const body = new FormData();
  body.append("image", file);
  let response = await send(file, body, evidence);
  for (let tries = 1; response.status === 503 && tries < MOST_TRIES && card.isConnected; tries += 1) {
    const seconds = tries * (Number(response.headers.get("Retry-After")) || 1);
    card.querySelector(".note").textContent = `The server is busy. Trying again in ${seconds} s…`;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    card.querySelector(".note").textContent = LOOKING;
    response = await send(file, body, evidence);
  }
  const answer = await response.json().catch(() => ({}));
  if (answer.error?.code === "no_training_images" && evidence > 0) {
    nEvidence = 0; // for what is asked from now on; others may be on their way with it
    return ask(file, card, 0);
  }
  if (response.status === 401) {
    askForKey();
    throw new TemporaryError("a valid key is needed: type it above, then try again.");
  }
  if (response.ok && answer.predictions) {
    return answer.predictions[0];
  }
  const reason = answer.error?.message ?? `the server's answer could not be read (status ${response.status}).`;
  const temporary = response.ok || response.status >= 500 || response.status === 408 || response.status === 429;
  throw temporary ? new TemporaryError(reason) : new Error(reason);
}

async function send(file, body, evidence) {
  try {
    const address = evidence > 0 ? `${form.action}?evidence=${evidence}` : form.action;
    const key = keptKey();
    const headers = key ? { "X-API-Key": key } : {};
    return await fetch(address, { method: "POST", body, headers });
  } catch {
    await file.arrayBuffer().catch(() => {
      throw new Error("the file cannot be read. It may be a folder, or have been moved or changed: choose it again.");
    });
    throw new TemporaryError("the server cannot be reached.");
  }
}

function classRow({ label, probability }) {
  const row = document.getElementById("class").content.firstElementChild.cloneNode(true);
  row.querySelector(".label").textContent = label;
  row.querySelector(".percent").textContent = percent(probability);
  row.querySelector(".bar span").style.inlineSize = `${100 * probability}%`;
  return row;
}

function neighbourRow({ label, file, similarity }) {
  const row = document.getElementById("neighbour").content.firstElementChild.cloneNode(true);
  row.querySelector(".label").textContent = label;
  row.querySelector(".file bdi").textContent = file;
  row.querySelector(".similarity").textContent = similarity.toFixed(2);
  return row;
}

function keptKey() {
  try {
    return sessionStorage.getItem(KEPT_KEY) ?? keyInput.value.trim();
  } catch {
    return keyInput.value.trim(); // storage is blocked
  }
}

function keepKey(key) {
  try {
    sessionStorage.setItem(KEPT_KEY, key);
  } catch {
    return; // it stays in its field
  }
  keyInput.value = "";
}

function askForKey() {
  keyNote.textContent = keptKey() ? "The server does not accept this key. Type another." : "This server needs a key.";
  keyForm.classList.add("refused");
  try {
    sessionStorage.removeItem(KEPT_KEY);
  } catch {
    // Nothing was kept.
  }
  keyForm.hidden = false;
  keyInput.focus();
}

function percent(probability) {
  return `${(100 * probability).toFixed(1)}%`;
}

function megabytes(bytes) {
  return `${(bytes / 1048576).toFixed(1)} MB`;
}

input.addEventListener("change", () => {
  add(input.files);
  input.value = ""; // the same file can be chosen again
});

form.addEventListener("submit", (event) => event.preventDefault());

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const key = keyInput.value.trim();
  if (!KEY.test(key)) {
    keyForm.classList.add("refused");
    keyNote.textContent = "A key begins with bb_ and has 46 characters.";
    return;
  }
  keepKey(key);
  keyForm.classList.remove("refused");
  keyNote.textContent = KEY_IN_USE;
  announce("The key is in use.");
  for (const again of againButtons()) {
    again.click();
  }
  input.focus();
});

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length > 0) {
    event.preventDefault();
    add(event.clipboardData.files);
  }
});

// The whole page takes drops: a picture that misses the frame would otherwise replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});

document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) {
    form.classList.remove("over");
  }
});

document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  add(event.dataTransfer.files);
});

allAgain.addEventListener("click", () => {
  for (const again of againButtons()) {
    again.click();
  }
  document.getElementById("clear").focus();
});

document.getElementById("clear").addEventListener("click", () => {
  waiting.length = 0;
  cards.replaceChildren();
  allAgain.hidden = true;
  results.hidden = true;
  announce("Results cleared.");
  input.focus();
});

if (keptKey()) {
  keyNote.textContent = KEY_IN_USE;
}

document.getElementById("without-script").remove(); // last: all of it has run
