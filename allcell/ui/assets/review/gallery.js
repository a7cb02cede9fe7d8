// All cells of all pictures as crops, by class, doubt first. Comes after store.js, crops.js, side.js.

const CROP_PX = 72;
const DRAG_PX = 6;

class Gallery {
  // acts: { pick(key), open(key), reclassify(label), confirmAbove(confidence) }
  constructor(store, acts) {
    this.store = store;
    this.acts = acts;
    this.crops = new Crops(CROP_PX);
    this.tiles = new Map();
    this.anchor = null;
    this.element = html("div", { class: "gallery" });
    this.tools = html("div", { class: "gallerytools" });
    this.sections = html("div", { class: "sections" });
    this.band = html("div", { class: "band", hidden: "" });
    this.carried = html("div", { class: "carried", hidden: "", "aria-hidden": "true" });
    this.makeTools();
    this.element.append(this.tools, this.sections, this.band, this.carried);
    this.bins = new Map();
    const on = (name, handler) => this.sections.addEventListener(name, handler);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", () => this.drop());
    on("dblclick", (event) => {
      // A captured pointer reports what captured it: ask what lies below it instead.
      const tile = this.below(event, ".tile");
      if (tile) this.acts.open(tile.dataset.key);
    });
  }

  makeTools() {
    const label = html("label");
    this.level = html("input", { type: "number", min: "0", max: "1", step: "0.01", value: "0.90" });
    label.append("Confirm all from confidence ", this.level);
    this.above = html("button", { type: "button" });
    this.above.onclick = () => this.acts.confirmAbove(this.confidence);
    this.level.oninput = () => this.showAbove();
    const hint = span("hint", "Shift or a frame selects many; drag or press a key to reclassify");
    this.tools.append(label, this.above, hint);
  }

  get confidence() {
    return clamp(Number(this.level.value) || 0, 0, 1);
  }

  showAbove() {
    const open = this.store.counted
      .flatMap(({ id }) => this.store.present(id))
      .filter((cell) => cell.state === "suggested" && cell.confidence >= this.confidence);
    this.above.textContent = `Confirm ${open.length}`;
    this.above.disabled = !open.length;
  }

  // --- drawing ----------------------------------------------------------------------------------

  // hidden: ids of pictures that are not shown.
  update() {
    const { store } = this;
    const bins = new Map(store.labels.map((label) => [label.name, []]));
    for (const field of store.fields.values()) {
      for (const cell of store.present(field.id)) {
        const bin = bins.has(cell.label) ? cell.label : "unidentified";
        bins.get(bin)?.push(cell);
      }
    }
    for (const [name, bin] of this.bins) {
      if (bins.has(name)) continue;
      bin.section.remove();
      this.bins.delete(name);
    }
    for (const [name, cells] of bins) {
      cells.sort((a, b) => doubt(a) - doubt(b));
      this.showBin(store.byLabel.get(name), cells);
    }
    for (const key of this.tiles.keys()) if (!store.cell(key)) this.tiles.delete(key);
    this.showAbove();
  }

  showBin(label, cells) {
    let bin = this.bins.get(label.name);
    if (!bin) {
      bin = this.makeBin(label);
      this.bins.set(label.name, bin);
      this.sections.append(bin.section);
    }
    bin.count.textContent = cells.length;
    bin.section.classList.toggle("empty", !cells.length);
    const tiles = cells.map((cell) => this.tile(cell));
    const now = bin.grid.children;
    const same = now.length === tiles.length && tiles.every((tile, n) => tile === now[n]);
    if (!same) bin.grid.replaceChildren(...tiles);
    const first = tiles.find((tile) => this.store.marked.has(tile.dataset.key)) ?? tiles[0];
    tiles.forEach((tile) => tile.setAttribute("tabindex", tile === first ? "0" : "-1"));
  }

  makeBin(label) {
    const section = html("section", { class: "bin", "data-label": label.name });
    const head = html("h2");
    const count = html("b");
    head.append(label.title, " ", count, keyCap(label.key, label));
    const grid = html("div", {
      ...{ class: "grid", role: "listbox", "aria-multiselectable": "true" },
      "aria-label": `Cells: ${label.title}`,
    });
    section.append(head, grid);
    return { section, grid, count };
  }

  tile(cell) {
    const field = this.store.fields.get(cell.field);
    let tile = this.tiles.get(cell.key);
    if (!tile) {
      tile = html("div", { role: "option", "data-key": cell.key });
      tile.append(this.crops.of(cell, field), span("score", ""));
      this.tiles.set(cell.key, tile);
    } else this.crops.of(cell, field);
    const marked = this.store.marked.has(cell.key);
    const out = field.counted ? "" : " out";
    const look = `tile ${cell.state}${marked ? " marked" : ""}${out}`;
    if (tile.className !== look || tile.label !== cell.label) {
      tile.className = look;
      tile.label = cell.label;
      tile.setAttribute("aria-selected", String(marked));
      const words = `${field.title}, cell ${cell.number}: ${cellWords(cell, this.store)}`;
      tile.setAttribute("aria-label", words);
      tile.title = words;
      const score = cell.confidence === null ? "+" : cell.confidence.toFixed(2);
      tile.lastChild.textContent = cell.state === "confirmed" ? "\u2713" : score;
    }
    return tile;
  }

  // --- choosing ---------------------------------------------------------------------------------

  get order() {
    return [...this.sections.querySelectorAll(".tile")];
  }

  mark(keys, added) {
    const { store } = this;
    if (!added) store.marked.clear();
    for (const key of keys) store.marked.add(key);
    store.chosen = keys.at(-1) ?? (added ? store.chosen : null);
    store.changed({ why: "marked" });
  }

  press(tile, { shiftKey, toggles }) {
    const { key } = tile.dataset;
    const { marked } = this.store;
    if (shiftKey && this.anchor) {
      const keys = this.order.map((each) => each.dataset.key);
      const [a, b] = [keys.indexOf(this.anchor), keys.indexOf(key)].sort((m, n) => m - n);
      return this.mark(keys.slice(Math.max(a, 0), b + 1), false);
    }
    this.anchor = key;
    if (toggles && marked.has(key)) {
      marked.delete(key);
      return this.store.changed({ why: "marked" });
    }
    this.mark([key], toggles);
  }

  // Arrow keys go from crop to crop, with Shift they take it along.
  arrow(key, shift) {
    const tiles = this.order;
    const now = tiles.find((tile) => tile.dataset.key === this.store.chosen);
    let next = tiles[0];
    if (now) {
      const across = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (across) next = tiles[tiles.indexOf(now) + across];
      else next = this.inRow(tiles, now, key === "ArrowDown" ? 1 : -1);
    }
    if (!next) return;
    this.anchor = shift ? this.anchor : next.dataset.key;
    this.mark([next.dataset.key], shift);
    this.focusChosen();
  }

  inRow(tiles, now, way) {
    const from = now.getBoundingClientRect();
    const rows = tiles.map((tile) => [tile, tile.getBoundingClientRect()]);
    const far = rows.filter(([, at]) => way * (at.top - from.top) > from.height / 2);
    const off = ([, at]) => 4 * Math.abs(at.top - from.top) + Math.abs(at.left - from.left);
    return far.sort((a, b) => off(a) - off(b))[0]?.[0];
  }

  focusChosen() {
    const tile = this.tiles.get(this.store.chosen);
    if (!tile?.isConnected) return;
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest" });
  }

  // --- pointer: a click, a frame around several, or a drag to another class ----------------------

  down(event) {
    if (event.button !== 0) return;
    const tile = event.target.closest(".tile");
    const at = [event.clientX, event.clientY];
    if (event.pointerType === "touch") {
      this.gesture = { tap: tile, at };
      return;
    }
    event.preventDefault();
    this.gesture = { tile, at, shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey };
    this.sections.setPointerCapture(event.pointerId);
  }

  move(event) {
    const { gesture } = this;
    if (!gesture || gesture.tap !== undefined) return;
    const [dx, dy] = [event.clientX - gesture.at[0], event.clientY - gesture.at[1]];
    if (!gesture.kind && Math.hypot(dx, dy) < DRAG_PX) return;
    if (!gesture.kind) this.begin(gesture);
    if (gesture.kind === "carry") this.carry(event);
    else this.frame(event);
  }

  begin(gesture) {
    gesture.kind = gesture.tile ? "carry" : "frame";
    const key = gesture.tile?.dataset.key;
    if (key && !this.store.marked.has(key)) this.mark([key], false);
    // Read once: asking 500 crops for their place at each move would be slow.
    if (!key) gesture.places = this.order.map((tile) => [tile, tile.getBoundingClientRect()]);
  }

  carry(event) {
    const n = this.store.marked.size;
    this.carried.hidden = false;
    this.carried.textContent = n === 1 ? "1 cell" : `${n} cells`;
    this.place(this.carried, event.clientX + 12, event.clientY + 12);
    const bin = this.below(event, ".bin");
    for (const { section } of this.bins.values()) section.classList.toggle("over", section === bin);
  }

  frame(event) {
    const [x, y] = this.gesture.at;
    const box = [
      ...[Math.min(x, event.clientX), Math.min(y, event.clientY)],
      ...[Math.max(x, event.clientX), Math.max(y, event.clientY)],
    ];
    this.band.hidden = false;
    this.place(this.band, box[0], box[1]);
    this.band.style.width = `${box[2] - box[0]}px`;
    this.band.style.height = `${box[3] - box[1]}px`;
    this.gesture.inside = this.gesture.places
      .filter(([, at]) => overlaps([at.left, at.top, at.right, at.bottom], box))
      .map(([tile]) => tile);
    for (const [tile] of this.gesture.places) {
      tile.classList.toggle("framed", this.gesture.inside.includes(tile));
    }
  }

  place(element, x, y) {
    const bounds = this.element.getBoundingClientRect();
    element.style.transform = `translate(${x - bounds.left}px, ${y - bounds.top}px)`;
  }

  below({ clientX, clientY }, kind) {
    const found = this.element.getRootNode().elementsFromPoint(clientX, clientY);
    return found.map((element) => element.closest?.(kind)).find(Boolean) ?? null;
  }

  up(event) {
    const { gesture } = this;
    this.drop();
    if (!gesture) return;
    if (gesture.tap !== undefined) {
      const moved = Math.hypot(event.clientX - gesture.at[0], event.clientY - gesture.at[1]);
      if (gesture.tap && moved < 2 * DRAG_PX) this.press(gesture.tap, { toggles: true });
    } else if (gesture.kind === "carry") {
      const bin = this.below(event, ".bin");
      if (bin) this.acts.reclassify(bin.dataset.label);
    } else if (gesture.kind === "frame") {
      const keys = (gesture.inside ?? []).map((tile) => tile.dataset.key);
      this.mark(keys, gesture.shift || gesture.ctrl);
    } else if (gesture.tile) {
      this.press(gesture.tile, { shiftKey: gesture.shift, toggles: gesture.ctrl });
      gesture.tile.focus({ preventScroll: true });
    } else this.mark([], false);
  }

  drop() {
    this.gesture = null;
    this.band.hidden = this.carried.hidden = true;
    for (const { section } of this.bins.values()) section.classList.remove("over");
    for (const tile of this.tiles.values()) tile.classList.remove("framed");
  }
}
