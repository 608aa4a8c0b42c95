// Page: tabs between spaces, light and dark, links from the text to the maps, pictures where cards ask for them, and print.
const ATLASES = new Map();

async function atlasOf(space) {
  if (!ATLASES.has(space)) ATLASES.set(space, begin(space));
  return ATLASES.get(space);
}

async function begin(space) {
  const root = document.querySelector(`.atlas[data-space="${space}"]`);
  if (!root) return null;
  if (!window.DecompressionStream) {
    root.textContent = "This browser is too old for the map: it needs one of 2023 or later.";
    return null;
  }
  const data = await unpack(space);
  const atlas = new Atlas(root, space, data);
  root.dataset.ready = String(Math.round(performance.now()));
  return atlas;
}

function fill(space) {
  const panel = document.getElementById(`space-${space}`);
  for (const found of panel.querySelectorAll("[data-media]:not([src])")) {
    const media = mediaOf(space)[found.dataset.media];
    if (media) found.src = address(media);
  }
}

const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(space, focus = false) {
  tabs.forEach((tab, at) => {
    tab.setAttribute("aria-selected", String(at === space));
    tab.tabIndex = at === space ? 0 : -1;
    document.getElementById(`space-${at}`).hidden = at !== space;
  });
  if (focus) tabs[space].focus();
  fill(space);
  return atlasOf(space);
}

if (tabs.length) {
  document.querySelector("[role=tablist]").hidden = false;
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => choose(at));
    tab.addEventListener("keydown", (event) => {
      const last = tabs.length - 1;
      const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(to, true);
    });
  });
}

// Where a link leads may be in another tab or in a closed line.
function reveal(id) {
  const target = document.getElementById(id);
  if (!target) return;
  const panel = target.closest(".panel");
  if (panel) choose(Number(panel.id.slice("space-".length)));
  for (let up = target; up; up = up.parentElement?.closest("details")) if (up.tagName === "DETAILS") up.open = true;
  const own = target.querySelector(":scope > details");
  if (own) own.open = true;
  target.scrollIntoView({ behavior: CALM.matches ? "auto" : "smooth" });
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[href^='#']");
  if (!link) return;
  const id = link.getAttribute("href").slice(1);
  if (id === "findings") return;
  event.preventDefault();
  history.replaceState(null, "", `#${id}`);
  reveal(id);
  const { point, cluster, level } = link.dataset;
  if (point === undefined && cluster === undefined) return;
  const atlas = await atlasOf(Number(id.slice("map-".length)));
  if (!atlas) return;
  if (point !== undefined) atlas.show(Number(point));
  else atlas.gatherCluster(level, Number(cluster));
  atlas.panel.canvas.focus({ preventScroll: true });
});

async function everyAtlas(act) {
  for (const pending of ATLASES.values()) {
    const atlas = await pending;
    if (atlas) act(atlas);
  }
}

const repaint = () => everyAtlas((atlas) => (atlas.recolour(), atlas.panel.legend()));
const button = document.getElementById("theme");
const named = () => (button.textContent = theme() === "dark" ? "Light" : "Dark");
button.hidden = false;
named();
button.addEventListener("click", () => {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
  named();
  repaint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (named(), repaint()));

// On paper maps are drawn as they are seen, with the colours of paper; groups stay a line each unless they were opened.
addEventListener("beforeprint", () => {
  const before = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  for (const atlas of document.querySelectorAll(".atlas")) atlas.printed?.();
  if (before) document.documentElement.dataset.theme = before;
  else delete document.documentElement.dataset.theme;
});
addEventListener("afterprint", repaint);

if (document.querySelector(".panel")) {
  const asked = document.getElementById(location.hash.slice(1))?.closest(".panel");
  start(asked ? Number(asked.id.slice("space-".length)) : 0);
}
function start(space) {
  const begun = tabs.length ? choose(space) : (fill(space), atlasOf(space));
  begun.catch((error) => {
    document.querySelector(`.atlas[data-space="${space}"]`).textContent = `The map could not be drawn: ${error.message}`;
    throw error;
  });
}
