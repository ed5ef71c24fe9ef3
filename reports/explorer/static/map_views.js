// In the panel of an image: its photograph, or a map over it, and the way to the next mistake.

const PHOTOGRAPH = -1; // else a place in the maps of an image
const MOST_MAPS = 2;

// `again` is called when another view is chosen: it calls `show`.
function makeMapViews(app, again) {
  let chosen = 0; // stays, from mistake to mistake
  const picture = element("img", { class: "picture", alt: "" });
  const choose = (place) => () => {
    chosen = place;
    again();
  };
  const button = (place) => element("button", { type: "button", class: "small", onclick: choose(place) });
  const photograph = button(PHOTOGRAPH);
  photograph.textContent = "photograph";
  const ofMaps = Array.from({ length: MOST_MAPS }, (_, place) => button(place));
  const choice = element("div", { class: "row", role: "group", "aria-label": "What is shown" }, ...ofMaps, photograph);
  const note = element("p", { class: "quiet" });
  const count = element("span", { class: "quiet" });
  const step = (words, way, label) => element("button", {
    type: "button", class: "small", "aria-label": label,
    onclick: () => app.open(mapBeside(app.maps.rows, app.opened, way), true),
  }, words);
  const steps = element("div", { class: "row" }, step("‹", -1, "Mistake before"), count, step("›", 1, "Next mistake"));
  const controls = element("div", { class: "maps" }, choice, note, steps);

  // Whether a map stands in the place of the photograph.
  function show(row) {
    const its = app.maps?.of(row) ?? null;
    controls.hidden = its === null;
    picture.hidden = true;
    if (its === null) {
      return false;
    }
    const hasPhotograph = app.thumbnails?.has(row) ?? false;
    const place = chosen === PHOTOGRAPH && hasPhotograph ? PHOTOGRAPH : Math.min(Math.max(chosen, 0), its.maps.length - 1);
    choice.hidden = its.maps.length === 0;
    photograph.hidden = !hasPhotograph;
    photograph.setAttribute("aria-pressed", String(place === PHOTOGRAPH));
    ofMaps.forEach((each, i) => {
      each.hidden = i >= its.maps.length;
      each.textContent = i < its.maps.length ? `for ${its.maps[i].label}` : "";
      each.setAttribute("aria-pressed", String(place === i));
    });
    count.textContent = `mistake ${app.maps.rows.indexOf(row) + 1} of ${app.maps.rows.length}`;
    const isMap = its.maps.length > 0 && place !== PHOTOGRAPH;
    note.textContent = [its.note, isMap ? app.maps.inWords : ""].filter(Boolean).join("; ");
    note.hidden = note.textContent === "";
    if (isMap) {
      picture.src = app.maps.addressOf(its.maps[place]);
      picture.alt = `${fileName(app.store.paths.at(row))}: ${its.maps[place].words}`;
      picture.hidden = false;
    }
    return isMap;
  }

  return { picture, controls, show };
}
