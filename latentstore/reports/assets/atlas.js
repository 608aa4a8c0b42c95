// Atlas: one map. It knows which colouring is on, what is hidden, what stands out and what is selected, and draws all that.
const RAMPS = {
  light: ["#c9d3dc", "#86add0", "#4377bd", "#31419a", "#1b0f4d"],
  dark: ["#39424f", "#4a6ea0", "#5aa6b8", "#a9dba0", "#fdf5a6"],
};
const TOUCH = 14;
const THUMB = 46;

const theme = () => {
  const set = document.documentElement.dataset.theme;
  return set || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
};
const bytesOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

class Atlas {
  constructor(root, space, data) {
    Object.assign(this, { root, space, data, media: mediaOf(space), hidden: new Map(), selected: -1, hover: -1, over: null, focus: null, share: 1 });
    this.images = new Map();
    this.thumbs = data.modality === "image" && Object.keys(this.media).length > 0;
    this.colourings = colourings(data);
    this.colouring = this.colourings[Math.max(data.level, 0)];
    this.camera = new Camera(this.bounds());
    this.panel = new Panel(this);
    this.marks = marks(this.panel.canvas, data.places);
    this.paper = this.panel.names.getContext("2d");
    this.grid = new Grid(data.places);
    this.panel.canvas.addEventListener("redraw", () => this.redraw());
    steer(this.panel.canvas, this.camera, {
      moved: () => this.redraw(),
      hovered: (x, y) => this.hoverAt(x, y),
      picked: (x, y) => this.select(this.at(x, y)),
      refused: () => this.panel.hint(),
    });
    new ResizeObserver(() => this.resize()).observe(this.panel.stage);
    root.printed = () => this.print();
    this.recolour();
  }
  bounds(points = this.data.n) {
    const box = [1, 1, 0, 0];
    const all = typeof points === "number";
    for (let k = 0; k < (all ? points : points.length); k++) {
      const i = all ? k : points[k];
      if (!this.placed(i)) continue;
      const [x, y] = this.where(i);
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    }
    return box[0] > box[2] ? [0, 0, 1, 1] : box;
  }
  placed(i) {
    return this.data.places[2 * i] !== NOWHERE;
  }
  where(i) {
    return [this.data.places[2 * i] / SPAN, this.data.places[2 * i + 1] / SPAN];
  }
  resize() {
    const { clientWidth: width, clientHeight: height } = this.panel.stage;
    if (!width || !height) return;
    const first = this.camera.width === 1;
    Object.assign(this.camera, { width, height, ratio: Math.min(devicePixelRatio || 1, 3) });
    for (const canvas of [this.panel.canvas, this.panel.names]) {
      canvas.width = Math.round(width * this.camera.ratio);
      canvas.height = Math.round(height * this.camera.ratio);
    }
    if (first) Object.assign(this.camera, this.camera.framing(this.camera.bounds));
    this.draw();
  }

  // What each point looks like.
  codeOf(i) {
    return this.colouring.codes ? this.colouring.codes[i] : 0;
  }
  hiddenCodes() {
    if (!this.hidden.has(this.colouring)) this.hidden.set(this.colouring, new Set());
    return this.hidden.get(this.colouring);
  }
  visible(i) {
    return this.placed(i) && !(this.colouring.codes && this.hiddenCodes().has(this.colouring.codes[i]));
  }
  stands(i) {
    if (this.over !== null) return this.colouring.codes[i] === this.over;
    return this.focus ? this.focus.has(i) : null;
  }
  palette() {
    const style = getComputedStyle(document.documentElement);
    const named = (name) => style.getPropertyValue(name).trim();
    return {
      classes: Array.from({ length: COLOURS }, (_, at) => named(`--k${at}`)),
      none: named("--none"),
      ink: named("--ink"),
      paper: named("--paper"),
      ramp: RAMPS[theme()],
    };
  }
  recolour(palette = this.palette()) {
    this.colours = palette;
    const { n } = this.data;
    const bytes = new Uint8Array(4 * n);
    const classes = palette.classes.map(bytesOf);
    const none = bytesOf(palette.none);
    const shade = this.colouring.values ? shades(palette.ramp) : null;
    for (let i = 0; i < n; i++) {
      const colour = shade ? this.shadeOf(i, shade, none) : classes[this.entry(this.codeOf(i))?.colour] || none;
      const stands = this.stands(i);
      bytes.set(colour, 4 * i);
      bytes[4 * i + 3] = !this.visible(i) ? HIDDEN : stands === null ? NORMAL : stands ? STRONG : DIM;
    }
    this.marks.paint(bytes);
    this.redraw();
  }
  entry(code) {
    return code < 0 ? this.colouring.entries.at(-1) : this.colouring.entries[code];
  }
  shadeOf(i, shade, none) {
    const { values, low, high } = this.colouring;
    if (!Number.isFinite(values[i])) return none;
    return shade[Math.round(Math.min(Math.max((values[i] - low) / (high - low || 1), 0), 1) * 255)];
  }
  colourOf(entry) {
    return entry.colour === null ? this.colours.none : this.colours.classes[entry.colour];
  }

  // Drawing.
  redraw() {
    if (this.asked) return;
    this.due = performance.now();
    this.asked = requestAnimationFrame(() => this.draw());
  }
  size() {
    const base = Math.min(Math.max(12 - 1.9 * Math.log10(Math.max(this.data.n, 1)), 2.2), 8);
    return Math.min(base * Math.max(this.camera.depth(), 0.5) ** 0.4, 16);
  }
  // Where frames come late, fewer points are drawn; all of them once the map rests.
  pace() {
    const late = this.due ? performance.now() - this.due : 0;
    this.due = 0;
    clearTimeout(this.resting);
    if (!late || this.data.n < 20000) this.share = 1;
    else if (late > 45) this.share = Math.max(this.share * 0.6, 0.1);
    else if (late < 25) this.share = Math.min(this.share * 1.2, 1);
    if (this.share < 1) this.resting = setTimeout(() => this.draw(), 180);
    return this.share;
  }
  draw() {
    this.asked = 0;
    if (this.camera.width === 1) return;
    const size = this.size();
    // Few that stand out among many are large enough to be seen.
    const large = Math.max(size * 1.35, this.focus && this.focus.size <= 500 ? 7 : 0);
    this.marks.draw(this.camera, { size, large, opacity: this.data.n > 20000 ? 0.6 : 0.8, share: this.pace() });
    const { ratio, width, height } = this.camera;
    this.paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paper.clearRect(0, 0, width, height);
    if (this.thumbs) drawThumbs(this);
    drawNames(this);
    for (const i of new Set([this.hover, this.selected])) if (i >= 0 && this.placed(i)) drawRing(this, i, i === this.selected);
  }

  // A copy of what is seen, for paper.
  print() {
    this.recolour();
    this.due = 0;
    this.draw();
    const copy = this.panel.copy;
    Object.assign(copy, { width: this.panel.canvas.width, height: this.panel.canvas.height });
    for (const layer of [this.panel.canvas, this.panel.names]) copy.getContext("2d").drawImage(layer, 0, 0);
  }

  // Moving and choosing.
  at(x, y) {
    if (this.thumbs) {
      const hit = (this.drawnThumbs || []).find(([, left, top]) => x >= left && y >= top && x <= left + THUMB && y <= top + THUMB);
      if (hit) return hit[0];
    }
    const [px, py] = this.camera.place(x, y);
    return this.grid.nearest(px, py, TOUCH / this.camera.zoom, (i) => this.visible(i));
  }
  hoverAt(x, y) {
    const found = x === null ? -1 : this.at(x, y);
    if (found === this.hover) return;
    this.hover = found;
    this.panel.tip(found);
    this.redraw();
  }
  select(i) {
    this.selected = i;
    this.panel.detail(i);
    this.redraw();
  }
  // Close enough to tell a point from its neighbours, which takes less where points are few.
  show(i, closer = Math.min(Math.max(Math.sqrt(this.data.n) / 6, 1.5), 6)) {
    const code = this.codeOf(i);
    if (this.hiddenCodes().delete(code)) this.panel.legend();
    if (this.focus && !this.focus.has(i)) this.release();
    this.recolour();
    this.select(i);
    if (!this.placed(i)) return;
    const [x, y] = this.where(i);
    this.camera.fly({ x, y, zoom: Math.max(this.camera.zoom, this.camera.whole() * closer) }, () => this.redraw());
  }
  // The nearest visible point in a direction, from the selected one or from the middle of the view.
  step(dx, dy) {
    const [fx, fy] = this.selected >= 0 ? this.where(this.selected) : [this.camera.x, this.camera.y];
    let [best, least] = [-1, Infinity];
    for (let i = 0; i < this.data.n; i++) {
      if (i === this.selected || !this.visible(i)) continue;
      const [x, y] = this.where(i);
      const ahead = (x - fx) * dx + (y - fy) * dy;
      const aside = Math.abs((x - fx) * dy) + Math.abs((y - fy) * dx);
      if (ahead <= 0 || aside > ahead) continue;
      if (ahead + 2 * aside < least) [best, least] = [i, ahead + 2 * aside];
    }
    if (best < 0) return;
    this.select(best);
    const [px, py] = this.camera.project(...this.where(best));
    const inside = px > 30 && py > 30 && px < this.camera.width - 30 && py < this.camera.height - 30;
    if (!inside) this.camera.fly({ x: this.where(best)[0], y: this.where(best)[1], zoom: this.camera.zoom }, () => this.redraw());
  }
  fit() {
    this.camera.fly(this.camera.framing(this.camera.bounds), () => this.redraw());
  }
  zoom(factor) {
    const { x, y, zoom } = this.camera;
    const whole = this.camera.whole();
    this.camera.fly({ x, y, zoom: Math.min(Math.max(zoom * factor, whole * 0.7), whole * 400) }, () => this.redraw());
  }
  colourBy(at) {
    this.colouring = this.colourings[at];
    this.over = null;
    this.panel.choose(at);
    this.panel.legend();
    this.recolour();
  }
  highlight(code) {
    this.over = code;
    this.recolour();
  }
  // Lets a set of points stand out until release; what they are is said in words.
  gather(points, words) {
    this.focus = new Set(points);
    this.panel.said(words, true);
    this.recolour();
  }
  release() {
    this.focus = null;
    this.panel.said("", false);
    this.recolour();
  }
  gatherCluster(name, number) {
    const at = this.data.levels.findIndex((level) => level.name === name);
    const place = this.data.levels[at].clusters.findIndex((cluster) => cluster[1] === number);
    this.colourBy(at);
    this.hiddenCodes().delete(place);
    this.panel.legend();
    const points = [];
    this.colouring.codes.forEach((code, i) => code === place && points.push(i));
    this.gather(points, `Only “${this.colouring.entries[place].name}”`);
    this.camera.fly(this.camera.framing(this.bounds(points), 12), () => this.redraw());
  }
  search(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return [];
    this.lower ||= Array.from({ length: this.data.n }, (_, i) => `${this.data.texts[i] || ""}\n${this.data.ids[i]}\n${this.data.uris[i] || ""}`.toLowerCase());
    const found = [];
    for (let i = 0; i < this.data.n; i++) if (wanted.every((word) => this.lower[i].includes(word))) found.push(i);
    return found;
  }
}

function shades(stops) {
  const colours = stops.map(bytesOf);
  return Array.from({ length: 256 }, (_, at) => {
    const along = (at / 255) * (colours.length - 1);
    const low = Math.min(Math.floor(along), colours.length - 2);
    return colours[low].map((from, k) => Math.round(from + (colours[low + 1][k] - from) * (along - low)));
  });
}
