// What the page carries: base64 in script elements that never run; gzip inside, but for pictures.

function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) {
    return Uint8Array.fromBase64(text);
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) {
    bytes[i] = binary.charCodeAt(i);
  }
  return bytes;
}

function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// Whether the page has a part of this name.
function hasPart(name) {
  return document.getElementById(`part-${name}`) !== null;
}

// The bytes of a part; its text leaves the page, which would hold everything twice.
function takePart(name) {
  const element = document.getElementById(`part-${name}`);
  const bytes = bytesOfBase64(element.textContent.trim());
  element.remove();
  return bytes;
}

async function takeArray(name, Kind) {
  return new Kind(await gunzip(takePart(name)));
}

async function takeText(name) {
  return new TextDecoder().decode(await gunzip(takePart(name)));
}

// Texts that were joined by NUL, which no path holds, found without making a string of each.
function makeTexts(joined, n) {
  const starts = offsetsOf(joined, n);
  return {
    joined,
    at: (row) => joined.slice(starts[row], starts[row + 1] - 1),
  };
}

// Where each of n texts begins, and one more entry: the end, as if a NUL followed the last.
function offsetsOf(joined, n) {
  const starts = new Uint32Array(n + 1);
  let from = 0;
  for (let row = 1; row < n; row += 1) {
    from = joined.indexOf("\0", from) + 1;
    starts[row] = from;
  }
  starts[n] = joined.length + 1;
  return starts;
}

function hexOf(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
