// The field under review: boxes that can be picked, drawn, resized and placed by keys. Comes after
// zoom.js and stage.js.

const HANDLE_PX = 5; // radius of a corner that is seen, and of what a finger hits
const HANDLE_HIT_PX = 15;
const CORNERS = ["x1 y1", "x2 y1", "x1 y2", "x2 y2"];

// A cell in a sentence, for labels, tips and screen readers.
function cellWords(cell, store) {
  const { title } = store.label(cell);
  const from = cell.suggested ? `, confidence ${cell.confidence.toFixed(2)}` : "";
  if (cell.state === "suggested") return `${title}, suggested${from}, not confirmed`;
  if (!cell.suggested && cell.confidence === null) return `${title}, added`;
  const was = store.byLabel.get(cell.suggested)?.title ?? cell.suggested;
  return `${title}, confirmed${was && cell.suggested !== cell.label ? `, suggested ${was}` : ""}`;
}

class ReviewStage extends BoxStage {
  // acts: { pick(key), draw(box), move(key, box) }
  constructor(store, acts) {
    super((key) => acts.pick(key));
    this.store = store;
    this.acts = acts;
    this.handles = svg("g", { class: "handles" });
    this.sketch = svg("rect", { class: "sketch" });
    this.sketch.style.display = "none";
    this.overlay.append(this.handles);
    this.armed = false; // whether the next press places a new box, for fingers
    this.ghost = null; // a new box that keys are moving
  }

  update(data) {
    super.update(data);
    const keys =
      "arrow keys choose a cell, Space the next uncertain one, Enter confirms, Delete removes, " +
      "Insert adds one, plus and minus zoom";
    this.element.setAttribute("aria-label", `Field of view: ${keys}`);
    const chosen = this.data.boxes.find((box) => box.id === this.data.selected);
    if (chosen) this.element.setAttribute("aria-activedescendant", `cell-${chosen.number}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  makeBoxes() {
    super.makeBoxes();
    this.cells.append(this.sketch);
  }

  makeBox(box, chosen) {
    const group = super.makeBox(box, chosen);
    const line = box.cell.state === "suggested" ? "dashed" : "solid";
    group.querySelector(".line").setAttribute("class", `line ${line}`);
    return put(group, {
      id: `cell-${box.number}`,
      role: "button",
      tabindex: "-1",
      "aria-pressed": String(chosen),
      "aria-label": `Cell ${box.number}: ${cellWords(box.cell, this.store)}`,
      "data-state": box.cell.state,
    });
  }

  wordsOf(box) {
    const { title, key } = this.store.label(box.cell);
    if (box.cell.state === "confirmed") return { long: `${title} \u2713`, short: `${key}\u2713` };
    const score = box.confidence === null ? "" : ` ${box.confidence.toFixed(2)}`;
    return { long: title + score, short: key + score };
  }

  tipOf(box) {
    return `${box.number}  ${cellWords(box.cell, this.store)}`;
  }

  draw(place) {
    super.draw(place);
    if (!this.handles) return; // while it is being made
    const chosen = this.data.boxes?.find((box) => box.id === this.data.selected);
    this.handles.replaceChildren(...(chosen && !this.ghost ? this.makeHandles(chosen, place) : []));
  }

  makeHandles(box, { k, x, y }) {
    const room = k * Math.min(box.x2 - box.x1, box.y2 - box.y1);
    if (room < 3 * HANDLE_PX) return [];
    return CORNERS.map((corner) => {
      const [across, down] = corner.split(" ");
      const at = { cx: x + k * box[across], cy: y + k * box[down] };
      const handle = svg("g", { class: "handle", "data-corner": corner });
      const hit = Math.min(HANDLE_HIT_PX, room / 2.5);
      handle.append(svg("circle", { ...at, r: hit, class: "hit" }));
      handle.append(svg("circle", { ...at, r: HANDLE_PX, class: "knob" }));
      return handle;
    });
  }

  // The line of a box tells what is confirmed; its colour and letter tell the class.
  makeLegend() {
    const { boxes, styles } = this.data;
    const items = Object.entries(styles)
      .map(([kind, style]) => [style, boxes.filter((box) => box.kind === kind).length])
      .filter(([, n]) => n)
      .map(([{ title, colour }, n]) => {
        const item = html("span", { class: "item" });
        const number = html("b");
        number.textContent = n;
        item.append(chip({ colour }), `${title} `, number);
        return item;
      });
    const lines = [
      ["dashed", "suggested"],
      ["solid", "confirmed"],
    ].map(([line, words]) => {
      const sample = svg("svg", { class: "sample", viewBox: "0 0 34 12", "aria-hidden": "true" });
      sample.append(svg("path", { d: "M4 6H30", class: `line ${line}`, stroke: "currentColor" }));
      const item = html("span", { class: "item" });
      item.append(sample, words);
      return item;
    });
    this.legend.replaceChildren(...items, ...lines);
  }

  // --- pressing and dragging --------------------------------------------------------------------

  toPicture({ clientX, clientY }) {
    const bounds = this.element.getBoundingClientRect();
    const { k, x, y } = this.pane.place;
    return [(clientX - bounds.left - x) / k, (clientY - bounds.top - y) / k];
  }

  press(event) {
    const corner = this.at(event.clientX, event.clientY, ".handle")?.dataset.corner;
    if (corner) return this.resizing(corner);
    if (!this.armed && this.at(event.clientX, event.clientY, ".box")) return null;
    const draws = this.armed || (event.pointerType !== "touch" && !event.shiftKey);
    return draws ? this.drawing(event) : null;
  }

  drawing(event) {
    const [x, y] = this.toPicture(event);
    let box = null;
    return {
      move: (next) => {
        box = [x, y, ...this.toPicture(next)];
        this.sketchBox(box);
      },
      end: () => {
        this.sketchBox(null);
        this.arm(false);
        if (box) this.acts.draw(box);
      },
      cancel: () => this.sketchBox(null),
    };
  }

  resizing(corner) {
    const box = this.data.boxes.find((each) => each.id === this.data.selected);
    const [across, down] = corner.split(" ");
    const moved = { x1: box.x1, y1: box.y1, x2: box.x2, y2: box.y2 };
    const four = () => [moved.x1, moved.y1, moved.x2, moved.y2];
    return {
      move: (next) => {
        [moved[across], moved[down]] = this.toPicture(next);
        this.sketchBox(four());
      },
      end: () => {
        this.sketchBox(null);
        this.acts.move(box.id, four());
      },
      cancel: () => this.sketchBox(null),
    };
  }

  // A new or changed box while it is not one yet; null for none.
  sketchBox(box) {
    this.sketch.style.display = box ? "" : "none";
    if (!box) return;
    const [x1, y1, x2, y2] = box;
    put(this.sketch, {
      x: Math.min(x1, x2),
      y: Math.min(y1, y2),
      width: Math.abs(x2 - x1),
      height: Math.abs(y2 - y1),
    });
  }

  click(clientX, clientY) {
    if (this.armed) {
      const [x, y] = this.toPicture({ clientX, clientY });
      this.arm(false);
      return this.acts.draw(this.usual(x, y));
    }
    this.acts.pick(this.at(clientX, clientY, ".box")?.box.id ?? null);
  }

  arm(armed) {
    this.armed = armed;
    this.element.classList.toggle("armed", armed);
    this.acts.armed?.(armed);
  }

  // --- a new box, by keys -----------------------------------------------------------------------

  // As large as the cells here usually are, around a place.
  usual(x, y) {
    const sides = this.data.boxes.map((b) => (b.x2 - b.x1 + b.y2 - b.y1) / 2).sort((a, b) => a - b);
    const side = sides[sides.length >> 1] ?? 2 * (this.data.redCell ?? this.data.width / 24);
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2];
  }

  startGhost() {
    const { cx, cy } = this.pane.view;
    this.ghost = this.usual(clamp(cx, 0, this.data.width), clamp(cy, 0, this.data.height));
    this.showGhost();
  }

  endGhost() {
    const box = this.ghost;
    this.ghost = null;
    this.sketchBox(null);
    this.draw(this.pane.place);
    return box;
  }

  // Whether the key did something to the new box; `fine` moves it by a pixel of the screen.
  moveGhost(key, fine) {
    const [x1, y1, x2, y2] = this.ghost;
    const step = fine ? 1 / this.pane.place.k : (x2 - x1) / 4;
    const by = {
      ArrowLeft: [-step, 0, -step, 0],
      ArrowRight: [step, 0, step, 0],
      ArrowUp: [0, -step, 0, -step],
      ArrowDown: [0, step, 0, step],
      "[": [step / 4, step / 4, -step / 4, -step / 4],
      "]": [-step / 4, -step / 4, step / 4, step / 4],
    }[key];
    if (!by) return false;
    this.ghost = this.ghost.map((side, n) => side + by[n]);
    const [mx, my] = [(this.ghost[0] + this.ghost[2]) / 2, (this.ghost[1] + this.ghost[3]) / 2];
    const off = [clamp(mx, 0, this.data.width) - mx, clamp(my, 0, this.data.height) - my];
    this.ghost = this.ghost.map((side, n) => side + off[n % 2]);
    this.showGhost();
    return true;
  }

  showGhost() {
    this.sketchBox(this.ghost);
    this.draw(this.pane.place);
    const { w, h } = this.pane.room;
    const { k, x, y } = this.pane.place;
    const [left, top, right, bottom] = [0, 1, 2, 3].map((n) => k * this.ghost[n] + (n % 2 ? y : x));
    const seen = (low, high, room) => (low < 0 ? -low : Math.min(0, room - high));
    const [dx, dy] = [seen(left, right, w), seen(top, bottom, h)];
    if (dx || dy) this.pane.panBy(dx, dy);
  }

  // --- going from cell to cell ------------------------------------------------------------------

  // The nearest cell in the direction of an arrow key, seen from the chosen one.
  neighbour(key) {
    const { boxes, selected } = this.data;
    const middle = (box) => [(box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2];
    const from = boxes.find((box) => box.id === selected);
    if (!from) return boxes[0]?.id ?? null;
    const [x, y] = middle(from);
    const along = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
    let best = [Infinity, null];
    for (const box of boxes) {
      const [dx, dy] = middle(box).map((side, n) => side - [x, y][n]);
      const ahead = dx * along[0] + dy * along[1];
      const aside = Math.abs(dx * along[1]) + Math.abs(dy * along[0]);
      // Within a quarter turn, or what is beside would never be reached.
      if (box === from || ahead <= 0 || aside > ahead) continue;
      if (ahead + 2 * aside < best[0]) best = [ahead + 2 * aside, box.id];
    }
    return best[1];
  }

  // Bring a cell into view if it is not there.
  reveal({ x1, y1, x2, y2 }) {
    const { w, h } = this.pane.room;
    const { k, x, y } = this.pane.place;
    const inside = k * x1 + x >= 0 && k * y1 + y >= 0 && k * x2 + x <= w && k * y2 + y <= h;
    if (inside) return;
    this.pane.panBy(w / 2 - x - (k * (x1 + x2)) / 2, h / 2 - y - (k * (y1 + y2)) / 2);
  }
}
