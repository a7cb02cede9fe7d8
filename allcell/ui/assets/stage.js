// Boxes on a picture that zooms: the one place that draws them, for a single field and for several
// models side by side. Python joins zoom.js, this file and a view (viewer.js or panes.js).

const SVG = "http://www.w3.org/2000/svg";
const FOCUS_SHARE = 0.3; // of the frame's shorter side, filled by a cell that Python asks to show
const LONG_LABEL_PX = 64; // room (on screen) for "Blast 0.93", and for "B 0.93"
const SHORT_LABEL_PX = 22;
const LABEL_PX = 12; // height of a label, and the usual width of its letters
const LETTER_PX = 7.2;

function put(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const html = (name, attributes = {}) => put(document.createElement(name), attributes);
const svg = (name, attributes = {}) => put(document.createElementNS(SVG, name), attributes);
const overlaps = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
const area = (box) => (box.x2 - box.x1) * (box.y2 - box.y1);

// A view lives as long as its element, so that moving a slider does not throw away the zoom.
const views = new WeakMap();

// Streamlit may replace the element, and pages have their own: a picture is then seen as before.
const seenOf = (window.allcellSeen ??= new Map());

// Streamlit calls the export of a component again, with the same element, whenever Python sends new
// data; what the export returns is called when the view leaves the page.
function keepView(View, { data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) {
    view = new View(parentElement);
    views.set(parentElement, view);
  }
  view.onPick = (id) => setTriggerValue("picked", { id });
  view.update(data);
  return () => {
    view.close();
    views.delete(parentElement);
  };
}

function span(name, text) {
  const element = html("span", { class: name });
  element.textContent = text;
  return element;
}

// Buttons that zoom a pane and show `root` on the full screen.
function toolBar(root, pane) {
  const bar = html("div", { class: "tools" });
  bar.append(span("hint", "Scroll zooms, drag moves"));
  const fullScreen = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen?.();
  };
  const actions = [
    ["M4 10H16M10 4V16", "Zoom in", () => pane().zoomBy(STEP)],
    ["M4 10H16", "Zoom out", () => pane().zoomBy(1 / STEP)],
    ["M4 6H16V14H4ZM8 10H12", "Whole field", () => pane().fit(true)],
    ["M3 7V3H7M13 3H17V7M17 13V17H13M7 17H3V13", "Full screen", fullScreen],
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

class BoxStage {
  // onPick(id): a box was clicked, null for none; onMove(): the view has moved.
  constructor(onPick, onMove = () => {}) {
    this.onPick = onPick;
    this.onMove = onMove;
    this.element = html("div", { class: "stage", tabindex: "0", role: "application" });
    this.picture = html("img", { class: "picture", alt: "", draggable: "false" });
    this.overlay = svg("svg", { class: "overlay" });
    this.cells = svg("g");
    this.texts = svg("g");
    this.overlay.append(this.cells, this.texts);
    this.tip = html("div", { class: "tip" });
    this.element.append(this.picture, this.overlay, this.tip);
    // Nothing but boxes covers the field: a cell may be anywhere, even in a corner.
    this.legend = html("div", { class: "legend" });
    this.data = {};
    this.labels = [];
    this.pane = new ZoomPane(
      this.element,
      (place) => this.moved(place),
      (x, y) => this.click(x, y),
      (event) => this.press(event),
    );
    this.element.addEventListener("pointerdown", () => this.hideTip());
    this.arrived = () => this.showPicture();
    window.addEventListener("allcell-picture", this.arrived);
  }

  close() {
    this.pane.close();
    window.removeEventListener("allcell-picture", this.arrived);
  }

  // data: picture, width, height, boxes, styles, labels, selected; for one pane of several also
  // title, scores (whether confidences are shown), spot (where the selected cell lies) and absent
  // (the text shown there if there is no box).
  update(data) {
    const other = data.picture !== this.data.picture;
    this.data = data;
    const whose = data.title ? ` of ${data.title}` : "";
    const keys = "plus and minus zoom, arrows move, 0 shows all";
    this.element.setAttribute("aria-label", `Field of view${whose}: ${keys}`);
    this.picture.style.width = `${data.width}px`;
    this.picture.style.height = `${data.height}px`;
    this.pane.width = data.width;
    this.pane.height = data.height;
    this.showPicture();
    this.makeBoxes();
    this.makeLegend();
    const seen = seenOf.get(data.picture);
    if (!other) this.draw(this.pane.place);
    else if (seen) this.pane.follow(seen);
    else this.pane.fit(false);
  }

  show({ x1, y1, x2, y2 }) {
    this.pane.show(x1, y1, x2, y2, FOCUS_SHARE);
  }

  showPicture() {
    const url = window.allcellPictures?.get(this.data.picture);
    if (url && this.picture.getAttribute("src") !== url) this.picture.src = url;
    this.picture.style.visibility = url ? "visible" : "hidden";
  }

  makeBoxes() {
    const { boxes, styles, selected, labels, scores = true, spot } = this.data;
    // Large boxes first, so that a small one inside can still be pointed at.
    const ordered = [...boxes].sort((a, b) => area(b) - area(a));
    this.cells.replaceChildren(...ordered.map((box) => this.makeBox(box, box.id === selected)));
    this.labels = (labels ? boxes : []).map((box) => {
      const text = svg("text", { class: "label", fill: styles[box.kind].colour });
      return { box, text, ...this.wordsOf(box, styles[box.kind], scores) };
    });
    if (spot && !boxes.some((box) => box.id === selected)) this.makeSpot(spot);
    this.texts.replaceChildren(...this.labels.map(({ text }) => text));
  }

  // The label of a box where there is room, and where there is little.
  wordsOf(box, { title }, scores) {
    const score = scores ? ` ${box.confidence.toFixed(2)}` : "";
    return { long: title + score, short: title[0] + score };
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

  // The place of a selected cell that has no box here: corner brackets, which no class has.
  makeSpot({ x1, y1, x2, y2 }) {
    const { absent } = this.data;
    const [w, h] = [(x2 - x1) / 4, (y2 - y1) / 4];
    const corner = (x, y, dx, dy) => `M${x} ${y + dy}V${y}H${x + dx}`;
    const d = [corner(x1, y1, w, h), corner(x2, y1, -w, h), corner(x1, y2, w, -h)]
      .concat(corner(x2, y2, -w, -h))
      .join("");
    const group = svg("g", { class: "spot" });
    group.append(svg("path", { d, class: "edge" }), svg("path", { d, class: "line" }));
    this.cells.append(group);
    const text = svg("text", { class: "label", fill: "#ffffff" });
    this.labels.unshift({ box: { x1, y1, x2, y2 }, text, long: absent, short: absent });
  }

  makeLegend() {
    const { boxes, styles } = this.data;
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
    this.legend.replaceChildren(...items);
  }

  moved(place) {
    seenOf.set(this.data.picture, this.pane.kept);
    this.draw(place);
    this.onMove();
  }

  draw({ k, x, y }) {
    this.picture.style.transform = `translate(${x}px, ${y}px) scale(${k})`;
    this.cells.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    const taken = [];
    const { w } = this.pane.room;
    // All labels are long or all short: long as soon as most boxes have room for that.
    const sides = this.labels.map(({ box }) => k * (box.x2 - box.x1)).sort((a, b) => a - b);
    const long = sides[sides.length >> 1] >= LONG_LABEL_PX;
    // The most confident cells come first; a label that would cover another waits for more zoom.
    for (const { text, box, ...label } of this.labels) {
      const room = k * (box.x2 - box.x1);
      const words = long ? label.long : label.short;
      const width = LETTER_PX * words.length;
      const above = y + k * box.y1 > LABEL_PX + 4;
      const start = x + k * box.x1 + (above ? 0 : 5);
      // At the right edge of the frame a label moves inwards while its box is visible.
      const left = start < w ? Math.min(start, w - width - 2) : start;
      const bottom = y + k * box.y1 + (above ? -5 : LABEL_PX + 3);
      const covered = [left, bottom - LABEL_PX, left + width, bottom];
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
    const bounds = this.element.getBoundingClientRect();
    const { styles, scores = true } = this.data;
    this.tip.textContent = this.tipOf(box, styles[box.kind], scores);
    this.tip.style.display = "block";
    const x = event.clientX - bounds.left;
    const y = event.clientY - bounds.top;
    const left = clamp(x + 14, 4, bounds.width - this.tip.offsetWidth - 4);
    const below = y + 18 + this.tip.offsetHeight < bounds.height;
    const top = below ? y + 18 : y - 10 - this.tip.offsetHeight;
    this.tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  tipOf(box, { title }, scores) {
    const score = scores ? `, confidence ${box.confidence.toFixed(2)}` : "";
    return `${box.number}  ${title}${score}`;
  }

  hideTip() {
    this.tip.style.display = "none";
  }

  // A view that does something else with a press than moving the picture says so here.
  press() {
    return null;
  }

  // What of a kind lies at a place of the screen. A captured pointer reports the frame as its target.
  at(clientX, clientY, kind) {
    const below = this.element.getRootNode().elementsFromPoint(clientX, clientY);
    return below.map((element) => element.closest?.(kind)).find(Boolean) ?? null;
  }

  click(clientX, clientY) {
    const id = this.at(clientX, clientY, ".box")?.box.id ?? null;
    if (id !== (this.data.selected ?? null)) this.onPick(id);
  }
}
