// A field of view with boxes on its cells; a click picks one. Comes after zoom.js,
// stage.js and slider.js.

const CARD_PX = 104; // side of the enlarged cell below the field
const CARD_MARGIN = 0.25; // around the cell, as in ui/field/crops.py

export default (component) => keepView(FieldView, component);

class FieldView {
  constructor(parent) {
    this.root = html("div", { class: "field" });
    this.stage = new BoxStage((id) => this.onPick(id));
    this.badge = span("badge", "");
    this.card = html("div", { class: "card", hidden: "" });
    const foot = html("div", { class: "foot" });
    foot.append(this.badge, this.stage.legend, toolBar(this.root, () => this.stage.pane));
    this.root.append(this.stage.element, this.card, foot);
    parent.append(this.root);
    this.data = {};
    this.slider = new SliderFollower((lowest) => this.show(lowest));
  }

  close() {
    this.slider.close();
    this.stage.close();
    this.root.remove();
  }

  update(data) {
    const before = this.data;
    this.data = data;
    this.root.style.setProperty("--aspect", data.width / data.height);
    this.badge.textContent = data.badge;
    this.badge.hidden = !data.badge;
    this.show(data.lowest);
    this.slider.update(data);
    const chosen = data.boxes.find((box) => box.id === data.selected);
    if (chosen && data.picture === before.picture && data.focus !== before.focus) {
      this.stage.show(chosen);
    }
  }

  // Only boxes from this confidence on; a box's number does not depend on it.
  show(lowest) {
    const boxes = this.data.boxes.filter((box) => box.confidence >= Math.fround(lowest));
    this.stage.update({ ...this.data, boxes });
    this.slider.say(this.data, lowest);
    this.showCard(boxes.find((box) => box.id === this.data.selected));
  }

  // --- the chosen cell, large, where the eye is -------------------------------------------------

  showCard(box) {
    this.card.hidden = !box;
    if (!box) return;
    const { styles, scores = true, redCell, width } = this.data;
    const [w, h] = [box.x2 - box.x1, box.y2 - box.y1];
    const side = (1 + 2 * CARD_MARGIN) * Math.max(w, h);
    const k = CARD_PX / side;
    const picture = html("img", { alt: `Cell ${box.number}` });
    picture.src = this.stage.picture.getAttribute("src") ?? "";
    picture.style.width = `${k * width}px`;
    picture.style.left = `${CARD_PX / 2 - (k * (box.x1 + box.x2)) / 2}px`;
    picture.style.top = `${CARD_PX / 2 - (k * (box.y1 + box.y2)) / 2}px`;
    const thumb = html("div", { class: "thumb" });
    thumb.append(picture);
    const head = span("name", `Cell ${box.number}: ${styles[box.kind].title}`);
    const size = `${w.toFixed(0)} x ${h.toFixed(0)} px`;
    const cells = redCell ? `, ${((w + h) / 2 / redCell).toFixed(1)} red-cell diameters` : "";
    const score = scores ? `Confidence ${box.confidence.toFixed(2)}. ` : "";
    const words = html("div", { class: "words" });
    words.append(head, span("said", `${score}${size}${cells}`));
    const close = html("button", { type: "button", title: "Close", "aria-label": "Close the cell" });
    const icon = svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" });
    icon.append(svg("path", { d: "M5 5L15 15M15 5L5 15" }));
    close.append(icon);
    close.onclick = () => this.onPick(null);
    this.card.replaceChildren(thumb, words, close);
  }
}
