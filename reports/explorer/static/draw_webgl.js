// Points drawn by a GPU, through the same interface as `makeCanvasDrawer`.

const POINT_SHADER = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in uint code;
uniform vec4 view; // x, y, and pixels for a step of the map on each axis, halved by the size
uniform float size;
uniform bool pale;
uniform uint firstPale;
uniform highp sampler2D colours;
out vec3 colour;
void main() {
  bool hidden = code == 0u || (code >= firstPale) != pale;
  vec2 at = (place - view.xy) * view.zw;
  gl_Position = hidden ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(at.x, -at.y, 0.0, 1.0);
  gl_PointSize = size + 2.0;
  int entry = int(code);
  colour = texelFetch(colours, ivec2(entry & 255, entry >> 8), 0).rgb;
}`;

const PIXEL_SHADER = `#version 300 es
precision highp float;
in vec3 colour;
uniform float size;
out vec4 pixel;
void main() {
  float distance = length(gl_PointCoord - 0.5) * (size + 2.0);
  float cover = clamp(size / 2.0 + 0.5 - distance, 0.0, 1.0);
  if (cover == 0.0) discard;
  pixel = vec4(colour, cover);
}`;

const IN_SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

// A drawer, or null where there is no GPU to draw with; `always` takes what emulates one as well.
function makeWebglDrawer(canvas, grid, always) {
  const gl = canvas.getContext("webgl2", {
    alpha: false,
    antialias: false,
    failIfMajorPerformanceCaveat: !always,
  });
  if (gl === null || (!always && IN_SOFTWARE.test(rendererOf(gl)))) {
    return null;
  }
  const program = linked(gl, POINT_SHADER, PIXEL_SHADER);
  if (program === null) {
    return null;
  }
  const at = (name) => gl.getUniformLocation(program, name);
  const [view_, size_, pale_, firstPale_] = ["view", "size", "pale", "firstPale"].map(at);
  const n = grid.order.length;
  const places = new Uint16Array(2 * n);
  const sorted = new Uint16Array(n);
  grid.order.forEach((row, k) => {
    places[2 * k] = grid.x[row];
    places[2 * k + 1] = grid.y[row];
  });
  const codesBuffer = gl.createBuffer();
  const colourTexture = gl.createTexture();
  let firstPale = 1;
  let hasPale = false;

  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, false, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, codesBuffer);
  gl.bufferData(gl.ARRAY_BUFFER, sorted, gl.DYNAMIC_DRAW);
  gl.enableVertexAttribArray(1);
  gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_SHORT, 0, 0);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  gl.bindTexture(gl.TEXTURE_2D, colourTexture);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);

  function setCodes(codes, table) {
    firstPale = (table.length + 1) >> 1;
    hasPale = false;
    for (let k = 0; k < n; k += 1) {
      sorted[k] = codes[grid.order[k]];
      hasPale = hasPale || sorted[k] >= firstPale;
    }
    const height = Math.ceil(table.length / 256);
    const padded = new Uint32Array(256 * height);
    padded.set(table);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, sorted);
    gl.texImage2D(
      gl.TEXTURE_2D, 0, gl.RGBA, 256, height, 0, gl.RGBA, gl.UNSIGNED_BYTE,
      new Uint8Array(padded.buffer),
    );
  }

  function resize(width, height) {
    canvas.width = width;
    canvas.height = height;
    gl.viewport(0, 0, width, height);
  }

  function draw(view, radius, ratio, ground) {
    const parts = [ground & 255, (ground >> 8) & 255, (ground >> 16) & 255];
    gl.clearColor(parts[0] / 255, parts[1] / 255, parts[2] / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const across = (2 * view.scale) / view.width;
    gl.uniform4f(view_, view.x, view.y, across, (2 * view.scale) / view.height);
    gl.uniform1f(size_, Math.max(1, 2 * radius * ratio));
    gl.uniform1ui(firstPale_, firstPale);
    for (const pale of hasPale ? [1, 0] : [0]) {
      gl.uniform1i(pale_, pale);
      gl.drawArrays(gl.POINTS, 0, n);
    }
  }

  return { name: "webgl", resize, setCodes, draw };
}

function rendererOf(gl) {
  const unmasked = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(unmasked ? unmasked.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

// A program of a vertex and a fragment shader; null where the driver does not take them.
function linked(gl, ...sources) {
  const program = gl.createProgram();
  sources.forEach((source, i) => {
    const shader = gl.createShader(i === 0 ? gl.VERTEX_SHADER : gl.FRAGMENT_SHADER);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  });
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}
