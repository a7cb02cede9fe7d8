// A field of view with boxes on its cells; a click picks one.
//
// Streamlit calls the default export again, with the same element, whenever Python sends new data.
// The view is kept between calls, so that moving a slider does not throw away the zoom; what the
// export returns is called when the field leaves the page.

const SVG = "http://www.w3.org/2000/svg";
const FOCUS_SHARE = 0.3; // of the shorter side, that a cell fills when Python asks to see it
const LONG_LABEL_PX = 64; // room (on screen) for "Blast 0.93", and for "B 0.93"
const SHORT_LABEL_PX = 22;
const LABEL_PX = 12; // height of a label, and the usual width of its letters
const LETTER_PX = 7.2;

const views = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) {
    view = new FieldView(parentElement);
    views.set(parentElement, view);
  }
  view.onPick = (id) => setTriggerValue("picked", { id });
  view.update(data);
  return () => {
    view.close();
    views.delete(parentElement);
  };
}

function put(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const html = (name, attributes = {}) => put(document.createElement(name), attributes);
const svg = (name, attributes = {}) => put(document.createElementNS(SVG, name), attributes);
const overlaps = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
const area = (box) => (box.x2 - box.x1) * (box.y2 - box.y1);

class FieldView {
  constructor(parent) {
    this.stage = html("div", {
      class: "stage",
      tabindex: "0",
      role: "application",
      "aria-label": "Field of view: plus and minus zoom, arrows move, 0 shows all",
    });
    this.picture = html("img", { class: "picture", alt: "", draggable: "false" });
    this.overlay = svg("svg", { class: "overlay" });
    this.cells = svg("g");
    this.texts = svg("g");
    this.overlay.append(this.cells, this.texts);
    this.tip = html("div", { class: "tip" });
    this.stage.append(this.picture, this.overlay, this.tip);
    // Nothing lies on the field but boxes: a cell may be anywhere, in the corners too.
    this.legend = html("div", { class: "legend" });
    const foot = html("div", { class: "foot" });
    foot.append(this.legend, this.tools());
    this.root = html("div", { class: "field" });
    this.root.append(this.stage, foot);
    parent.append(this.root);

    this.data = {};
    this.labels = [];
    this.pane = new ZoomPane(
      this.stage,
      (place) => this.draw(place),
      (x, y) => this.click(x, y),
    );
    this.stage.addEventListener("pointerdown", () => this.hideTip());
    this.arrived = () => this.showPicture();
    window.addEventListener("allcell-picture", this.arrived);
  }

  close() {
    this.pane.close();
    window.removeEventListener("allcell-picture", this.arrived);
    this.root.remove();
  }

  tools() {
    const bar = html("div", { class: "tools" });
    const hint = html("span", { class: "hint" });
    hint.textContent = "Scroll zooms, drag moves";
    bar.append(hint);
    const actions = [
      ["M4 10H16M10 4V16", "Zoom in", () => this.pane.zoomBy(STEP)],
      ["M4 10H16", "Zoom out", () => this.pane.zoomBy(1 / STEP)],
      ["M4 6H16V14H4ZM8 10H12", "Whole field", () => this.pane.fit(true)],
      ["M3 7V3H7M13 3H17V7M17 13V17H13M7 17H3V13", "Full screen", () => this.fullScreen()],
    ];
    for (const [path, title, action] of actions) {
      const button = html("button", { type: "button", title, "aria-label": title });
      const icon = svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" });
      icon.append(svg("path", { d: path }));
      button.append(icon);
      button.onclick = action;
      bar.append(button);
    }
    return bar;
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  update(data) {
    const before = this.data;
    const other = data.picture !== before.picture;
    this.data = data;
    this.root.style.setProperty("--aspect", data.width / data.height);
    this.picture.style.width = `${data.width}px`;
    this.picture.style.height = `${data.height}px`;
    this.pane.width = data.width;
    this.pane.height = data.height;
    this.showPicture();
    this.makeBoxes();
    this.makeLegend();
    if (other) this.pane.fit(false);
    else this.draw(this.pane.place);
    const chosen = data.boxes.find((box) => box.id === data.selected);
    if (chosen && !other && data.focus !== before.focus) {
      this.pane.show(chosen.x1, chosen.y1, chosen.x2, chosen.y2, FOCUS_SHARE);
    }
  }

  showPicture() {
    const url = window.allcellPictures?.get(this.data.picture);
    if (url && this.picture.getAttribute("src") !== url) this.picture.src = url;
    this.picture.style.visibility = url ? "visible" : "hidden";
  }

  makeBoxes() {
    const { boxes, styles, selected, labels } = this.data;
    // Large boxes first, so that a small one inside can still be pointed at.
    const ordered = [...boxes].sort((a, b) => area(b) - area(a));
    this.cells.replaceChildren(...ordered.map((box) => this.makeBox(box, box.id === selected)));
    this.labels = (labels ? boxes : []).map((box) => ({
      box,
      text: svg("text", { class: "label", fill: styles[box.kind].colour }),
    }));
    this.texts.replaceChildren(...this.labels.map(({ text }) => text));
  }

  makeBox(box, chosen) {
    const { colour, line } = this.data.styles[box.kind];
    const place = { x: box.x1, y: box.y1, width: box.x2 - box.x1, height: box.y2 - box.y1 };
    const group = svg("g", {
      class: chosen ? "box chosen" : "box",
      "data-kind": box.kind,
      "data-number": box.number,
    });
    if (chosen) group.append(svg("rect", { ...place, class: "halo" }));
    group.append(svg("rect", { ...place, class: "edge" }));
    group.append(svg("rect", { ...place, class: `line ${line}`, stroke: colour }));
    group.onpointermove = (event) => this.showTip(box, event);
    group.onpointerleave = () => this.hideTip();
    group.box = box;
    return group;
  }

  makeLegend() {
    const { boxes, styles, badge } = this.data;
    const items = Object.entries(styles).map(([kind, { title, colour, line }]) => {
      const sample = svg("svg", { class: "sample", viewBox: "0 0 34 12", "aria-hidden": "true" });
      const d = "M4 6H30";
      sample.append(svg("path", { d, class: "edge" }));
      sample.append(svg("path", { d, class: `line ${line}`, stroke: colour }));
      const number = html("b");
      number.textContent = boxes.filter((box) => box.kind === kind).length;
      const item = html("span", { class: "item" });
      item.append(sample, `${title} `, number);
      return item;
    });
    if (badge) {
      const words = html("span", { class: "badge" });
      words.textContent = badge;
      items.unshift(words);
    }
    this.legend.replaceChildren(...items);
  }

  draw({ k, x, y }) {
    this.picture.style.transform = `translate(${x}px, ${y}px) scale(${k})`;
    this.cells.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    const taken = [];
    // One wording for all: long names as soon as most boxes have room for them.
    const sides = this.labels.map(({ box }) => k * (box.x2 - box.x1)).sort((a, b) => a - b);
    const long = sides[sides.length >> 1] >= LONG_LABEL_PX;
    // The surest cells come first; a label that would cover another one waits for more zoom.
    for (const { text, box } of this.labels) {
      const room = k * (box.x2 - box.x1);
      const { title } = this.data.styles[box.kind];
      const words = `${long ? title : title[0]} ${box.confidence.toFixed(2)}`;
      const above = y + k * box.y1 > LABEL_PX + 4;
      const left = x + k * box.x1 + (above ? 0 : 5);
      const bottom = y + k * box.y1 + (above ? -5 : LABEL_PX + 3);
      const covered = [left, bottom - LABEL_PX, left + LETTER_PX * words.length, bottom];
      const free = taken.every((other) => !overlaps(covered, other));
      const shown = room >= SHORT_LABEL_PX && free;
      text.textContent = shown ? words : "";
      if (!shown) continue;
      taken.push(covered);
      put(text, { x: left, y: bottom });
    }
  }

  showTip(box, event) {
    if (event.pointerType === "touch" || event.buttons) return this.hideTip();
    const bounds = this.stage.getBoundingClientRect();
    const { title } = this.data.styles[box.kind];
    this.tip.textContent = `${box.number}  ${title}, confidence ${box.confidence.toFixed(2)}`;
    this.tip.style.display = "block";
    const x = event.clientX - bounds.left;
    const y = event.clientY - bounds.top;
    const left = clamp(x + 14, 4, bounds.width - this.tip.offsetWidth - 4);
    const below = y + 18 + this.tip.offsetHeight < bounds.height;
    const top = below ? y + 18 : y - 10 - this.tip.offsetHeight;
    this.tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  hideTip() {
    this.tip.style.display = "none";
  }

  click(clientX, clientY) {
    // A captured pointer reports the frame as its target: ask what lies below it instead.
    const below = this.stage.getRootNode().elementsFromPoint(clientX, clientY);
    const group = below.map((element) => element.closest?.(".box")).find(Boolean);
    const id = group ? group.box.id : null;
    if (id !== (this.data.selected ?? null)) this.onPick(id);
  }
}
