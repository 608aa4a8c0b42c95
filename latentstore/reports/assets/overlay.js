// Overlay: what lies on the points of a map: names of groups, small pictures, and rings around what is chosen.
const NAMES = 40; // on a small map fewer

// The names of the level that colours the map; of the next finer one when one has come close.
function namedLevel(atlas) {
  const { levels, level } = atlas.data;
  const base = atlas.colouring.level ?? level;
  if (base < 0 || !levels.length) return -1;
  return atlas.camera.depth() > 5 && base + 1 < levels.length ? base + 1 : base;
}

function drawNames(atlas) {
  const at = namedLevel(atlas);
  if (at < 0) return;
  const { paper, camera, colours } = atlas;
  const same = atlas.colouring.level === at;
  const small = camera.width < 500;
  const taken = [];
  paper.textAlign = "center";
  paper.textBaseline = "middle";
  paper.lineJoin = "round";
  atlas.data.levels[at].clusters.slice(0, 600).forEach(([name, , size, , x, y], code) => {
    if (x === null || taken.length >= (small ? 16 : NAMES) || (same && atlas.hiddenCodes().has(code))) return;
    const [px, py] = camera.project(x / SPAN, y / SPAN);
    if (px < 0 || py < 0 || px > camera.width || py > camera.height) return;
    const height = (small ? 10 : 11) + Math.min(3, Math.max(0, Math.log10(size / 20)));
    paper.font = `600 ${height}px system-ui, sans-serif`;
    const words = name.length > 30 ? `${name.slice(0, 29)}…` : name;
    const half = paper.measureText(words).width / 2 + 4;
    const left = Math.min(Math.max(px, half), camera.width - half);
    const box = [left - half, py - height * 0.75, left + half, py + height * 0.75];
    if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return;
    taken.push(box);
    paper.globalAlpha = atlas.over !== null && same && atlas.over !== code ? 0.25 : 1;
    paper.strokeStyle = colours.paper;
    paper.fillStyle = colours.paper;
    paper.lineWidth = 4;
    // On pictures a halo is not enough to read a name by.
    if (atlas.thumbs) paper.fillRect(box[0], box[1], 2 * half, 1.5 * height);
    else paper.strokeText(words, left, py);
    paper.fillStyle = colours.ink;
    paper.fillText(words, left, py);
  });
  paper.globalAlpha = 1;
}

function drawRing(atlas, i, chosen) {
  const { paper, camera, colours } = atlas;
  const [x, y] = camera.project(...atlas.where(i));
  for (const [width, colour] of [[5, colours.paper], [2.5, colours.ink]]) {
    paper.beginPath();
    paper.arc(x, y, Math.max(atlas.size() / 2 + 3, chosen ? 8 : 6), 0, 7);
    paper.lineWidth = width;
    paper.strokeStyle = colour;
    paper.stroke();
  }
}

// Pictures that do not cover each other: one for each cell of a net that is fixed to the map, so that they stay while one pans.
function drawThumbs(atlas) {
  const { paper, camera, data } = atlas;
  // The net follows powers of two of the zoom: in between, cells grow, and pictures stay where they are.
  const cell = THUMB * 1.3 * 2 ** -Math.floor(Math.log2(camera.zoom));
  const taken = new Set();
  atlas.drawnThumbs = [];
  for (let i = 0; i < data.n; i++) {
    if (!atlas.media[i] || !atlas.visible(i) || atlas.stands(i) === false) continue;
    const [x, y] = atlas.where(i);
    const [px, py] = camera.project(x, y);
    if (px < -THUMB || py < -THUMB || px > camera.width + THUMB || py > camera.height + THUMB) continue;
    const key = `${Math.round(x / cell)}/${Math.round(y / cell)}`;
    if (taken.has(key)) continue;
    taken.add(key);
    const image = picture(atlas, i);
    if (!image) continue;
    const [left, top] = [px - THUMB / 2, py - THUMB / 2];
    if (atlas.drawnThumbs.some(([, ox, oy]) => Math.abs(ox - left) < THUMB + 2 && Math.abs(oy - top) < THUMB + 2)) continue;
    atlas.drawnThumbs.push([i, left, top]);
    const side = Math.min(image.naturalWidth, image.naturalHeight);
    paper.fillStyle = atlas.colouring.codes ? atlas.colourOf(atlas.entry(atlas.codeOf(i))) : atlas.colours.none;
    paper.fillRect(left - 2, top - 2, THUMB + 4, THUMB + 4);
    paper.drawImage(image, (image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2, side, side, left, top, THUMB, THUMB);
  }
}

function picture(atlas, i) {
  if (!atlas.images.has(i)) {
    const image = new Image();
    image.onload = () => atlas.redraw();
    image.src = address(atlas.media[i]);
    atlas.images.set(i, image);
  }
  const image = atlas.images.get(i);
  return image.complete && image.naturalWidth ? image : null;
}
