// The whole page by keyboard; the list of keys in the help is made of this one.

const KEYS = [
  ["Arrows", "to the next image in that direction"],
  ["Shift + arrows", "move the map"],
  ["+ − 0", "closer, farther, the whole map"],
  ["Enter", "open the image"],
  ["Space", "select the image, or take it out"],
  ["A", "select everything that is shown"],
  ["Escape", "close the image, then end the selection"],
  ["N, P", "next and previous image of the selection"],
  ["L", "give the selection, or the open image, a label"],
  ["1 to 9", "give it the label of that class in the list"],
  ["X", "leave it out"],
  ["Z, Y", "undo, redo (with or without Ctrl)"],
  ["M, B, S", "move, box, lasso"],
  ["T", "pictures on the map, close up"],
  ["/", "search"],
  ["D", "download labels.csv"],
  ["?", "this list"],
];

const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const STEP_PX = 60;

function attachKeyboard(app, map) {
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    const types = target.closest("input:not([type=checkbox]):not([type=color]), select, textarea");
    if (types || byId("help").open || event.altKey) {
      return;
    }
    const letter = key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (letter === "z" || letter === "y") {
        event.preventDefault();
        app.step(letter === "y" || event.shiftKey ? "redo" : "undo");
      }
      return;
    }
    const onControl = target.closest("button, a, input, summary, [role=tab]");
    if (onControl && (key in DIRECTIONS || key === "Enter" || key === " ")) {
      return;
    }
    const act = actionOf(app, map, event, letter);
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

function actionOf(app, map, event, letter) {
  const { key } = event;
  const { view } = app;
  if (key in DIRECTIONS) {
    const [dx, dy] = DIRECTIONS[key];
    return event.shiftKey
      ? () => { panView(view, -dx * STEP_PX, -dy * STEP_PX); app.hasMoved(); }
      : () => app.moveCursor(dx, dy);
  }
  if (/^[1-9]$/.test(key)) {
    return () => app.assignPlace(Number(key) - 1);
  }
  const zoom = (factor) => () => {
    zoomView(view, factor, view.width / 2, view.height / 2);
    app.hasMoved();
  };
  return {
    "+": zoom(1.4),
    "=": zoom(1.4),
    "-": zoom(1 / 1.4),
    "0": () => app.fit(),
    enter: () => app.open(app.cursor),
    " ": () => app.cursor >= 0 && app.select([app.cursor], app.selected[app.cursor] ? "take" : "add"),
    a: () => app.selectShown(),
    escape: () => app.goBack(),
    n: () => app.stepThroughSelection(1),
    p: () => app.stepThroughSelection(-1),
    l: () => app.askLabel(),
    x: () => app.assign(LEFT_OUT),
    z: () => app.step(event.shiftKey ? "redo" : "undo"),
    y: () => app.step("redo"),
    m: () => app.setMode("move"),
    b: () => app.setMode("box"),
    s: () => app.setMode("lasso"),
    t: () => app.showPictures(!app.withPictures),
    "/": () => byId("search").focus(),
    d: () => app.download(),
    "?": () => byId("help").showModal(),
  }[letter];
}
