// Camera: which part of the map is seen. x, y: the place in the middle, 0..1; zoom: pixels for the whole span. And what moves it:
// pointers (drag, pinch, double click), the wheel once the map has been clicked, so that a page scrolls past it, and flights.
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

class Camera {
  constructor(bounds) {
    Object.assign(this, { x: 0.5, y: 0.5, zoom: 1, width: 1, height: 1, ratio: 1, bounds, flight: 0 });
  }
  project(x, y) {
    return [(x - this.x) * this.zoom + this.width / 2, (y - this.y) * this.zoom + this.height / 2];
  }
  place(px, py) {
    return [(px - this.width / 2) / this.zoom + this.x, (py - this.height / 2) / this.zoom + this.y];
  }
  // The view that shows a box [left, top, right, bottom], with room for names around it.
  framing([left, top, right, bottom], closest = 40) {
    const zoom = Math.min((this.width * 0.9) / Math.max(right - left, 1e-6), (this.height * 0.88) / Math.max(bottom - top, 1e-6));
    return { x: (left + right) / 2, y: (top + bottom) / 2, zoom: Math.min(zoom, this.whole() * closest) };
  }
  whole() {
    const [left, top, right, bottom] = this.bounds;
    return Math.min((this.width * 0.9) / Math.max(right - left, 0.05), (this.height * 0.88) / Math.max(bottom - top, 0.05));
  }
  // How far in: 1 shows all.
  depth() {
    return this.zoom / this.whole();
  }
  move(x, y) {
    this.flight++;
    this.x = Math.min(Math.max(this.x + x / this.zoom, 0), 1);
    this.y = Math.min(Math.max(this.y + y / this.zoom, 0), 1);
  }
  zoomAt(factor, px = this.width / 2, py = this.height / 2) {
    this.flight++;
    const [x, y] = this.place(px, py);
    const whole = this.whole();
    this.zoom = Math.min(Math.max(this.zoom * factor, whole * 0.7), whole * 400);
    this.x = x - (px - this.width / 2) / this.zoom;
    this.y = y - (py - this.height / 2) / this.zoom;
  }
  fly(goal, redraw) {
    const flight = ++this.flight;
    const from = { x: this.x, y: this.y, zoom: this.zoom };
    const began = performance.now();
    const step = (now) => {
      if (flight !== this.flight) return;
      const done = CALM.matches ? 1 : Math.min(Math.max((now - began) / 350, 0), 1);
      const eased = 1 - (1 - done) ** 3;
      this.x = from.x + (goal.x - from.x) * eased;
      this.y = from.y + (goal.y - from.y) * eased;
      this.zoom = from.zoom * (goal.zoom / from.zoom) ** eased;
      redraw();
      if (done < 1) requestAnimationFrame(step);
    };
    step(began);
  }
}

// Calls back: moved(), hovered(x, y) or hovered(null), picked(x, y).
function steer(canvas, camera, { moved, hovered, picked, refused }) {
  const held = new Map();
  let travelled = 0;
  const local = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const spread = () => {
    const [[ax, ay], [bx, by]] = [...held.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.hypot(ax - bx, ay - by) };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    held.set(event.pointerId, local(event));
    canvas.setPointerCapture(event.pointerId);
    if (held.size === 1) travelled = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = local(event);
    if (!held.has(event.pointerId)) return hovered(...now);
    const before = held.size === 2 ? spread() : null;
    const [x, y] = held.get(event.pointerId);
    held.set(event.pointerId, now);
    travelled += Math.hypot(now[0] - x, now[1] - y);
    if (before) {
      const after = spread();
      camera.zoomAt(after.apart / Math.max(before.apart, 1), after.x, after.y);
      camera.move(before.x - after.x, before.y - after.y);
    } else if (travelled > 4) {
      camera.move(x - now[0], y - now[1]);
      canvas.classList.add("dragging");
      hovered(null);
    }
    moved();
  });
  const release = (event) => {
    const tapped = held.size === 1 && travelled <= 4 && event.type === "pointerup";
    if (held.delete(event.pointerId) && tapped) picked(...local(event));
    canvas.classList.remove("dragging");
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => hovered(null));
  canvas.addEventListener("dblclick", (event) => {
    camera.zoomAt(2, ...local(event));
    moved();
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return refused();
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      camera.zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), ...local(event));
      moved();
    },
    { passive: false },
  );
}

// Which point is nearest to a place, among those that pass: the map is cut into cells, points sorted by cell.
class Grid {
  constructor(places) {
    const count = places.length / 2;
    this.places = places;
    this.side = Math.min(Math.max(Math.ceil(Math.sqrt(count / 3)), 1), 512);
    this.starts = new Uint32Array(this.side * this.side + 1);
    this.order = new Uint32Array(count);
    const cells = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      cells[i] = this.cell(places[2 * i + 1] / SPAN) * this.side + this.cell(places[2 * i] / SPAN);
      this.starts[cells[i] + 1]++;
    }
    for (let c = 0; c < this.side * this.side; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    for (let i = 0; i < count; i++) this.order[next[cells[i]]++] = i;
  }
  cell(x) {
    return Math.min(Math.max(Math.floor(x * this.side), 0), this.side - 1);
  }
  nearest(x, y, radius, passes) {
    let best = -1;
    let closest = radius * radius;
    for (let row = this.cell(y - radius); row <= this.cell(y + radius); row++) {
      const [from, to] = [row * this.side + this.cell(x - radius), row * this.side + this.cell(x + radius)];
      for (let k = this.starts[from]; k < this.starts[to + 1]; k++) {
        const i = this.order[k];
        const away = (this.places[2 * i] / SPAN - x) ** 2 + (this.places[2 * i + 1] / SPAN - y) ** 2;
        if (away <= closest && passes(i)) [best, closest] = [i, away];
      }
    }
    return best;
  }
}
