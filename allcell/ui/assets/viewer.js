// A field of view with boxes on its cells; a click picks one. Comes after zoom.js and stage.js.

export default (component) => keepView(FieldView, component);

class FieldView {
  constructor(parent) {
    this.root = html("div", { class: "field" });
    this.stage = new BoxStage((id) => this.onPick(id));
    this.badge = span("badge", "");
    const foot = html("div", { class: "foot" });
    foot.append(this.badge, this.stage.legend, toolBar(this.root, () => this.stage.pane));
    this.root.append(this.stage.element, foot);
    parent.append(this.root);
    this.data = {};
  }

  close() {
    this.stage.close();
    this.root.remove();
  }

  update(data) {
    const before = this.data;
    this.data = data;
    this.root.style.setProperty("--aspect", data.width / data.height);
    this.badge.textContent = data.badge;
    this.badge.hidden = !data.badge;
    this.stage.update(data);
    const chosen = data.boxes.find((box) => box.id === data.selected);
    if (chosen && data.picture === before.picture && data.focus !== before.focus) {
      this.stage.show(chosen);
    }
  }
}
