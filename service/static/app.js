// Text of the server and names of files are set as textContent only: a class may be called <b>.

const AT_A_TIME = 3;
const MOST_TRIES = 4; // while the server has too much to do
const LOOKING = "Looking at it…";

const form = document.getElementById("form");
const input = document.getElementById("files");
const results = document.getElementById("results");
const cards = document.getElementById("cards");
const allAgain = document.getElementById("all-again");
const announcement = document.getElementById("status");
const maxBodyBytes = Number(form.dataset.maxBodyBytes);

const waiting = [];
let working = 0;

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

async function ask(file, card) {
  if (file.size > maxBodyBytes) {
    throw new Error(`the file has ${megabytes(file.size)}; at most ${megabytes(maxBodyBytes)} are accepted.`);
  }
  const body = new FormData();
  body.append("image", file);
  let response = await send(file, body);
  for (let tries = 1; response.status === 503 && tries < MOST_TRIES && card.isConnected; tries += 1) {
    const seconds = tries * (Number(response.headers.get("Retry-After")) || 1);
    card.querySelector(".note").textContent = `The server is busy. Trying again in ${seconds} s…`;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    card.querySelector(".note").textContent = LOOKING;
    response = await send(file, body);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok && answer.predictions) {
    return answer.predictions[0];
  }
  const reason = answer.error?.message ?? `the server's answer could not be read (status ${response.status}).`;
  const temporary = response.ok || response.status >= 500 || response.status === 408 || response.status === 429;
  throw temporary ? new TemporaryError(reason) : new Error(reason);
}

async function send(file, body) {
  try {
    return await fetch(form.action, { method: "POST", body });
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

document.getElementById("without-script").remove(); // last: all of it has run
