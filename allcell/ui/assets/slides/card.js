// The chosen cell, large, below the slide.

const CUT_PX = 104; // side of the enlarged cell, as in viewer.js
const CUT_MARGIN = 0.25; // around the cell

class CellCard {
  constructor(onClose) {
    this.element = html("div", { class: "card", hidden: "" });
    this.onClose = onClose;
  }

  // box: the cell, none to hide the card; cut(context, x, y, side): draws that square of the slide.
  show(box, { title } = {}, cut, umPerPx, about) {
    this.element.hidden = !box;
    if (!box) return;
    const [w, h] = [box.x2 - box.x1, box.y2 - box.y1];
    const side = (1 + 2 * CUT_MARGIN) * Math.max(w, h);
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const size = CUT_PX * ratio;
    const picture = html("canvas", { width: size, height: size, role: "img", "aria-label": "The cell, enlarged" });
    const context = picture.getContext("2d");
    context.scale(size / side, size / side);
    cut(context, (box.x1 + box.x2 - side) / 2, (box.y1 + box.y2 - side) / 2, side, size / side);
    const thumb = html("div", { class: "thumb" });
    thumb.append(picture);
    const long = umPerPx === null ? `${w.toFixed(0)} x ${h.toFixed(0)} px` : `${about}${(w * umPerPx).toFixed(1)} x ${(h * umPerPx).toFixed(1)} µm`;
    const words = html("div", { class: "words" });
    words.append(span("name", title), span("said", `Confidence ${box.confidence.toFixed(2)}. ${long}`));
    const close = html("button", { type: "button", title: "Close", "aria-label": "Close the cell" });
    const icon = svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" });
    icon.append(svg("path", { d: "M5 5L15 15M15 5L5 15" }));
    close.append(icon);
    close.onclick = this.onClose;
    this.element.replaceChildren(thumb, words, close);
  }
}
