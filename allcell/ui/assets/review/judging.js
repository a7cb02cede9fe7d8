// What a person does to cells, from whichever key or button: the part of the desk that edits.

class Judging {
  // Judge what is chosen, then go on to the next doubtful cell if it was not judged before.
  judge(act) {
    const keys = this.data.readOnly ? [] : this.targets;
    if (!keys.length) return false;
    const { store } = this;
    const fresh = keys.length === 1 && store.cell(keys[0])?.state === "suggested";
    this.judged = keys.length === 1 ? keys[0] : null;
    const next = this.view === "field" && fresh ? this.after(keys[0]) : null;
    const beside = this.view === "gallery" ? this.besides(keys) : null;
    act(keys);
    if (next) this.goTo(next);
    else if (beside) this.gallery.mark([beside], false);
    if (beside) this.gallery.focusChosen();
    return true;
  }

  after(key) {
    const next = this.store.nextUncertain(this.data.shown, this.others, key);
    return next === key ? null : next;
  }

  // The crop that takes the place of those that go to another class.
  besides(keys) {
    const gone = new Set(keys);
    const tiles = this.gallery.order.map((tile) => tile.dataset.key);
    const at = tiles.findIndex((key) => gone.has(key));
    return tiles.slice(at).find((key) => !gone.has(key)) ?? null;
  }

  confirm() {
    return this.judge((keys) => this.store.confirm(keys));
  }

  reclassify(label) {
    this.lastLabel = label;
    return this.judge((keys) => this.store.reclassify(keys, label));
  }

  remove() {
    return this.judge((keys) => {
      this.store.remove(keys);
      if (keys.includes(this.store.chosen)) this.pick(null);
    });
  }

  confirmAbove(confidence) {
    if (this.data.readOnly) return;
    this.judged = null;
    this.store.confirmAbove(confidence);
  }

  move(key, box) {
    if (this.data.readOnly) return;
    this.judged = key;
    this.store.move(key, box);
  }

  grow(way) {
    const cell = this.view === "field" && this.store.cell(this.targets[0]);
    if (!cell) return;
    const [x1, y1, x2, y2] = cell.box;
    const by = (way * (x2 - x1 + y2 - y1)) / 40;
    this.move(cell.key, [x1 - by, y1 - by, x2 + by, y2 + by]);
  }

  // Begin to place a new box by keys.
  place() {
    if (this.data.readOnly || this.view !== "field") return;
    this.stage.startGhost();
    this.stage.element.focus({ preventScroll: true });
    this.say("New box: arrow keys move it, brackets resize it, Enter adds it, Escape drops it.");
  }

  placed(box) {
    if (!box || this.data.readOnly) return true;
    const key = this.store.add(this.data.shown, box, "unidentified");
    this.judged = key;
    if (key) this.pick(key);
    return true;
  }

  undo() {
    return this.stepped(this.store.undo());
  }

  redo() {
    return this.stepped(this.store.redo());
  }

  stepped(entry) {
    this.judged = this.store.chosen;
    const cell = this.store.cell(this.store.chosen);
    if (entry && cell && this.view === "field") this.goTo(cell.key);
    else if (entry && cell) this.gallery.mark([cell.key], false);
    return true;
  }
}
