// Elements of the page. Names, labels and paths become text alone, never markup.

function byId(id) {
  return document.getElementById(id);
}

// An element with attributes (`on…` are listeners, true and false set and leave out) and children.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== false && value !== null) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

// Make a change; where it takes away, hides or disables what has the focus inside `place`, that
// which `next` gives for it has it then: without, a keyboard would begin at the top of the page.
function keepFocus(place, change, next) {
  const had = place.contains(document.activeElement) ? document.activeElement : null;
  change();
  if (had !== null && (!had.isConnected || had.disabled || had.closest("[hidden]") !== null)) {
    next(had)?.focus();
  }
}

function percent(share) {
  return `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
}

function counted(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

function fileName(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}
