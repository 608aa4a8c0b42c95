// Marks: the points of a map, drawn by WebGL 2, or by a plain canvas where there is none. Both take `places` (two 16-bit numbers a
// point, y downwards) and `paint` (four bytes a point: red, green, blue and a state), and draw through a camera.
const HIDDEN = 0;
const DIM = 1;
const NORMAL = 2;
const STRONG = 3;
const SPAN = 65535;

const VERTEX = `#version 300 es
in vec2 place;
in vec4 mark;
uniform vec2 scale;
uniform vec2 shift;
uniform float size;
uniform float strongest;
uniform float opacity;
out vec4 colour;
void main() {
  float state = floor(mark.a * 255.0 + 0.5);
  bool drawn = state > 0.5 && (state > 2.5) == (strongest > 0.5);
  gl_Position = drawn ? vec4(place * scale + shift, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
  float alpha = state < 1.5 ? 0.14 : state > 2.5 ? 1.0 : opacity;
  colour = vec4(mark.rgb * alpha, alpha);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
out vec4 drawn;
void main() {
  vec2 at = gl_PointCoord * 2.0 - 1.0;
  float edge = 1.0 - smoothstep(0.72, 1.0, dot(at, at));
  if (edge <= 0.0) discard;
  drawn = colour * edge;
}`;

function marks(canvas, places) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: true });
  return gl ? webglMarks(gl, canvas, places) : plainMarks(canvas.getContext("2d"), canvas, places);
}

// A fixed order that jumps about: steps of a golden section, made coprime to the count, visit every point once.
function scattered(count) {
  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  let step = Math.max(Math.round(count * 0.618), 1);
  while (divisor(step, count) > 1) step++;
  return Uint32Array.from({ length: count }, (_, k) => (k * step) % count);
}

function webglMarks(gl, canvas, places) {
  const count = places.length / 2;
  const order = scattered(count);
  const laid = Uint16Array.from({ length: 2 * count }, (_, k) => places[2 * order[k >> 1] + (k & 1)]);
  let paint = new Uint32Array(count);
  let strong = false;
  let program, colours, at;

  function compile(kind, source) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  function buffer(name, data, size, type) {
    const made = gl.createBuffer();
    const slot = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, made);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(slot);
    gl.vertexAttribPointer(slot, size, type, true, 0, 0);
    return made;
  }
  function start() {
    program = gl.createProgram();
    compile(gl.VERTEX_SHADER, VERTEX);
    compile(gl.FRAGMENT_SHADER, FRAGMENT);
    gl.linkProgram(program);
    gl.useProgram(program);
    buffer("place", laid, 2, gl.UNSIGNED_SHORT);
    colours = buffer("mark", paint, 4, gl.UNSIGNED_BYTE);
    at = Object.fromEntries(["scale", "shift", "size", "strongest", "opacity"].map((name) => [name, gl.getUniformLocation(program, name)]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }
  start();
  // A lost context comes back empty: everything is given to it again.
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    start();
    canvas.dispatchEvent(new Event("redraw"));
  });
  return {
    paint(bytes) {
      const whole = new Uint32Array(bytes.buffer);
      paint = Uint32Array.from(order, (i) => whole[i]);
      strong = false;
      for (let i = 3; i < bytes.length && !strong; i += 4) strong = bytes[i] === STRONG;
      gl.bindBuffer(gl.ARRAY_BUFFER, colours);
      gl.bufferData(gl.ARRAY_BUFFER, paint, gl.DYNAMIC_DRAW);
    },
    draw(camera, { size, large, opacity, share }) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const x = (2 * camera.zoom) / camera.width;
      const y = (2 * camera.zoom) / camera.height;
      gl.uniform2f(at.scale, x, -y);
      gl.uniform2f(at.shift, -camera.x * x, camera.y * y);
      gl.uniform1f(at.opacity, opacity);
      for (const strongest of strong ? [0, 1] : [0]) {
        gl.uniform1f(at.size, (strongest ? large : size) * camera.ratio);
        gl.uniform1f(at.strongest, strongest);
        gl.drawArrays(gl.POINTS, 0, strongest ? count : Math.ceil(count * share));
      }
    },
  };
}

function plainMarks(context, canvas, places) {
  let paint = new Uint8Array(places.length * 2);
  function pass(camera, size, opacity, strongest) {
    const ratio = camera.ratio;
    for (let i = 0; i < places.length / 2; i++) {
      const state = paint[4 * i + 3];
      if (state === HIDDEN || (state === STRONG) !== strongest) continue;
      const [x, y] = camera.project(places[2 * i] / SPAN, places[2 * i + 1] / SPAN);
      if (x < 0 || y < 0 || x > camera.width || y > camera.height) continue;
      context.globalAlpha = state === DIM ? 0.14 : state === STRONG ? 1 : opacity;
      context.fillStyle = `rgb(${paint[4 * i]},${paint[4 * i + 1]},${paint[4 * i + 2]})`;
      context.fillRect((x - size / 2) * ratio, (y - size / 2) * ratio, size * ratio, size * ratio);
    }
  }
  return {
    paint(bytes) {
      paint = bytes;
    },
    draw(camera, { size, large, opacity }) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      pass(camera, size, opacity, false);
      pass(camera, large, opacity, true);
    },
  };
}
