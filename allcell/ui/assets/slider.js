// Follows the slider of the lowest confidence while it is dragged: it tells the server its value only
// when it is let go.

class SliderFollower {
  // onMove(lowest): the slider stands at another confidence now.
  constructor(onMove) {
    this.onMove = onMove;
    this.moves = new MutationObserver(() => this.follow());
    // The slider may come later than the field, and Streamlit may replace it.
    this.touched = () => this.listen();
    for (const name of ["pointerdown", "focusin"]) {
      document.addEventListener(name, this.touched, true);
    }
  }

  close() {
    this.moves.disconnect();
    for (const name of ["pointerdown", "focusin"]) {
      document.removeEventListener(name, this.touched, true);
    }
    this.outdate("");
  }

  // data: slider (its key), lowest, counted (see FieldView in ui/field/viewer.py).
  update(data) {
    this.key = data.slider;
    this.listen();
  }

  get slider() {
    const place = this.key && `.st-key-${this.key.replace(/[^\w-]/g, "-")}`;
    return place ? document.querySelector(place) : null;
  }

  listen() {
    const { slider } = this;
    if (slider === this.listened) return;
    this.moves.disconnect();
    this.listened = slider;
    const attributeFilter = ["aria-valuenow", "value"];
    if (slider) this.moves.observe(slider, { attributes: true, attributeFilter, subtree: true });
  }

  follow() {
    const thumb = this.slider?.querySelector("[role=slider], input[type=range]");
    const value = Number(thumb?.getAttribute("aria-valuenow") ?? thumb?.value);
    if (thumb && Number.isFinite(value)) this.onMove(Math.round(value * 100) / 100);
  }

  // The numbers beside the field are those of the last value that the server knows: while the slider
  // is moved, these words stand over them (see frame.css).
  say({ counted, lowest: known }, lowest) {
    const counts = Object.entries(counted).map(
      ([title, scores]) => `${title} ${scores.filter((s) => s >= Math.fround(lowest)).length}`,
    );
    const said = lowest !== known && counts.length;
    this.outdate(said ? `At ${lowest.toFixed(2)}: ${counts.join(", ")}` : "");
  }

  outdate(words) {
    const card = document.querySelector(".st-key-allcell-answer");
    if (words) card?.setAttribute("data-outdated", words);
    else card?.removeAttribute("data-outdated");
  }
}
