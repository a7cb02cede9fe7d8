// What is known of the cells: one copy for all views of this browser tab. An edit takes effect here
// at once and is told to the server after; the server's answer says up to where it has heard.
//
// The rules are those of allcell/review (edits.py, case_review.py), in the same order, so that both
// sides come to the same cells. Where they should ever differ, the server is right.

const RESEND_MS = 6000;

const keyOf = (field, number) => `${field}/${number}`;

class ReviewStore {
  constructor() {
    this.listeners = new Set();
    this.reset("");
  }

  // Another review comes: this one is put aside, with what the server has not heard of yet.
  turnTo(epoch) {
    const parked = (this.parked ??= new Map());
    if (this.epoch) parked.set(this.epoch, Object.fromEntries(STATE.map((n) => [n, this[n]])));
    this.reset(epoch);
    Object.assign(this, parked.get(epoch));
  }

  reset(epoch) {
    this.epoch = epoch;
    this.fields = new Map();
    this.labels = [];
    this.done = [];
    this.undone = [];
    this.pending = [];
    this.sequence = 0;
    this.chosen = null; // the cell that is looked at
    this.marked = new Set(); // several cells, in the gallery
    this.waiting = false;
  }

  // --- what the server says ---------------------------------------------------------------------

  // data: epoch, seen (the last edit it has heard of), undo and redo (how many it holds), labels,
  // fields (with their cells), all (whether these are all fields).
  adopt(data) {
    if (data.epoch !== this.epoch) this.turnTo(data.epoch);
    this.held = { undo: data.undo, redo: data.redo }; // what the server could take back
    // The same array for the same classes: their buttons then stay, and with them the focus.
    if (JSON.stringify(this.labels) !== JSON.stringify(data.labels)) this.labels = data.labels;
    this.byLabel = new Map(data.labels.map((label) => [label.name, label]));
    this.pending = this.pending.filter((edit) => edit.n > data.seen);
    this.sequence = Math.max(this.sequence, data.seen);
    this.waiting = false;
    const settled = !this.pending.length;
    const before = this.fields;
    if (data.all) this.fields = new Map();
    for (const given of data.fields) {
      const known = before.get(given.id);
      const cells = known && !settled ? known.cells : readCells(given);
      const counted = known && !settled ? known.counted : given.counted;
      this.fields.set(given.id, { ...given, cells, counted });
    }
    if (settled) {
      this.done = this.done.slice(Math.max(0, this.done.length - data.undo));
      this.undone = this.undone.slice(Math.max(0, this.undone.length - data.redo));
    }
    for (const key of this.marked) if (!this.cell(key)) this.marked.delete(key);
    if (!this.cell(this.chosen)) this.chosen = null;
    this.changed({ why: "server" });
    this.flush();
  }

  listen(heard) {
    this.listeners.add(heard);
    return () => this.listeners.delete(heard);
  }

  changed(what) {
    for (const heard of [...this.listeners]) heard(what);
  }

  // Edits go out as soon as the server has answered the last ones.
  flush() {
    if (!this.send || this.waiting || !this.pending.length) return;
    this.waiting = true;
    this.send({ epoch: this.epoch, edits: this.pending });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.waiting = false;
      this.flush();
    }, RESEND_MS);
  }

  // --- reading ----------------------------------------------------------------------------------

  cell(key) {
    if (!key) return null;
    const cut = key.lastIndexOf("/");
    return this.fields.get(key.slice(0, cut))?.cells.get(Number(key.slice(cut + 1))) ?? null;
  }

  label(cell) {
    return this.byLabel.get(cell.label) ?? { ...UNKNOWN, name: cell.label, title: cell.label };
  }

  // Cells that are there, in the order of their numbers.
  present(field) {
    const cells = [...(this.fields.get(field)?.cells.values() ?? [])];
    return cells.filter((cell) => cell.state !== "removed");
  }

  get counted() {
    return [...this.fields.values()].filter((field) => field.counted);
  }

  // The next cell that nobody has judged, the most doubtful first: in this picture, then in the
  // others given. After one that is not judged itself comes the one after it.
  nextUncertain(field, others, after = null) {
    for (const id of [field, ...others.filter((other) => other !== field)]) {
      const open = this.present(id).filter((cell) => cell.state === "suggested");
      open.sort(byDoubt);
      const at = open.findIndex(({ key }) => key === after);
      if (open.length > 1 || (open.length && at < 0)) return open[(at + 1) % open.length].key;
    }
    return null;
  }

  // Blasts and all cells of the differential, smudges and other cells, in the fields that count:
  // before (as the model suggested) and after (what people said).
  counts(fields = this.counted) {
    const sums = { before: tally(), after: tally(), open: 0, all: 0 };
    for (const field of fields) {
      for (const cell of field.cells.values()) {
        const { suggested } = cell;
        // Another model's class counts as unidentified, as on the server.
        const model = this.byLabel.get(suggested) ?? this.byLabel.get("unidentified");
        if (cell.confidence !== null) count(sums.before, model);
        if (cell.state === "removed") continue;
        sums.all += 1;
        if (cell.state === "confirmed") count(sums.after, this.label(cell));
        else sums.open += 1;
      }
    }
    return sums;
  }

  // --- editing ----------------------------------------------------------------------------------

  confirm(keys) {
    this.change("confirm", { cells: keys }, keys, (cell) =>
      cell.state === "removed" ? cell : { ...cell, state: "confirmed" },
    );
  }

  reclassify(keys, label) {
    const to = { label, state: "confirmed" };
    this.change("reclassify", { cells: keys, label }, keys, (cell) => ({ ...cell, ...to }));
  }

  remove(keys) {
    this.change("remove", { cells: keys }, keys, (cell) => ({ ...cell, state: "removed" }));
  }

  move(key, box) {
    const kept = this.inside(this.cell(key).field, box);
    if (!kept) return;
    this.change("move", { cells: [key], box: kept }, [key], (cell) => ({ ...cell, box: kept }));
  }

  add(field, box, label) {
    const kept = this.inside(field, box);
    if (!kept) return null;
    const cells = this.fields.get(field).cells;
    const number = Math.max(0, ...cells.keys()) + 1;
    const key = keyOf(field, number);
    const bare = { key, field, number, box: kept, label, suggested: null, confidence: null };
    const cell = { ...bare, state: "confirmed", crop: null };
    this.apply({ what: "add", field, box: kept, label }, [[key, null, cell]]);
    return key;
  }

  take(field, counted) {
    this.fields.get(field).counted = counted;
    this.done.push({ field, counted });
    this.undone = [];
    this.tell({ what: counted ? "take in" : "leave out", field });
    this.changed({ why: "fields" });
  }

  confirmAbove(confidence, label = null) {
    const keys = this.counted
      .flatMap(({ cells }) => [...cells.values()])
      .filter((cell) => cell.state === "suggested" && (!label || cell.label === label))
      .filter((cell) => cell.confidence !== null && cell.confidence >= confidence)
      .map(({ key }) => key);
    this.confirm(keys);
    return keys.length;
  }

  undo() {
    return this.step(this.done, this.undone, "undo");
  }

  redo() {
    return this.step(this.undone, this.done, "redo");
  }

  step(from, to, what) {
    // What was done before this tab knew the review, only the server can take back.
    const older = !from.length && !this.pending.length && this.held[what] > 0;
    const entry = older ? { remote: true } : from.pop();
    if (!entry) return null;
    to.push(entry);
    const back = what === "undo";
    if (entry.field) this.fields.get(entry.field).counted = back ? !entry.counted : entry.counted;
    for (const [key, before, after] of entry.changes ?? []) this.put(key, back ? before : after);
    this.tell({ what });
    const shown = entry.changes?.find(([, a, b]) => (back ? a : b))?.[0] ?? null;
    if (shown) this.chosen = shown;
    this.changed({ why: what, cells: (entry.changes ?? []).map(([key]) => key) });
    return entry;
  }

  change(what, told, keys, how) {
    const changes = [...new Set(keys)]
      .map((key) => [key, this.cell(key)])
      .filter(([, cell]) => cell)
      .map(([key, cell]) => [key, cell, how(cell)])
      .filter(([, before, after]) => !same(before, after));
    if (changes.length) this.apply({ what, ...told }, changes);
  }

  apply(told, changes) {
    for (const [key, , after] of changes) this.put(key, after);
    this.done.push({ changes });
    this.undone = [];
    this.tell(told);
    this.changed({ why: told.what, cells: changes.map(([key]) => key) });
  }

  put(key, cell) {
    const cut = key.lastIndexOf("/");
    const cells = this.fields.get(key.slice(0, cut))?.cells;
    if (!cells) return;
    if (cell) cells.set(cell.number, cell);
    else cells.delete(Number(key.slice(cut + 1)));
  }

  tell(edit) {
    this.sequence += 1;
    this.pending.push({ n: this.sequence, ...edit });
    this.flush();
  }

  // A box with its corners in order and within the picture; null if too little of it is left.
  inside(field, [x1, y1, x2, y2]) {
    const { width, height } = this.fields.get(field);
    const round = (value, high) => Math.round(10 * clamp(value, 0, high)) / 10;
    const box = [
      round(Math.min(x1, x2), width),
      round(Math.min(y1, y2), height),
      round(Math.max(x1, x2), width),
      round(Math.max(y1, y2), height),
    ];
    return box[2] - box[0] >= MIN_SIDE_PX && box[3] - box[1] >= MIN_SIDE_PX ? box : null;
  }
}

const STATE = ["fields", "labels", "done", "undone", "pending", "sequence", "chosen", "marked"];
const MIN_SIDE_PX = 3;
const UNKNOWN = { key: "", role: "other", colour: "#f0f0f0", plural: "others" };

const tally = () => ({ blasts: 0, white: 0, smudges: 0, others: 0, unidentified: 0, byLabel: {} });

function count(sums, label) {
  if (!label) return;
  sums.byLabel[label.name] = (sums.byLabel[label.name] ?? 0) + 1;
  if (label.role === "blast") sums.blasts += 1;
  if (label.role === "blast" || label.role === "white cell") sums.white += 1;
  if (label.role === "smudge") sums.smudges += 1;
  if (label.role === "other") sums.others += 1;
  if (label.role === "unidentified") sums.unidentified += 1;
}

// Doubt first: unjudged cells of low confidence, then what people have judged.
const certainty = (cell) => (cell.suggested ? cell.confidence : 0);
const doubt = (cell) => (cell.state === "suggested" ? certainty(cell) : 2 + certainty(cell));
const byDoubt = (a, b) => doubt(a) - doubt(b) || a.number - b.number;

function same(a, b) {
  const boxes = a.box.every((side, n) => side === b.box[n]);
  return boxes && a.label === b.label && a.state === b.state;
}

// Cells come as rows: number, suggested, confidence, label, state, left, top, right, bottom, place
// among the crops of the field.
function readCells({ id, cells }) {
  return new Map(
    cells.map(([number, suggested, confidence, label, state, x1, y1, x2, y2, crop]) => [
      number,
      {
        ...{ key: keyOf(id, number), field: id, number, suggested, confidence, label, state, crop },
        box: [x1, y1, x2, y2],
      },
    ]),
  );
}

// One for the tab: Detect and Review show the same cells, and history outlives a change of page.
const reviewStore = (window.allcellReview ??= new ReviewStore());
