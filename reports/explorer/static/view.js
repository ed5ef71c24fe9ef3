// The part of the map that is seen. Places are 0 to 65535 on both axes, y downwards.

const MAP_SIZE = 65535;
const MARGIN_PX = 24;
const PICTURE_MARGIN_PX = 56; // half a picture finds room where all points have one
const MOST_TIMES = 4000; // of the scale at which the whole map fits

function makeView(width, height, margin = MARGIN_PX) {
  return { width, height, margin, x: MAP_SIZE / 2, y: MAP_SIZE / 2, scale: 1, fitScale: 1 };
}

// A view of another size keeps its middle; its scale follows where it showed the whole map.
function resizeView(view, width, height, extent) {
  const times = view.scale / view.fitScale;
  view.width = width;
  view.height = height;
  view.fitScale = fitScale(view, extent);
  view.scale = view.fitScale * times;
}

function fitScale(view, extent) {
  const across = Math.max(extent.right - extent.left, 1);
  const down = Math.max(extent.bottom - extent.top, 1);
  return Math.max(
    1e-6,
    Math.min((view.width - 2 * view.margin) / across, (view.height - 2 * view.margin) / down),
  );
}

function fitView(view, extent) {
  view.x = (extent.left + extent.right) / 2;
  view.y = (extent.top + extent.bottom) / 2;
  view.fitScale = fitScale(view, extent);
  view.scale = view.fitScale;
}

function panView(view, dx, dy) {
  view.x = within(view.x - dx / view.scale, 0, MAP_SIZE);
  view.y = within(view.y - dy / view.scale, 0, MAP_SIZE);
}

// The place under (px, py) stays there.
function zoomView(view, factor, px, py) {
  const [x, y] = toMap(view, px, py);
  view.scale = within(view.scale * factor, view.fitScale / 4, view.fitScale * MOST_TIMES);
  view.x = within(x - (px - view.width / 2) / view.scale, 0, MAP_SIZE);
  view.y = within(y - (py - view.height / 2) / view.scale, 0, MAP_SIZE);
}

function toScreen(view, x, y) {
  return [
    (x - view.x) * view.scale + view.width / 2,
    (y - view.y) * view.scale + view.height / 2,
  ];
}

function toMap(view, px, py) {
  return [
    (px - view.width / 2) / view.scale + view.x,
    (py - view.height / 2) / view.scale + view.y,
  ];
}

function within(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

// Radius of a point in pixels: smaller the more there are, larger the closer one looks.
function pointRadius(view, n) {
  const room = within(Math.sqrt(view.width * view.height) / 800, 0.65, 1.1);
  const alone = within(6.4 - 1.05 * Math.log10(Math.max(n, 1)) * 0.75, 0.75, 5.5);
  const crowd = n > 200000 ? 0.75 : room * (n > 50000 ? Math.min(alone, 1.25) : alone);
  return within(crowd * (view.scale / view.fitScale) ** 0.35, crowd, 9);
}
