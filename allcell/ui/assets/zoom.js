// Moves a picture inside a frame: wheel, pinch, drag and keys. Independent of what is drawn.
//
// A place is { k, x, y }: k screen pixels for one pixel of the picture, whose corner is at x, y.
// Python joins this file and those that use it into one module, this one first.

const CLICK_TOLERANCE_PX = 5;
const STEP = 1.4;
const PAN_PX = 60;
const LARGEST_K = 8;
const MOVE_MS = 260;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

class ZoomPane {
  // frame: the element; onMove(place): draw it there; onClick(clientX, clientY): a press that did
  // not move; onPress(event): may take a press for itself by returning { move(event), end(), cancel() }.
  constructor(frame, onMove, onClick, onPress = () => null) {
    this.frame = frame;
    this.onMove = onMove;
    this.onClick = onClick;
    this.onPress = onPress;
    this.gesture = null;
    this.width = this.height = 1;
    this.pointers = new Map();
    this.moved = 0;
    this.fitted = true;
    this.kept = null; // what is seen, while the frame has a size; null for the whole picture
    this.listen();
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.animation);
  }

  // --- places --------------------------------------------------------------------------------

  get room() {
    return { w: this.frame.clientWidth || 1, h: this.frame.clientHeight || 1 };
  }

  get fitScale() {
    return Math.min(this.room.w / this.width, this.room.h / this.height);
  }

  fit(smooth) {
    this.kept = null;
    this.moveTo({ k: this.fitScale, x: 0, y: 0 }, smooth);
  }

  // Bring a rectangle of the picture to the middle, filling this share of the shorter side.
  show(x1, y1, x2, y2, share) {
    const { w, h } = this.room;
    const k = (share * Math.min(w, h)) / Math.max(x2 - x1, y2 - y1, 1);
    this.moveTo({ k, x: w / 2 - (k * (x1 + x2)) / 2, y: h / 2 - (k * (y1 + y2)) / 2 }, true);
  }

  // What is seen, whatever the size of the frame: the centre, in pixels of the picture, and the zoom
  // relative to the whole picture.
  get view() {
    const { w, h } = this.room;
    const { k, x, y } = this.place;
    return { zoom: k / this.fitScale, cx: (w / 2 - x) / k, cy: (h / 2 - y) / k };
  }

  // Show what was seen before, or what another pane with the same picture shows.
  follow(view) {
    this.kept = view;
    const { zoom, cx, cy } = view;
    const { w, h } = this.room;
    const k = zoom * this.fitScale;
    this.moveTo({ k, x: w / 2 - k * cx, y: h / 2 - k * cy }, false);
  }

  zoomBy(factor, at = null) {
    const { w, h } = this.room;
    const [px, py] = at ?? [w / 2, h / 2];
    const { k, x, y } = this.place;
    const next = this.limitScale(k * factor);
    const f = next / k;
    this.moveTo({ k: next, x: px - f * (px - x), y: py - f * (py - y) }, false);
  }

  panBy(dx, dy) {
    const { k, x, y } = this.place;
    this.moveTo({ k, x: x + dx, y: y + dy }, false);
  }

  limitScale(k) {
    return clamp(k, this.fitScale, Math.max(LARGEST_K, 4 * this.fitScale));
  }

  // The nearest place in which the picture covers the frame as far as it can.
  limited({ k, x, y }) {
    const { w, h } = this.room;
    const scale = this.limitScale(k);
    const keep = (offset, room, length) =>
      length <= room ? (room - length) / 2 : clamp(offset, room - length, 0);
    return {
      k: scale,
      x: keep(x, w, scale * this.width),
      y: keep(y, h, scale * this.height),
    };
  }

  moveTo(place, smooth) {
    cancelAnimationFrame(this.animation);
    const to = this.limited(place);
    const from = this.place;
    if (!smooth || !from || matchMedia("(prefers-reduced-motion: reduce)").matches) {
      return this.put(to);
    }
    const start = performance.now();
    const step = (now) => {
      const t = clamp((now - start) / MOVE_MS, 0, 1);
      const e = t * t * (3 - 2 * t);
      // The scale changes geometrically and the corner with it, or the path would bulge.
      const k = from.k * (to.k / from.k) ** e;
      const share = to.k === from.k ? e : (k - from.k) / (to.k - from.k);
      const between = (a, b) => a + (b - a) * share;
      this.put({ k, x: between(from.x, to.x), y: between(from.y, to.y) });
      if (t < 1) this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  put(place) {
    this.place = place;
    this.fitted = place.k <= 1.001 * this.fitScale;
    if (this.frame.clientWidth) this.kept = this.fitted ? null : this.view;
    // One finger scrolls the page until the picture is zoomed; then it moves the picture.
    this.frame.style.touchAction = this.fitted ? "pan-y" : "none";
    this.frame.classList.toggle("zoomed", !this.fitted);
    this.onMove(place);
  }

  // --- input ---------------------------------------------------------------------------------

  listen() {
    const on = (name, handler, options) => this.frame.addEventListener(name, handler, options);
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.up(event));
    on("dblclick", () => this.fit(true));
    on("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => {
      if (!this.place) return;
      if (this.kept) this.follow(this.kept);
      else this.fit(false);
    });
    this.observer.observe(this.frame);
  }

  wheel(event) {
    // Over an unzoomed picture, scrolling down scrolls the page: it must not trap the user.
    if (event.deltaY > 0 && this.fitted && !event.ctrlKey) return;
    event.preventDefault();
    const bounds = this.frame.getBoundingClientRect();
    const pixels = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
    this.zoomBy(Math.exp(-clamp(pixels, -240, 240) / 400), [
      event.clientX - bounds.left,
      event.clientY - bounds.top,
    ]);
  }

  down(event) {
    if (event.button !== 0) return;
    // A second finger makes it a pinch.
    if (this.pointers.size) this.dropGesture();
    else [this.moved, this.gesture] = [0, this.onPress(event) ?? null];
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.fitted && !this.gesture && this.pointers.size < 2) return;
    for (const id of this.pointers.keys()) {
      try {
        this.frame.setPointerCapture(id);
      } catch {
        // That finger has been lifted in the meantime.
      }
    }
  }

  move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const next = [event.clientX, event.clientY];
    const [dx, dy] = [next[0] - last[0], next[1] - last[1]];
    this.moved += Math.hypot(dx, dy);
    this.pointers.set(event.pointerId, next);
    if (this.gesture) return void (this.moved > CLICK_TOLERANCE_PX && this.gesture.move(event));
    const other = [...this.pointers].find(([id]) => id !== event.pointerId);
    if (!other) return this.fitted ? undefined : this.panBy(dx, dy);
    const anchor = other[1];
    const reach = (point) => Math.hypot(point[0] - anchor[0], point[1] - anchor[1]) || 1;
    const bounds = this.frame.getBoundingClientRect();
    this.zoomBy(reach(next) / reach(last), [
      (next[0] + anchor[0]) / 2 - bounds.left,
      (next[1] + anchor[1]) / 2 - bounds.top,
    ]);
    this.panBy(dx / 2, dy / 2);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const pinched = this.pointers.size > 0;
    const { gesture } = this;
    const kept = gesture && event.type === "pointerup" && this.moved > CLICK_TOLERANCE_PX;
    if (kept) this.gesture = null;
    else this.dropGesture();
    if (kept) return gesture.end();
    if (event.type !== "pointerup" || pinched || this.moved > CLICK_TOLERANCE_PX) return;
    this.onClick(event.clientX, event.clientY);
  }

  dropGesture() {
    const { gesture } = this;
    this.gesture = null;
    gesture?.cancel();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pans = {
      ArrowLeft: [PAN_PX, 0],
      ArrowRight: [-PAN_PX, 0],
      ArrowUp: [0, PAN_PX],
      ArrowDown: [0, -PAN_PX],
    };
    if (event.key === "+" || event.key === "=") this.zoomBy(STEP);
    else if (event.key === "-") this.zoomBy(1 / STEP);
    else if (event.key === "0") this.fit(true);
    else if (event.key in pans && !this.fitted) this.panBy(...pans[event.key]);
    else return;
    event.preventDefault();
  }
}
