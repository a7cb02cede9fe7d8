// What keys do in a review, whichever part of it has the focus.

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);
const typesText = (element) =>
  element?.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

class ReviewKeys {
  // desk: what acts; root: its element.
  constructor(desk, root) {
    this.desk = desk;
    this.root = root;
    this.heard = (event) => this.hear(event);
    // Before Streamlit's own keys, and also when nothing has the focus.
    document.addEventListener("keydown", this.heard, true);
  }

  close() {
    document.removeEventListener("keydown", this.heard, true);
  }

  hear(event) {
    const path = event.composedPath();
    const inside = path.includes(this.root);
    const nowhere = path[0] === document.body || path[0] === document.documentElement;
    if (!inside && !nowhere) return;
    if (typesText(path[0])) return;
    if (!this.act(event, inside ? path[0] : null)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Whether the key did something. at: the element that has the focus, null for none.
  act(event, at) {
    const { desk } = this;
    const { key } = event;
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      const letter = key.toLowerCase();
      if (letter === "z") return event.shiftKey ? desk.redo() : desk.undo();
      return letter === "y" ? desk.redo() : false;
    }
    if (event.altKey) return false;
    if (desk.stage.ghost) return this.place(event);
    const presses = at?.matches?.("button, a, summary") && (key === "Enter" || key === " ");
    if (presses) return false;
    if (ARROWS.has(key)) return this.arrow(event, at);
    const label = desk.store.labels.find((each) => each.key === key.toUpperCase());
    if (label && !event.repeat) return desk.reclassify(label.name);
    const act = {
      Enter: () => desk.confirm(),
      Delete: () => desk.remove(),
      Backspace: () => desk.remove(),
      " ": () => desk.nextUncertain(),
      Insert: () => desk.place(),
      Escape: () => desk.escape(),
      Home: () => desk.end(0),
      End: () => desk.end(-1),
      "[": () => desk.grow(-1),
      "]": () => desk.grow(1),
      ".": () => desk.toPlace(),
    }[key];
    return act ? act() !== false : false;
  }

  arrow(event, at) {
    const { desk } = this;
    if (desk.view === "gallery") {
      desk.gallery.arrow(event.key, event.shiftKey);
      return true;
    }
    if (event.shiftKey) {
      const [dx, dy] = {
        ArrowLeft: [PAN_PX, 0],
        ArrowRight: [-PAN_PX, 0],
        ArrowUp: [0, PAN_PX],
        ArrowDown: [0, -PAN_PX],
      }[event.key];
      desk.stage.pane.panBy(dx, dy);
      return true;
    }
    const inList = at?.closest?.(".list");
    if (inList) desk.along({ ArrowUp: -1, ArrowLeft: -1 }[event.key] ?? 1);
    else {
      const next = desk.stage.neighbour(event.key);
      if (next) desk.pick(next);
    }
    return true;
  }

  place(event) {
    const { desk } = this;
    if (event.key === "Enter") return desk.placed(desk.stage.endGhost());
    if (event.key === "Escape") return void desk.stage.endGhost() ?? true;
    return desk.stage.moveGhost(event.key, event.shiftKey);
  }
}
