// The picture of a slide as tiles: what is seen is fetched, the middle first; what has left the view is
// given up. Until a tile is there, the best coarser one that is at hand stands in its place.

const TILES_AT_ONCE = 6; // as many connections as a browser opens to one host
const MOST_TILES = 140; // kept decoded, 1 MB each
const SHARPER = 0.35; // a level is used up to 2 ** 0.35 times enlarged before the next finer one

class TileLayer {
  // source: { path, width, height, side, levels }; level 0 is the finest, each next half as large.
  // onPicture(): a tile has come; onTrouble(status): tiles cannot be had.
  constructor(onPicture, onTrouble) {
    this.canvas = html("canvas", { class: "tiles", "aria-hidden": "true" });
    this.onPicture = onPicture;
    this.onTrouble = onTrouble;
    this.tiles = new Map(); // key -> ImageBitmap, the least recently drawn first
    this.coming = new Map(); // key -> AbortController
    this.failed = new Map(); // key -> when it may be tried again
    this.wanted = [];
    this.overview = null;
  }

  open(source) {
    this.giveUp();
    this.source = source;
    this.ready = true;
    fetch(`${source.path}/overview`)
      .then((answer) => (answer.ok ? answer.blob() : Promise.reject(answer.status)))
      .then(createImageBitmap)
      .then((bitmap) => {
        if (this.source !== source) return bitmap.close();
        this.overview = bitmap;
        this.onPicture();
      })
      .catch((why) => this.source === source && this.onTrouble(why));
  }

  giveUp() {
    for (const abort of this.coming.values()) abort.abort();
    this.coming.clear();
    for (const bitmap of this.tiles.values()) bitmap.close();
    this.tiles.clear();
    this.failed.clear();
    this.overview?.close();
    this.overview = null;
    this.source = null;
  }

  // Whether all that is seen is shown as sharp as it will be.
  get settled() {
    return Boolean(this.source) && this.wanted.length === 0;
  }

  levelFor(k) {
    const finer = Math.floor(Math.log2(1 / (k * this.ratio)) + SHARPER);
    return clamp(finer, 0, this.source.levels - 1);
  }

  draw({ k, x, y }, { w, h }) {
    if (!this.source) return;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(w * this.ratio), Math.round(h * this.ratio)];
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const context = this.canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = getComputedStyle(this.canvas).backgroundColor || "#fff";
    context.fillRect(0, 0, width, height);
    context.setTransform(this.ratio * k, 0, 0, this.ratio * k, this.ratio * x, this.ratio * y);
    // Tiles are drawn at 0.64 to 1.28 times their size, where better filters look the same and take
    // several times as long without a graphics card.
    context.imageSmoothingQuality = "low";
    const { source } = this;
    if (this.overview) context.drawImage(this.overview, 0, 0, source.width, source.height);
    const level = this.levelFor(k);
    const seen = [-x / k, -y / k, (w - x) / k, (h - y) / k];
    for (const place of this.standIns(level, seen)) this.paint(context, place);
    const places = this.placesOf(level, seen);
    const middle = [(seen[0] + seen[2]) / 2, (seen[1] + seen[3]) / 2];
    const far = ({ x1, y1, x2, y2 }) => Math.hypot((x1 + x2) / 2 - middle[0], (y1 + y2) / 2 - middle[1]);
    const missing = places.filter((place) => !this.paint(context, place));
    this.wanted = missing.sort((a, b) => far(a) - far(b));
    this.fetchWanted();
  }

  // Draw a square of the slide at its upper left corner, from what is at hand; k: pixels of the context
  // for one of the slide.
  cut(context, x, y, side, k) {
    const { source } = this;
    if (!source) return;
    context.translate(-x, -y);
    if (this.overview) context.drawImage(this.overview, 0, 0, source.width, source.height);
    const seen = [x, y, x + side, y + side];
    const finest = this.levelFor(k);
    for (const place of this.standIns(finest - 1, seen)) this.paint(context, place);
  }

  // Tiles of a level that lie within a rectangle of the slide.
  placesOf(level, [x1, y1, x2, y2]) {
    const { width, height, side } = this.source;
    const step = side * 2 ** level;
    const places = [];
    const last = [Math.ceil(width / step) - 1, Math.ceil(height / step) - 1];
    for (let row = Math.max(0, Math.floor(y1 / step)); row <= Math.min(last[1], Math.floor(y2 / step)); row++) {
      for (let column = Math.max(0, Math.floor(x1 / step)); column <= Math.min(last[0], Math.floor(x2 / step)); column++) {
        const [left, top] = [column * step, row * step];
        const key = `${level}/${column}/${row}`;
        places.push({ key, x1: left, y1: top, x2: Math.min(left + step, width), y2: Math.min(top + step, height) });
      }
    }
    return places;
  }

  // Coarser tiles at hand, coarsest first.
  standIns(level, seen) {
    const found = [];
    for (let coarser = this.source.levels - 1; coarser > level; coarser--) {
      found.push(...this.placesOf(coarser, seen).filter(({ key }) => this.tiles.has(key)));
    }
    return found;
  }

  paint(context, { key, x1, y1, x2, y2 }) {
    const bitmap = this.tiles.get(key);
    if (!bitmap) return false;
    this.tiles.delete(key);
    this.tiles.set(key, bitmap);
    context.drawImage(bitmap, x1, y1, x2 - x1, y2 - y1);
    return true;
  }

  fetchWanted() {
    const keys = new Set(this.wanted.map(({ key }) => key));
    for (const [key, abort] of this.coming) {
      if (keys.has(key)) continue;
      abort.abort();
      this.coming.delete(key);
    }
    const now = performance.now();
    for (const { key } of this.wanted) {
      if (this.coming.size >= TILES_AT_ONCE) return;
      if (this.coming.has(key) || this.failed.get(key) > now) continue;
      this.fetchTile(key);
    }
  }

  async fetchTile(key) {
    const { source } = this;
    const abort = new AbortController();
    this.coming.set(key, abort);
    try {
      const answer = await fetch(`${source.path}/tile/${key}`, { signal: abort.signal });
      if (!answer.ok) throw new Error(answer.status);
      const bitmap = await this.bitmapOf(key, await answer.arrayBuffer());
      if (this.source !== source || abort.signal.aborted) return bitmap.close();
      this.keep(key, bitmap);
    } catch (error) {
      if (abort.signal.aborted || this.source !== source) return;
      // A busy server may answer later.
      this.failed.set(key, performance.now() + 2000);
      this.onTrouble(error.message);
      setTimeout(() => this.source === source && this.onPicture(), 2100);
    } finally {
      if (this.coming.get(key) === abort) this.coming.delete(key);
    }
    // The next is asked for before this one is drawn.
    this.wanted = this.wanted.filter((place) => place.key !== key);
    this.fetchWanted();
    this.onPicture();
  }

  // A tile comes as n x n JPEG files, as `ui/tiles/packed.py` says; those of the slide itself may reach
  // beyond its edge.
  async bitmapOf(key, buffer) {
    const numbers = new DataView(buffer);
    const across = numbers.getUint8(0);
    let at = 1 + 4 * across * across;
    const pieces = [];
    for (let n = 0; n < across * across; n++) {
      const length = numbers.getUint32(1 + 4 * n, true);
      const file = length && new Blob([new Uint8Array(buffer, at, length)], { type: "image/jpeg" });
      pieces.push(file ? createImageBitmap(file) : null);
      at += length;
    }
    const bitmaps = await Promise.all(pieces);
    const [width, height] = this.sizeOf(key);
    const [first] = bitmaps;
    if (across === 1 && first?.width === width && first.height === height) return first;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { alpha: false });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    const side = this.source.side / across;
    bitmaps.forEach((bitmap, n) => {
      if (!bitmap) return;
      context.drawImage(bitmap, (n % across) * side, Math.floor(n / across) * side);
      bitmap.close();
    });
    return canvas.transferToImageBitmap();
  }

  // Width and height of a tile in its own pixels.
  sizeOf(key) {
    const [level, column, row] = key.split("/").map(Number);
    const { width, height, side } = this.source;
    const length = (whole, n) => Math.max(1, Math.round(Math.min(side, whole / 2 ** level - n * side)));
    return [length(width, column), length(height, row)];
  }

  keep(key, bitmap) {
    this.tiles.set(key, bitmap);
    this.failed.delete(key);
    while (this.tiles.size > MOST_TILES) {
      const [oldest, gone] = this.tiles.entries().next().value;
      gone.close();
      this.tiles.delete(oldest);
    }
  }
}
