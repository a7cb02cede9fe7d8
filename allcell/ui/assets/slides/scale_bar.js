// A bar as long as a round number of micrometres on the screen.

const BAR_PX = 150; // it is no longer than this

class ScaleBar {
  constructor() {
    this.element = html("div", { class: "scale-bar" });
    this.bar = html("span", { class: "bar", "aria-hidden": "true" });
    this.words = span("length", "");
    this.element.append(this.bar, this.words);
  }

  // k: screen pixels for one of the slide; umPerPx: null if it is not known; assumed: whether it was
  // taken from the size of the red cells.
  show(k, umPerPx, assumed) {
    const unit = umPerPx ?? 1;
    const most = (BAR_PX / k) * unit;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most);
    this.bar.style.width = `${(length / unit) * k}px`;
    this.words.textContent = this.text(length, umPerPx, assumed);
  }

  text(length, umPerPx, assumed) {
    if (umPerPx === null) return `${length.toLocaleString("en")} px`;
    const about = assumed ? "about " : "";
    if (length >= 1000) return `${about}${length / 1000} mm`;
    return `${about}${length >= 1 ? length : length.toPrecision(1)} µm`;
  }
}
