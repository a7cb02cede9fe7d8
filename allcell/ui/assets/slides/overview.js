// The whole slide, small, with a frame around what the view shows; a press or a drag moves the view.

const UNFIT = { thick: "#d55e00", "feathered edge": "#0072b2", blurred: "#cc79a7" };

class Overview {
  // goTo(x, y): bring this place of the slide to the middle of the view.
  constructor(goTo) {
    this.element = html("div", { class: "overview" });
    this.canvas = html("canvas", { role: "img", "aria-label": "The whole slide and what is shown of it" });
    this.frame = html("div", { class: "frame" });
    this.element.append(this.canvas, this.frame);
    this.legend = html("div", { class: "unfit", hidden: "" });
    this.goTo = goTo;
    const go = (event) => {
      const bounds = this.canvas.getBoundingClientRect();
      goTo(
        ((event.clientX - bounds.left) / bounds.width) * this.source.width,
        ((event.clientY - bounds.top) / bounds.height) * this.source.height,
      );
    };
    this.element.onpointerdown = (event) => {
      if (event.button !== 0 || !this.source) return;
      this.element.setPointerCapture(event.pointerId);
      go(event);
    };
    this.element.onpointermove = (event) => {
      if (this.element.hasPointerCapture(event.pointerId)) go(event);
    };
  }

  open(source) {
    this.source = source;
    [this.painted, this.map] = [null, null];
    this.makeLegend();
    this.element.style.aspectRatio = `${source.width} / ${source.height}`;
  }

  // bitmap: the overview, null before it has come.
  paint(bitmap) {
    if (!bitmap || !this.source || bitmap === this.painted) return;
    this.painted = bitmap;
    this.repaint();
  }

  // map: see `OpenedSlide.fitness`; null while it is not known.
  showMap(map) {
    this.map = map;
    this.marked = true;
    this.makeLegend();
    this.repaint();
  }

  makeLegend() {
    const { map } = this;
    const unfit = map ? map.names.map((name, n) => [name, map.shares[n]]).filter(([name, share]) => UNFIT[name] && share >= 0.001) : [];
    this.legend.hidden = !unfit.length;
    if (!unfit.length) return;
    const label = html("label");
    const box = html("input", { type: "checkbox" });
    box.checked = this.marked;
    box.onchange = () => {
      this.marked = box.checked;
      this.repaint();
    };
    label.append(box, "Mark what is unfit for counting");
    const list = html("ul");
    for (const [name, share] of unfit) {
      const item = html("li");
      const sample = span("sample", "");
      sample.style.background = UNFIT[name];
      item.append(sample, `${name} ${(100 * share).toFixed(0)} %`);
      list.append(item);
    }
    this.legend.replaceChildren(label, list);
  }

  repaint() {
    const { canvas, painted, map, source } = this;
    if (!painted) return;
    [canvas.width, canvas.height] = [painted.width, painted.height];
    const context = canvas.getContext("2d");
    context.drawImage(painted, 0, 0);
    if (!map || !this.marked) return;
    const side = map.square * (painted.width / source.width);
    context.globalAlpha = 0.4;
    map.codes.forEach((code, n) => {
      const colour = UNFIT[map.names[code]];
      if (!colour) return;
      context.fillStyle = colour;
      const [column, row] = [n % map.columns, Math.floor(n / map.columns)];
      const [x, y] = [Math.round(column * side), Math.round(row * side)];
      context.fillRect(x, y, Math.round((column + 1) * side) - x, Math.round((row + 1) * side) - y);
    });
  }

  // What is seen, in pixels of the slide.
  show(x, y, width, height) {
    if (!this.source) return;
    const share = (value, of) => `${clamp((100 * value) / of, 0, 100)}%`;
    const { width: w, height: h } = this.source;
    const [right, bottom] = [clamp(x + width, 0, w), clamp(y + height, 0, h)];
    const [left, top] = [clamp(x, 0, w), clamp(y, 0, h)];
    Object.assign(this.frame.style, {
      left: share(left, w),
      top: share(top, h),
      width: share(right - left, w),
      height: share(bottom - top, h),
    });
  }
}
