// The review: field, list and gallery over one store of cells, and the keys that work in all of them.
// Python joins zoom.js, stage.js, slider.js and the files of this folder into one module, this one
// last.

const AHEAD_MS = 700;

const desks = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let desk = desks.get(parentElement);
  if (!desk) {
    desk = new Desk(parentElement);
    desks.set(parentElement, desk);
  }
  desk.tell = setTriggerValue;
  const send = (message) => setTriggerValue("edits", message);
  reviewStore.send = desk.send = send;
  desk.update(data);
  return () => {
    desk.close();
    desks.delete(parentElement);
  };
}

class Desk extends Judging {
  constructor(parent) {
    super();
    this.store = reviewStore;
    this.data = {};
    this.view = "field";
    this.root = html("div", { class: "desk" });
    const field = html("div", { class: "field" });
    this.stage = new ReviewStage(this.store, {
      pick: (key) => this.pick(key),
      draw: (box) => this.placed(box),
      move: (key, box) => this.move(key, box),
      armed: (armed) => this.bar.armed(armed),
    });
    this.side = new Side(this.store, this);
    this.gallery = new Gallery(this.store, this);
    this.counter = new Counter();
    this.line = new CountLine();
    this.head = new Head(this.store, this);
    this.bar = new ThumbBar(this.store, this);
    this.badge = span("badge", "");
    this.said = html("div", { class: "said-aloud", role: "status", "aria-live": "polite" });
    this.foot = html("div", { class: "foot" });
    this.foot.append(this.badge, this.stage.legend, this.tools());
    const left = html("div", { class: "left" });
    left.append(this.stage.element, this.foot);
    this.main = html("div", { class: "main" });
    this.main.append(left, this.side.element);
    field.append(this.head.element, this.line.element, this.main, this.gallery.element);
    field.append(this.counter.element, this.said);
    this.root.append(field, this.bar.element);
    parent.append(this.root);
    this.slider = new SliderFollower((lowest) => this.showField(lowest));
    this.keys = new ReviewKeys(this, this.root);
    this.unheard = this.store.listen((what) => this.heard(what));
    this.arrived = () => this.store.changed({ why: "picture" });
    window.addEventListener("allcell-picture", this.arrived);
    this.leaving = (event) => {
      if (this.store.pending.length || this.data.unsaved) event.preventDefault();
    };
    window.addEventListener("beforeunload", this.leaving);
  }

  close() {
    if (this.store.send === this.send) this.store.send = null;
    this.unheard();
    clearTimeout(this.ahead);
    window.removeEventListener("allcell-picture", this.arrived);
    window.removeEventListener("beforeunload", this.leaving);
    this.keys.close();
    this.slider.close();
    this.stage.close();
    this.bar.close();
    this.root.remove();
  }

  tools() {
    const bar = toolBar(this.root, () => this.stage.pane);
    bar.querySelector(".hint").textContent = "Scroll zooms, drag adds a box, Shift and drag moves";
    const undo = actButton("Undo", "Ctrl+Z", () => this.undo(), "\u21b6");
    const redo = actButton("Redo", "Ctrl+Shift+Z", () => this.redo(), "\u21b7");
    bar.prepend(undo, redo);
    bar.append(bar.querySelector(".hint"));
    return bar;
  }

  // --- drawing ----------------------------------------------------------------------------------

  // data: see `payload` in ui/reviewing/wire.py.
  update(data) {
    const before = this.data;
    this.data = data;
    this.root.dataset.page = data.page;
    if (!data.gallery) this.view = "field";
    this.store.adopt(data);
    const field = this.store.fields.get(data.shown);
    if (!field) return;
    this.root.style.setProperty("--aspect", field.width / field.height);
    this.slider.update(data);
    const asked = data.selected !== null && data.focus !== before.focus;
    if (asked && before.shown === data.shown) this.show(keyOf(data.shown, data.selected));
    if (this.wanted && this.store.cell(this.wanted)?.field === data.shown) {
      this.show(this.wanted);
      this.wanted = null;
    }
    if (data.page !== "review") return;
    this.counter.agreement(data.agreement);
    // Who comes here comes to review: keys work at once, unless the focus is put elsewhere.
    const at = document.activeElement;
    const free = !at || at === document.body || at.matches("a, [data-testid=stTopNavLink]");
    if (!before.epoch && free) this.stage.element.focus({ preventScroll: true });
    // The gallery is likely next: its crops are made while the first cells are looked at.
    if (!data.crops) this.ahead ??= setTimeout(() => this.tell("view", { view: "gallery" }), AHEAD_MS);
  }

  // Something has changed, here or on the server.
  heard({ why }) {
    const field = this.store.fields.get(this.data.shown);
    if (!field) return;
    const gallery = this.view === "gallery";
    this.main.hidden = gallery;
    this.gallery.element.hidden = !gallery;
    this.counter.element.hidden = this.data.page !== "review";
    this.head.update(this.data, this.view);
    if (gallery) this.gallery.update();
    else this.showField(this.data.lowest ?? 0);
    const counts = this.counts();
    this.line.update(counts);
    if (this.data.page === "review") this.counter.update(this.store.counts(), this.store.labels);
    this.bar.update();
    const edits = !["server", "picked", "marked", "picture"].includes(why);
    if (edits) this.say(`${this.deed()}${countsSaid(counts)}`);
  }

  counts() {
    const { page, shown } = this.data;
    return this.store.counts(page === "detect" ? [this.store.fields.get(shown)] : undefined);
  }

  showField(lowest) {
    const { data, store } = this;
    const field = store.fields.get(data.shown);
    const hidden = new Set(data.hidden ?? []);
    const seen = store
      .present(field.id)
      .filter((cell) => !hidden.has(cell.label))
      .filter((cell) => cell.state !== "suggested" || !(cell.confidence < Math.fround(lowest)));
    const below = this.below(lowest, hidden, field);
    this.stage.update({
      ...{ picture: field.picture, width: field.width, height: field.height },
      boxes: [...seen, ...below].map((cell) => boxOf(cell)),
      styles: Object.fromEntries(store.labels.map((label) => [label.name, styleOf(label)])),
      ...{ labels: data.labelled ?? true, selected: store.chosen, redCell: field.redCell },
    });
    this.badge.textContent = field.badge;
    this.badge.hidden = !field.badge;
    this.slider.say({ counted: data.counted ?? {}, lowest: data.lowest }, lowest);
    this.side.update(field, seen);
  }

  // While the slider is moved: boxes that the server has not been asked for yet.
  below(lowest, hidden, field) {
    return (this.data.below ?? [])
      .filter(([, confidence]) => confidence >= Math.fround(lowest))
      .filter(([label, confidence]) => confidence < this.data.lowest && !hidden.has(label))
      .map(([label, confidence, ...box], n) => {
        const number = field.cells.size + n + 1;
        const bare = { key: `${field.id}/below`, number, label, suggested: label };
        return { ...bare, confidence, box, state: "suggested" };
      });
  }

  say(words) {
    if (this.said.textContent !== words) this.said.textContent = words;
  }

  deed() {
    const cell = this.store.cell(this.judged);
    return cell ? `Cell ${cell.number}: ${STATES[cell.state]}, ${this.store.label(cell).title}. ` : "";
  }

  // --- choosing ---------------------------------------------------------------------------------

  get targets() {
    const { store } = this;
    if (this.view === "gallery") return [...store.marked];
    const cell = store.cell(store.chosen);
    return cell?.field === this.data.shown ? [cell.key] : [];
  }

  pick(key) {
    if (key?.endsWith("/below")) return;
    this.store.chosen = key;
    this.store.marked = new Set(key ? [key] : []);
    this.store.changed({ why: "picked" });
    const cell = this.store.cell(key);
    if (cell) this.stage.reveal(boxOf(cell));
  }

  show(key) {
    this.pick(key);
    const cell = this.store.cell(key);
    if (cell) this.stage.show(boxOf(cell));
  }

  // Other pictures that the next cell may be in.
  get others() {
    return this.data.page === "review" ? this.store.counted.map(({ id }) => id) : [];
  }

  nextUncertain() {
    const next = this.store.nextUncertain(this.data.shown, this.others, this.store.chosen);
    if (next) this.goTo(next);
    else if (!this.counts().open) this.say("All cells are reviewed.");
    return true;
  }

  goTo(key) {
    const { field } = this.store.cell(key);
    if (field === this.data.shown) return this.pick(key);
    this.wanted = key;
    this.tell("shown", { field });
  }

  along(way) {
    const cells = this.store.present(this.data.shown);
    const at = cells.findIndex(({ key }) => key === this.store.chosen);
    const next = cells[clamp(at + way, 0, cells.length - 1)];
    if (next) this.pick(next.key);
  }

  end(at) {
    const cell = this.store.present(this.data.shown).at(at);
    if (cell && this.view === "field") this.pick(cell.key);
  }

  escape() {
    if (this.stage.armed) this.stage.arm(false);
    else if (this.view === "field" && this.from === "gallery") this.turn("gallery");
    else if (this.view === "gallery") this.gallery.mark([], false);
    else this.pick(null);
  }

  // --- field and gallery ------------------------------------------------------------------------

  turn(view) {
    this.from = this.view;
    this.view = view;
    if (view === "gallery") {
      this.store.marked = new Set(this.store.chosen ? [this.store.chosen] : []);
      if (!this.data.crops) this.tell("view", { view });
    }
    this.store.changed({ why: "picked" });
    if (view === "gallery") this.gallery.focusChosen();
    else this.stage.element.focus({ preventScroll: true });
  }

  open(key) {
    this.turn("field");
    this.store.chosen = key;
    if (this.store.cell(key).field === this.data.shown) this.show(key);
    else this.goTo(key);
  }

  showPicture(field) {
    if (this.view === "gallery") this.turn("field");
    if (field !== this.data.shown) this.tell("shown", { field });
  }

  toPlace() {
    if (this.view !== "gallery" || !this.store.chosen) return false;
    this.open(this.store.chosen);
    return true;
  }
}

const boxOf = (cell) => {
  const [x1, y1, x2, y2] = cell.box;
  const { key, number, label, confidence } = cell;
  return { id: key, number, kind: label, confidence, x1, y1, x2, y2, cell };
};

const styleOf = ({ title, colour, key }) => ({ title, colour, key, line: "solid" });
