// Text of the server and names of files are set as textContent only: a class may be called <b>.

const AT_A_TIME = 3;
const MOST_TRIES = 4; // while the server has too much to do

const form = document.getElementById("form");
const input = document.getElementById("files");
const results = document.getElementById("results");
const cards = document.getElementById("cards");
const announcement = document.getElementById("status");
const maxBodyBytes = Number(form.dataset.maxBodyBytes);

const waiting = [];
let working = 0;

function add(files) {
  if (files.length === 0) {
    announce("That held no file. Save the image first, then drop or choose the file.", true);
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
  return card;
}

async function show(file, card) {
  showThumbnail(file, card.querySelector("img"));
  const note = card.querySelector(".note");
  try {
    const prediction = await ask(file);
    if (prediction.unknown) {
      showUnknown(prediction, card, note);
      announce(`${file.name}: ${note.textContent}`);
      return;
    }
    note.remove();
    card.querySelector(".classes").replaceChildren(...prediction.top.map(classRow));
    announce(`${file.name}: ${prediction.label}, ${percent(prediction.probability)}`);
  } catch (refusal) {
    card.classList.add("refused");
    note.textContent = `No answer: ${refusal.message}`;
    announce(`${file.name}: no answer, ${refusal.message}`);
  }
}

// Probabilities say which class is nearest, not that the image is of any: no bar is drawn.
function showUnknown(prediction, card, note) {
  card.classList.add("unknown");
  note.textContent = "Unknown: resembles none of the training images";
  const nearest = card.querySelector(".nearest");
  nearest.hidden = false;
  nearest.querySelector("bdi").textContent = prediction.label;
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

async function ask(file) {
  if (file.size > maxBodyBytes) {
    throw new Error(`the file has ${megabytes(file.size)}; at most ${megabytes(maxBodyBytes)} are accepted.`);
  }
  const body = new FormData();
  body.append("image", file);
  let response = await send(body);
  for (let tries = 1; response.status === 503 && tries < MOST_TRIES; tries += 1) {
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds * tries));
    response = await send(body);
  }
  const answer = await response.json().catch(() => ({}));
  if (answer.error) {
    throw new Error(answer.error.message);
  }
  if (!response.ok || !answer.predictions) {
    throw new Error(`the server answered with status ${response.status}.`);
  }
  return answer.predictions[0];
}

async function send(body) {
  try {
    return await fetch(form.action, { method: "POST", body });
  } catch {
    throw new Error("the server cannot be reached, or the file cannot be read.");
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

document.getElementById("clear").addEventListener("click", () => {
  waiting.length = 0;
  cards.replaceChildren();
  results.hidden = true;
  announce("Results cleared.");
  input.focus();
});
