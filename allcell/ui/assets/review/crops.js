// Single cells cut out of the pictures that the browser holds. A canvas each: hundreds of copies of
// one large picture would be scaled hundreds of times.

const CROP_MARGIN = 0.25; // around the cell, as in ui/field/crops.py

const images = new Map();

// A picture that was sent under a name (see picture.js), decoded; null if it has not come.
function imageOf(name) {
  const url = window.allcellPictures?.get(name) ?? window.allcellCrops?.get(name);
  if (!url) return null;
  const known = images.get(name);
  if (known?.src === url) return known;
  const image = new Image();
  image.src = url;
  image.decode().then(() => reviewStore.changed({ why: "picture" }), () => {});
  images.set(name, image);
  while (images.size > 300) images.delete(images.keys().next().value);
  return image;
}

const isDrawable = (image) => image?.complete && image.naturalWidth > 0;

class Crops {
  // px: side on the screen.
  constructor(px) {
    this.px = px;
    this.kept = new Map();
  }

  // The canvas of a cell, drawn again if its box has changed.
  of(cell, field) {
    const what = `${field.picture} ${cell.box}`;
    let kept = this.kept.get(cell.key);
    if (!kept) {
      const canvas = html("canvas", { "aria-hidden": "true" });
      canvas.width = canvas.height = Math.round(this.px * Math.min(2, devicePixelRatio || 1));
      canvas.style.width = canvas.style.height = `${this.px}px`;
      kept = { canvas, drawn: "" };
      this.kept.set(cell.key, kept);
    }
    if (kept.drawn !== what && this.draw(kept.canvas, cell, field)) kept.drawn = what;
    return kept.canvas;
  }

  draw(canvas, cell, field) {
    const paint = canvas.getContext("2d");
    const side = canvas.width;
    const sheet = cell.crop === null ? null : imageOf(field.crops?.name);
    if (isDrawable(sheet)) {
      const { side: px, across } = field.crops;
      const at = [px * (cell.crop % across), px * Math.floor(cell.crop / across)];
      paint.drawImage(sheet, ...at, px, px, 0, 0, side, side);
      return true;
    }
    const image = imageOf(field.picture);
    if (!isDrawable(image)) return false;
    const [x1, y1, x2, y2] = cell.box;
    const k = image.naturalWidth / field.width;
    const seen = (1 + 2 * CROP_MARGIN) * Math.max(x2 - x1, y2 - y1);
    paint.fillStyle = "#808080";
    paint.fillRect(0, 0, side, side);
    const from = [k * ((x1 + x2 - seen) / 2), k * ((y1 + y2 - seen) / 2), k * seen, k * seen];
    paint.drawImage(image, ...from, 0, 0, side, side);
    return true;
  }
}
