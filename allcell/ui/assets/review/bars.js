// Above the field: pictures and views. On a phone, what the thumb needs at the foot of the screen.

class Head {
  constructor(store, acts) {
    this.store = store;
    this.acts = acts;
    this.element = html("div", { class: "deskhead" });
    this.views = html("div", { class: "views", role: "group", "aria-label": "View" });
    for (const [view, words] of [
      ["field", "Field"],
      ["gallery", "Gallery"],
    ]) {
      const button = html("button", { type: "button", "data-view": view });
      button.textContent = words;
      button.onclick = () => acts.turn(view);
      this.views.append(button);
    }
    this.pictures = html("div", { class: "pictures", role: "group", "aria-label": "Pictures" });
    this.element.append(this.views, this.pictures);
    this.chips = new Map();
  }

  update(data, view) {
    this.element.hidden = data.page !== "review";
    if (this.element.hidden) return;
    for (const button of this.views.children) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    for (const [id, { element }] of this.chips) {
      if (this.store.fields.has(id)) continue;
      element.remove();
      this.chips.delete(id);
    }
    for (const field of this.store.fields.values()) this.showPicture(field, data);
  }

  showPicture(field, { shown, readOnly }) {
    let chipOf = this.chips.get(field.id);
    if (!chipOf) {
      const element = html("div", { class: "picture-chip" });
      const open = html("button", { type: "button", class: "open" });
      const take = html("input", { type: "checkbox" });
      open.onclick = () => this.acts.showPicture(field.id);
      take.onchange = () => this.store.take(field.id, take.checked);
      element.append(take, open);
      this.pictures.append(element);
      chipOf = { element, open, take };
      this.chips.set(field.id, chipOf);
    }
    const cells = this.store.present(field.id);
    const judged = cells.filter((cell) => cell.state !== "suggested").length;
    const { element, open, take } = chipOf;
    open.textContent = `${field.title} ${judged}/${cells.length}`;
    open.setAttribute("aria-pressed", String(field.id === shown));
    element.classList.toggle("out", !field.counted);
    take.checked = field.counted;
    take.disabled = readOnly || field.withheld !== "";
    const why = field.counted ? "" : `: ${field.withheld || "left out"}`;
    take.setAttribute("aria-label", `Count ${field.title}${why}`);
    element.title = `${field.title}${why}`;
  }
}

class ThumbBar {
  constructor(store, acts) {
    this.store = store;
    this.acts = acts;
    this.element = html("div", { class: "thumbbar", role: "toolbar", "aria-label": "Review" });
    this.kinds = html("div", { class: "kinds" });
    this.acting = html("div", { class: "acting" });
    this.add = actButton("Add a box", "", () => acts.stage.arm(!acts.stage.armed), "+ Box");
    this.acting.append(
      actButton("Confirm", "Enter", () => acts.confirm(), "\u2713 Confirm"),
      actButton("Remove", "Del", () => acts.remove(), "\u2715"),
      actButton("Next uncertain", "Space", () => acts.nextUncertain(), "Next ?"),
      this.add,
      actButton("Undo", "", () => acts.undo(), "\u21b6"),
      actButton("Redo", "", () => acts.redo(), "\u21b7"),
    );
    this.element.append(this.kinds, this.acting);
    // Only while the review is on the screen: other parts of the page need the room.
    const inSight = new Map();
    this.seen = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) inSight.set(entry.target, entry.isIntersecting);
        this.element.classList.toggle("seen", [...inSight.values()].some(Boolean));
      },
      { rootMargin: "-110px 0px -90px 0px" },
    );
  }

  close() {
    this.seen.disconnect();
  }

  armed(armed) {
    this.add.setAttribute("aria-pressed", String(armed));
  }

  update() {
    const { labels } = this.store;
    if (!this.watched) {
      this.watched = true;
      this.seen.observe(this.acts.main);
      this.seen.observe(this.acts.gallery.element);
    }
    const foot = document.querySelector(".allcell-notice")?.offsetHeight ?? 0;
    this.element.style.bottom = `${foot}px`;
    if (this.shownLabels === labels) return;
    this.shownLabels = labels;
    this.kinds.replaceChildren(
      ...labels.map((label) => labelButton(label, () => this.acts.reclassify(label.name), true)),
    );
  }
}
