// A slide: its picture, the boxes of the cells in view, the overview and the counts. Comes after
// zoom.js, stage.js, slider.js and the other files of this folder.

const DOT_PX = 9; // a cell that is smaller on the screen is a dot

const went = (window.allcellWent ??= new Map());

// The newest of each is kept, for tests and for `tests/e2e/measure_slides.py`: the view has moved, all
// of it is drawn, all of it was searched.
function mark(what) {
  const name = `allcell-slide-${what}`;
  performance.clearMarks(name);
  performance.mark(name);
}

export default (component) => keepView(SlideView, component);

// BoxStage with a picture of tiles in place of one file.
class SlideStage extends BoxStage {
  constructor(tiles, onPick, onMove) {
    super(onPick, onMove);
    this.tiles = tiles;
    this.picture.replaceWith(tiles.canvas);
  }

  showPicture() {}

  makeLegend() {}

  // Only what is large enough on the screen is a box; `draw` paints the others as dots.
  makeBoxes() {
    const { boxes } = this.data;
    const sides = boxes.map((box) => box.x2 - box.x1).sort((a, b) => a - b);
    this.side = sides[sides.length >> 1] ?? 0;
    this.dotted = this.isDotted(this.pane.place?.k ?? 1);
    this.data = { ...this.data, boxes: this.dotted ? [] : boxes };
    super.makeBoxes();
    this.data = { ...this.data, boxes };
  }

  isDotted(k) {
    return this.side * k < DOT_PX;
  }

  draw(place) {
    if (this.data.boxes && this.isDotted(place.k) !== this.dotted) this.makeBoxes();
    this.drawPicture(place);
    super.draw(place);
  }

  drawPicture(place) {
    this.tiles.draw(place, this.pane.room);
    if (this.dotted) this.drawDots(place);
  }

  drawDots({ k, x, y }) {
    const context = this.tiles.canvas.getContext("2d");
    const ratio = this.tiles.ratio ?? 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const box of this.data.boxes) {
      context.beginPath();
      const centre = [x + (k * (box.x1 + box.x2)) / 2, y + (k * (box.y1 + box.y2)) / 2];
      context.arc(...centre, 3.5, 0, 2 * Math.PI);
      context.fillStyle = this.data.styles[box.kind].colour;
      context.fill();
      context.lineWidth = 1.25;
      context.strokeStyle = "#101314";
      context.stroke();
    }
  }

  tipOf(box, { title }) {
    return `${title}, confidence ${box.confidence.toFixed(2)}`;
  }
}

class SlideView {
  constructor(parent) {
    this.root = html("div", { class: "field slide" });
    this.tiles = new TileLayer(() => this.pictureCame(), (why) => this.trouble(why));
    this.stage = new SlideStage(this.tiles, (id) => this.select(id), () => this.moved());
    this.looks = new Looks((answer) => this.answered(answer), (why) => this.trouble(why));
    this.overview = new Overview((x, y) => this.goTo(x, y));
    this.bar = new ScaleBar();
    this.counts = new SlideCounts();
    this.card = new CellCard(() => this.select(null));
    this.state = html("p", { class: "state" });
    // Read out when a view is done: all that is said meanwhile would drown it.
    this.aloud = html("p", { class: "aloud", role: "status" });
    const foot = html("div", { class: "foot" });
    foot.append(this.bar.element, this.state, toolBar(this.root, () => this.stage.pane));
    foot.querySelector("[title='Whole field']")?.setAttribute("aria-label", "Whole slide");
    foot.querySelector("[title='Whole field']")?.setAttribute("title", "Whole slide");
    const main = html("div", { class: "main" });
    main.append(this.stage.element, foot, this.card.element, this.aloud);
    const side = html("div", { class: "beside" });
    side.append(this.overview.element, this.overview.legend, this.counts.element);
    this.root.append(main, side);
    parent.append(this.root);
    this.stage.element.addEventListener("keydown", (event) => this.key(event));
    this.cells = [];
    this.selected = null;
    this.data = {};
    this.slider = new SliderFollower((lowest) => this.threshold(lowest));
  }

  close() {
    cancelAnimationFrame(this.drawing);
    this.slider.close();
    this.looks.close();
    this.tiles.giveUp();
    this.stage.close();
    this.root.remove();
  }

  // data: see `show_slide` in ui/slides/viewer.py.
  async update(data) {
    const before = this.data;
    this.data = data;
    this.lowest = data.lowest;
    this.slider.update(data);
    if (data.path !== before.path) await this.open(data);
    if (this.data !== data) return;
    if (data.path === before.path) this.redraw();
    const other = data.model !== before.model || data.lowest !== before.lowest;
    if (this.tiles.source && other) {
      if (data.model !== before.model) this.cells = [];
      this.look();
    }
    this.follow(data);
  }

  // Python sends the view somewhere: once, though this element may be made anew.
  follow({ path, go }) {
    if (!go || went.get(path) === go.number || !this.tiles.source) return;
    went.set(path, go.number);
    this.goTo(go.x, go.y, go.scale);
  }

  async open(data) {
    this.looks.close();
    this.tiles.giveUp();
    [this.cells, this.selected] = [[], null];
    this.said("Opening the slide");
    try {
      const hello = await fetch(`${data.path}/hello`, { method: "POST" });
      if (!hello.ok) throw new Error(hello.status);
    } catch (error) {
      return this.trouble(error.message);
    }
    if (this.data.path !== data.path) return;
    this.tiles.open(data);
    this.overview.open(data);
    this.looks.open(data.path);
    this.said(data.model ? "Loading the model" : "");
    this.redraw();
  }

  redraw() {
    const { path, width, height, styles } = this.data;
    const boxes = this.cells.filter(({ confidence }) => confidence >= Math.fround(this.lowest));
    const selected = boxes.some((box) => box.id === this.selected) ? this.selected : null;
    this.stage.update({ picture: path, width, height, boxes, styles, labels: true, selected });
    this.boxes = boxes;
    const chosen = boxes.find((box) => box.id === selected);
    const cut = (...where) => this.tiles.cut(...where);
    this.card.show(chosen, styles[chosen?.kind], cut, this.umPerPx, this.data.mpp === null ? "about " : "");
    const keys = "plus and minus zoom, arrows move, 0 shows all, n and p step through the cells";
    this.stage.element.setAttribute("aria-label", `Slide: ${keys}`);
  }

  select(id) {
    this.selected = id;
    this.redraw();
  }

  // n and p step through the cells of the view, from left to right.
  key(event) {
    const step = { n: 1, p: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || !this.boxes.length) return;
    event.preventDefault();
    const ordered = [...this.boxes].sort((a, b) => a.x1 - b.x1);
    const at = ordered.findIndex((box) => box.id === this.selected);
    const next = (at + step + ordered.length + (at < 0 && step < 0 ? 1 : 0)) % ordered.length;
    const box = ordered[next];
    this.select(box.id);
    const { title } = this.data.styles[box.kind];
    this.say(`${title}, confidence ${box.confidence.toFixed(2)}, ${next + 1} of ${ordered.length}`);
  }

  say(words) {
    this.aloud.textContent = words;
  }

  // While the slider is dragged the boxes follow; the counts come when it is let go.
  threshold(lowest) {
    this.lowest = lowest;
    this.redraw();
    if (lowest !== this.data.lowest) this.counts.outdate();
  }

  // --- what is seen -----------------------------------------------------------------------------

  get seen() {
    const { k, x, y } = this.stage.pane.place;
    const { w, h } = this.stage.pane.room;
    return { x: -x / k, y: -y / k, width: w / k, height: h / k, scale: k };
  }

  get umPerPx() {
    return this.data.mpp ?? this.assumedMpp ?? null;
  }

  moved() {
    if (!this.tiles.source) return;
    const seen = this.seen;
    this.overview.show(seen.x, seen.y, seen.width, seen.height);
    this.bar.show(seen.scale, this.umPerPx, this.data.mpp === null);
    const where = JSON.stringify(seen);
    if (where === this.where) return;
    this.where = where;
    mark("moved");
    this.isDrawn = false;
    this.root.dataset.done = false;
    this.root.dataset.scale = seen.scale;
    this.noteDrawn();
    this.look();
  }

  look() {
    if (this.data.model) this.looks.show({ ...this.seen, lowest: this.data.lowest });
  }

  goTo(x, y, scale) {
    const { pane } = this.stage;
    const { w, h } = pane.room;
    const k = scale ?? pane.place.k;
    pane.moveTo({ k, x: w / 2 - k * x, y: h / 2 - k * y }, Boolean(scale));
  }

  // Tiles that come together are drawn together; the boxes stay as they are.
  pictureCame() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      const { place } = this.stage.pane;
      if (place) this.stage.drawPicture(place);
      this.overview.paint(this.tiles.overview);
      this.noteDrawn();
    });
  }

  noteDrawn() {
    if (this.tiles.settled && !this.isDrawn) mark("drawn");
    this.isDrawn = this.tiles.settled;
    this.root.dataset.drawn = this.isDrawn;
  }

  // --- what is known of it ----------------------------------------------------------------------

  answered(answer) {
    const { kinds } = this.data;
    this.assumedMpp = answer.assumedMpp;
    this.cells = answer.cells.map(([x1, y1, x2, y2, confidence, kind], n) => ({
      ...{ x1, y1, x2, y2, confidence, number: n + 1 },
      ...{ kind: kinds[kind], id: `${kinds[kind]}:${x1},${y1},${x2},${y2}` },
    }));
    this.redraw();
    this.counts.show(answer);
    this.said(answer.state, answer.problem);
    if (answer.done) this.say(answer.aloud);
    if (answer.measured && answer.done) this.askForMap();
    this.root.dataset.view = answer.number;
    this.root.dataset.done = answer.done;
    if (answer.done) mark("searched");
  }

  // Once, and not before the cells of the first view: it takes a second of the server.
  async askForMap() {
    const { path } = this.data;
    if (this.mapped === path) return;
    this.mapped = path;
    const answer = await fetch(`${path}/fitness`).catch(() => null);
    if (answer?.ok && this.data.path === path) this.overview.showMap(await answer.json());
  }

  said(words, problem = false) {
    if (this.state.textContent !== words) this.state.textContent = words;
    this.state.classList.toggle("problem", problem);
  }

  trouble(why) {
    const gone = String(why) === "404";
    const words = gone
      ? "This slide is no longer open here. Reload the page and open it again."
      : "The server does not answer. It is asked again in a moment.";
    this.said(words, true);
  }
}
