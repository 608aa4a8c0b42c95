// Data: what the page carries for a map, unpacked; and the ways to colour it. A colouring has `codes` (a class for each point, -1 for
// none) and `entries` (name, count, colour), or `values` (a number for each point) that fall on a ramp.
const KINDS = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };
const NOWHERE = 65535;
const COLOURS = 8;

async function inflate(text) {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).arrayBuffer();
}

async function unpack(space) {
  const data = JSON.parse(document.getElementById(`data-${space}`).textContent);
  const [block, strings] = await Promise.all([inflate(data.block), inflate(data.strings)]);
  let offset = 0;
  for (const [name, kind, length] of data.arrays) {
    const size = KINDS[kind].BYTES_PER_ELEMENT * length;
    data[name] = new KINDS[kind](block.slice(offset, offset + size));
    offset += size;
  }
  delete data.block;
  return Object.assign(data, JSON.parse(new TextDecoder().decode(strings)));
}

const MEDIA = new Map();
function mediaOf(space) {
  if (!MEDIA.has(space)) {
    const found = document.getElementById(`media-${space}`);
    MEDIA.set(space, found ? JSON.parse(found.textContent) : {});
  }
  return MEDIA.get(space);
}
const address = ([mime, data]) => `data:${mime};base64,${data}`;

const figures = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const counts = new Intl.NumberFormat("en");
const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });
const sayNumber = (value) => (Number.isInteger(value) ? counts : figures).format(value);
const sayTime = (value) => days.format(new Date(value * 1000));

function colourings(data) {
  const made = data.levels.map((level, at) => ({ label: `Groups, ${level.name}`, level: at, ...byLevel(data, at) }));
  if (data.scores) made.push({ label: "Outlier score", ...ramp(data.scores, sayNumber) });
  if (data.flags) made.push({ label: "Outliers", ...byFlag(data.flags) });
  if (data.confidence) made.push({ label: "Sureness of the group", ...ramp(Float32Array.from(data.confidence, (x) => x / 255), sayNumber) });
  data.columns.forEach((column, at) => {
    const values = data[`column${at}`];
    const how = column.kind === "category" ? byValue(values, column.values) : ramp(values, column.kind === "time" ? sayTime : sayNumber);
    made.push({ label: column.name, ...how });
  });
  if (!made.length) made.push({ label: "Nothing", codes: new Int32Array(data.n).fill(0), entries: [{ name: "items", count: data.n, colour: 0 }] });
  return made;
}

function byLevel(data, at) {
  const codes = data[`level${at}`];
  const entries = data.levels[at].clusters.map(([name, number, size, colour, x, y]) => ({ name, number, count: size, colour, x, y }));
  return { codes, entries: withNone(codes, entries, "in no group") };
}

function byFlag(flags) {
  const codes = Int32Array.from(flags, (flag) => (flag ? 1 : 0));
  const flagged = flags.reduce((sum, flag) => sum + flag, 0);
  return { codes, entries: [{ name: "belongs", count: flags.length - flagged, colour: null }, { name: "stands out", count: flagged, colour: 3 }] };
}

// The commonest values have a colour each; the rest shares grey. Values come sorted by how common they are.
function byValue(values, names) {
  const many = names.length > COLOURS;
  const codes = many ? values.map((code) => Math.min(code, COLOURS)) : values;
  const entries = names.slice(0, COLOURS).map((name, colour) => ({ name, colour, count: 0 }));
  if (many) entries.push({ name: `${counts.format(names.length - COLOURS)} other values`, colour: null, count: 0 });
  for (const code of codes) if (code >= 0) entries[code].count++;
  return { codes, entries: withNone(codes, entries, "no value") };
}

function withNone(codes, entries, name) {
  const none = codes.reduce((sum, code) => sum + (code < 0), 0);
  return none ? [...entries, { name, count: none, colour: null, none: true }] : entries;
}

function ramp(values, say) {
  const known = Float64Array.from(values.filter((value) => Number.isFinite(value))).sort();
  const at = (share) => known[Math.floor(share * (known.length - 1))] ?? 0;
  return { values, low: at(0.01), high: at(0.99), known, say };
}

// The share of items with a smaller value.
function rank(known, value) {
  let [low, high] = [0, known.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (known[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low / Math.max(known.length, 1);
}
