// Panel: everything of a map that is not drawn: the controls, the legend, the results of a search, and what is known of one item.
const RESULTS = 50;

function make(name, properties = {}, ...children) {
  const { data, aria, ...rest } = properties;
  const made = Object.assign(document.createElement(name), rest);
  for (const [key, value] of Object.entries(aria || {})) made.setAttribute(key === "role" ? key : `aria-${key}`, value);
  Object.assign(made.dataset, data);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

class Panel {
  constructor(atlas) {
    this.atlas = atlas;
    const { n } = atlas.data;
    const keys = "Arrow keys go from item to item, with Shift they move the map; plus and minus zoom, 0 shows all, Escape lets go.";
    this.canvas = make("canvas", { className: "marks", tabIndex: 0, aria: { role: "application", label: `Map of ${counts.format(n)} items. ${keys}` } });
    this.names = make("canvas", { className: "names", aria: { hidden: "true" } });
    this.copy = make("canvas", { className: "copy", aria: { hidden: "true" } });
    this.bubble = make("div", { className: "tip", hidden: true, aria: { hidden: "true" } });
    this.advice = make("p", { className: "hint", hidden: true }, "Click the map first, then the wheel zooms.");
    const button = (sign, words, act) => make("button", { type: "button", title: words, onclick: act, aria: { label: words } }, sign);
    const zoom = make(
      "div",
      { className: "zoom" },
      button("+", "Zoom in", () => atlas.zoom(1.8)),
      button("−", "Zoom out", () => atlas.zoom(1 / 1.8)),
      button("⤢", "Show all", () => atlas.fit()),
    );
    this.stage = make("div", { className: "stage" }, this.canvas, this.names, this.copy, this.bubble, this.advice, zoom);
    this.card = make("div", { className: "detail", tabIndex: -1, aria: { live: "polite" } });
    this.entries = make("div", { className: "legend" });
    const side = make("div", { className: "side" }, this.chooser(), this.finder(), this.card, this.entries);
    atlas.root.replaceChildren(this.stage, side);
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.choose(atlas.colourings.indexOf(atlas.colouring));
    this.legend();
    this.detail(-1);
  }

  chooser() {
    const options = this.atlas.colourings.map(({ label }, at) => make("option", { value: String(at) }, label));
    this.select = make("select", { onchange: () => this.atlas.colourBy(Number(this.select.value)) }, ...options);
    return make("label", { className: "field" }, make("span", {}, "Colour by"), this.select);
  }
  choose(at) {
    this.select.value = String(at);
  }

  finder() {
    this.input = make("input", { type: "search", placeholder: "words, or an id", autocomplete: "off" });
    this.saying = make("output", { className: "saying" });
    this.all = make("button", { type: "button", className: "plain", hidden: true, onclick: () => this.clear() }, "Show everything");
    this.results = make("ol", { className: "results", hidden: true });
    this.input.addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.find(), 120);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.clear();
      if (event.key === "Enter") {
        this.find();
        this.results.querySelector("button")?.click();
      }
      if (event.key === "ArrowDown") {
        event.preventDefault();
        this.results.querySelector("button")?.focus();
      }
    });
    this.results.addEventListener("keydown", (event) => {
      const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (event.key === "Escape") this.clear();
      if (!step) return;
      event.preventDefault();
      (event.target.closest("li")[step]?.querySelector("button") || this.input).focus();
    });
    const field = make("label", { className: "field" }, make("span", {}, "Find"), this.input);
    return make("div", { aria: { role: "search" } }, field, make("p", { className: "state" }, this.saying, this.all), this.results);
  }
  find() {
    clearTimeout(this.waiting);
    if (!this.input.value.trim()) return this.clear();
    const found = this.atlas.search(this.input.value);
    const rest = found.length > RESULTS ? `, the first ${RESULTS} listed` : "";
    this.atlas.gather(found, found.length ? `${counts.format(found.length)} found${rest}` : "Nothing found");
    this.results.hidden = !found.length;
    this.results.replaceChildren(
      ...found.slice(0, RESULTS).map((i) => make("li", {}, make("button", { type: "button", onclick: () => this.atlas.show(i) }, this.title(i)))),
    );
  }
  clear() {
    this.input.value = "";
    this.results.hidden = true;
    this.results.replaceChildren();
    this.atlas.release();
  }
  said(words, more) {
    this.saying.textContent = words;
    if (this.all.contains(document.activeElement) && !more) this.input.focus();
    this.all.hidden = !more;
  }
  hint() {
    this.advice.hidden = false;
    clearTimeout(this.fading);
    this.fading = setTimeout(() => (this.advice.hidden = true), 1500);
  }

  key(event) {
    const { atlas } = this;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const acts = { "+": () => atlas.zoom(1.5), "=": () => atlas.zoom(1.5), "-": () => atlas.zoom(1 / 1.5), 0: () => atlas.fit(), Home: () => atlas.fit() };
    acts.Enter = () => this.card.focus();
    acts.Escape = () => {
      atlas.select(-1);
      this.clear();
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [dx, dy] = arrows[event.key] || [];
    if (dx === undefined && !acts[event.key]) return;
    event.preventDefault();
    if (dx === undefined) acts[event.key]();
    else if (!event.shiftKey) atlas.step(dx, dy);
    else {
      atlas.camera.move(dx * 60, dy * 60);
      atlas.redraw();
    }
  }

  // The legend.
  legend() {
    const { colouring } = this.atlas;
    this.entries.replaceChildren(...(colouring.values ? this.scale(colouring) : this.classes(colouring)));
  }
  scale({ low, high, say }) {
    const strip = make("div", { className: "ramp", aria: { hidden: "true" } });
    strip.style.background = `linear-gradient(to right, ${RAMPS[theme()].join(",")})`;
    return [make("p", { className: "label" }, "From low to high"), strip, make("p", { className: "ends" }, make("span", {}, say(low)), make("span", {}, say(high)))];
  }
  classes({ entries }) {
    const hidden = this.atlas.hiddenCodes();
    const all = make("button", { type: "button", className: "plain", onclick: () => this.toggleAll() }, hidden.size ? "All" : "None");
    const list = make("ul", {}, ...entries.map((entry, at) => make("li", {}, this.toggle(entry, entry.none ? -1 : at))));
    return [make("p", { className: "label" }, "Shown ", all), list];
  }
  toggle(entry, code) {
    const { atlas } = this;
    const spot = make("i", { className: entry.colour === null ? "dot" : `dot k${entry.colour}`, aria: { hidden: "true" } });
    const made = make("button", { type: "button", className: "entry", data: { code }, aria: { pressed: String(!atlas.hiddenCodes().has(code)) } });
    made.append(spot, make("span", {}, entry.name), make("small", {}, counts.format(entry.count)));
    made.title = "Hide or show; with Shift: this alone";
    made.addEventListener("click", (event) => this.switched(code, event.shiftKey));
    for (const kind of ["pointerenter", "focus"]) made.addEventListener(kind, () => atlas.hiddenCodes().has(code) || atlas.highlight(code));
    for (const kind of ["pointerleave", "blur"]) made.addEventListener(kind, () => atlas.highlight(null));
    return made;
  }
  codes() {
    return this.atlas.colouring.entries.map((entry, at) => (entry.none ? -1 : at));
  }
  switched(code, alone) {
    const hidden = this.atlas.hiddenCodes();
    if (alone) for (const other of this.codes()) hidden.add(other);
    if (!hidden.delete(code)) hidden.add(code);
    this.pressed();
    this.atlas.highlight(null);
  }
  toggleAll() {
    const hidden = this.atlas.hiddenCodes();
    if (hidden.size) hidden.clear();
    else for (const code of this.codes()) hidden.add(code);
    this.pressed();
    this.atlas.recolour();
  }
  pressed() {
    const hidden = this.atlas.hiddenCodes();
    for (const made of this.entries.querySelectorAll(".entry")) made.setAttribute("aria-pressed", String(!hidden.has(Number(made.dataset.code))));
    this.entries.querySelector(".plain").textContent = hidden.size ? "All" : "None";
  }

  // One item.
  title(i) {
    const { texts, uris, ids } = this.atlas.data;
    return texts[i]?.trim() || (uris[i] || "").replace(/\/+$/, "").split("/").pop() || ids[i];
  }
  group(i) {
    const { levels, level } = this.atlas.data;
    const code = level < 0 ? -1 : this.atlas.data[`level${level}`][i];
    return code < 0 ? null : levels[level].clusters[code][0];
  }
  sight(i, eager) {
    const found = this.atlas.media[i];
    if (!found) return null;
    if (found[0].startsWith("image/")) return make("img", { src: address(found), alt: found[2] || this.title(i) });
    return eager ? make("audio", { src: address(found), controls: true, aria: { label: `Sound: ${this.title(i)}` } }) : make("p", { className: "note" }, "♪");
  }
  tip(i) {
    clearTimeout(this.listening);
    this.voice?.pause();
    this.bubble.hidden = i < 0;
    if (i < 0) return;
    const group = this.group(i);
    this.bubble.replaceChildren(...[this.sight(i, false), make("p", {}, this.title(i).slice(0, 200)), group && make("p", { className: "note" }, group)].filter(Boolean));
    const { width, height } = this.atlas.camera;
    const [x, y] = this.atlas.camera.project(...this.atlas.where(i));
    const { offsetWidth: wide, offsetHeight: high } = this.bubble;
    this.bubble.style.left = `${Math.min(Math.max(x - wide / 2, 4), Math.max(width - wide - 4, 4))}px`;
    this.bubble.style.top = `${y - high - 14 > 0 ? y - high - 14 : Math.min(y + 16, height - high)}px`;
    if (this.atlas.media[i]?.[0].startsWith("audio/")) this.listening = setTimeout(() => this.play(i), 180);
  }
  play(i) {
    this.voice ||= new Audio();
    this.voice.src = address(this.atlas.media[i]);
    // Browsers keep pages silent until one has clicked; the player in the detail is there all the same.
    this.voice.play().catch(() => {});
  }
  detail(i) {
    if (i < 0) {
      this.card.replaceChildren(make("p", { className: "note" }, "Choose a point to read it here."));
      return;
    }
    const { data } = this.atlas;
    const rows = this.facts(i).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const list = make("dl", { className: "facts" }, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
    const text = data.texts[i]?.trim() ? make("blockquote", { dir: "auto" }, data.texts[i]) : make("p", { className: "name" }, this.title(i));
    this.card.replaceChildren(...[this.sight(i, true), text, list].filter(Boolean));
  }
  facts(i) {
    const { data, colourings: ways } = this.atlas;
    const share = (x) => `${Math.round(100 * x)} %`;
    const second = data.second && data.second[i] >= 0 ? data.levels[data.level].clusters[data.second[i]][0] : null;
    const sure = data.confidence ? ` (${share(data.confidence[i] / 255)} sure)` : "";
    const rows = [["Group", this.group(i) && this.group(i) + sure], ["Or", second]];
    const scores = data.scores && ways.find((way) => way.values === data.scores);
    if (scores) rows.push(["Outlier", `${data.flags[i] ? "stands out; " : ""}stranger than ${share(rank(scores.known, data.scores[i]))} of the items`]);
    data.columns.forEach((column, at) => rows.push([column.name, this.value(column, data[`column${at}`][i])]));
    rows.push(["Id", data.ids[i]], ["From", data.uris[i]]);
    return rows;
  }
  value(column, value) {
    if (column.kind === "category") return value < 0 ? null : column.values[value];
    return Number.isFinite(value) ? (column.kind === "time" ? sayTime : sayNumber)(value) : null;
  }
}
