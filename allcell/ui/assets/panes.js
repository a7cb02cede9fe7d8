// One field, a pane for each model, side by side: zoom or move one, and all follow. Comes after
// zoom.js and stage.js.

const LEAST_SEEN_PX = 150;

export default (component) => keepView(PanesView, component);

class PanesView {
  constructor(parent) {
    this.root = html("div", { class: "field panes" });
    this.grid = html("div", { class: "grid" });
    this.badge = span("badge", "");
    const foot = html("div", { class: "foot" });
    foot.append(this.badge, toolBar(this.root, () => this.panes[0].stage.pane));
    this.root.append(this.grid, foot);
    parent.append(this.root);
    this.panes = [];
    this.data = {};
  }

  close() {
    this.panes.forEach(({ stage }) => stage.close());
    this.root.remove();
  }

  update(data) {
    const before = this.data;
    const same = data.picture === before.picture;
    this.data = data;
    // Read before panes are added, which makes each of them smaller.
    const view = same ? this.panes[0].stage.pane.view : null;
    this.root.style.setProperty("--aspect", data.width / data.height);
    this.root.dataset.count = data.panes.length;
    this.badge.textContent = data.badge;
    this.badge.hidden = !data.badge;
    while (this.panes.length > data.panes.length) {
      const { element, stage } = this.panes.pop();
      stage.close();
      element.remove();
    }
    while (this.panes.length < data.panes.length) this.panes.push(this.makePane());
    this.following = true; // No pane leads until all have the picture.
    this.panes.forEach((pane, n) => {
      const { title, note } = data.panes[n];
      pane.element.dataset.pane = title;
      pane.title.textContent = title;
      pane.note.textContent = note;
      pane.stage.update({ ...data, ...data.panes[n] });
      if (view) pane.stage.pane.follow(view);
    });
    this.following = false;
    if (data.spot && same && data.focus !== before.focus) {
      this.panes[0].stage.show(data.spot);
      // On a phone the tapped row is a screen below the panes.
      const { bottom } = this.grid.getBoundingClientRect();
      if (bottom < LEAST_SEEN_PX) this.grid.scrollIntoView({ block: "nearest" });
    }
  }

  makePane() {
    const stage = new BoxStage(
      (id) => this.onPick(id),
      () => this.lead(stage),
    );
    const element = html("section", { class: "pane" });
    const head = html("div", { class: "head" });
    const [title, note] = [span("title", ""), span("note", "")];
    head.append(title, note);
    element.append(head, stage.element, stage.legend);
    this.grid.append(element);
    return { element, title, note, stage };
  }

  lead(stage) {
    if (this.following) return;
    this.following = true;
    for (const other of this.panes) {
      if (other.stage !== stage) other.stage.pane.follow(stage.pane.view);
    }
    this.following = false;
  }
}
