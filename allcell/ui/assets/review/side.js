// Beside the field: the chosen cell, large, what can be said of it, and the list of all cells.

const CARD_SIDE_PX = 116;
const ROW_PX = 36;

function keyCap(key, label = null) {
  const cap = html("kbd", { "aria-hidden": "true", class: label ? "of" : "" });
  cap.textContent = key;
  if (label) cap.style.background = label.colour;
  return cap;
}

function chip(label) {
  const mark = html("i", { class: "chip", "aria-hidden": "true" });
  mark.style.background = label.colour;
  return mark;
}

// A button that gives the chosen cells a class; `brief` for the thumb.
function labelButton(label, act, brief = false) {
  const shortcut = { "aria-keyshortcuts": label.key, "data-label": label.name };
  const button = html("button", { type: "button", title: label.title, ...shortcut });
  button.append(keyCap(label.key, label));
  const short = label.title.length > 12 ? label.title.split(" ")[0] : label.title;
  button.append(span("named", brief ? short : label.title));
  if (brief) button.append(span("unseen", label.title.slice(short.length)));
  button.onclick = act;
  return button;
}

function actButton(words, key, act, brief = "") {
  const button = html("button", { type: "button", title: key ? `${words} (${key})` : words });
  button.dataset.act = words;
  if (brief) button.setAttribute("aria-label", words);
  else if (key) button.append(keyCap(key));
  button.append(brief || words);
  button.onclick = act;
  return button;
}

class Side {
  // acts: see Desk.
  constructor(store, acts) {
    this.store = store;
    this.acts = acts;
    this.large = new Crops(CARD_SIDE_PX);
    this.small = new Crops(ROW_PX);
    this.element = html("div", { class: "side" });
    this.card = html("div", { class: "card" });
    this.keys = html("div", { class: "keys", role: "group", "aria-label": "Say what the cell is" });
    this.list = html("div", {
      ...{ class: "list", role: "listbox", tabindex: "0", "aria-label": "Cells of this picture" },
    });
    this.element.append(this.card, this.keys, this.list);
    this.list.onclick = (event) => {
      const row = event.target.closest(".row");
      if (row) acts.pick(row.dataset.key, true);
    };
  }

  // field: the one that is shown; cells: those of it that are shown.
  update(field, cells) {
    const chosen = this.store.cell(this.store.chosen);
    this.showCard(field, chosen && chosen.field === field.id ? chosen : null);
    this.showKeys();
    this.showList(field, cells);
  }

  showCard(field, cell) {
    if (!cell) {
      const hint = html("p", { class: "hint" });
      hint.textContent = field.readOnly
        ? "Click a cell to see it large."
        : "Click a cell, or press Space for the most doubtful one.";
      this.card.replaceChildren(hint);
      return;
    }
    const label = this.store.label(cell);
    const thumb = html("div", { class: "thumb" });
    thumb.append(this.large.of(cell, field));
    const words = html("div", { class: "words" });
    const name = span("name", `Cell ${cell.number}: ${label.title}`);
    name.prepend(chip(label));
    const [w, h] = [cell.box[2] - cell.box[0], cell.box[3] - cell.box[1]];
    const cells = field.redCell ? `, ${((w + h) / 2 / field.redCell).toFixed(1)} red cells` : "";
    const was = this.store.byLabel.get(cell.suggested)?.title ?? cell.suggested;
    const score = cell.confidence === null ? "" : `, confidence ${cell.confidence.toFixed(2)}`;
    words.append(
      name,
      span("said", was ? `Suggested: ${was}${score}` : "Added by you"),
      span("said", `${w.toFixed(0)} x ${h.toFixed(0)} px${cells}`),
      span(`state ${cell.state}`, STATES[cell.state]),
    );
    this.card.replaceChildren(thumb, words);
  }

  // Only made anew if the classes have changed: a button that has the focus keeps it.
  showKeys() {
    const { labels } = this.store;
    if (this.shownLabels === labels) return;
    this.shownLabels = labels;
    this.keys.replaceChildren(
      ...labels.map((label) => labelButton(label, () => this.acts.reclassify(label.name))),
      actButton("Remove", "Del", () => this.acts.remove()),
      actButton("Confirm", "Enter", () => this.acts.confirm()),
    );
  }

  showList(field, cells) {
    const { chosen } = this.store;
    const rows = cells.map((cell) => {
      const label = this.store.label(cell);
      const row = html("div", {
        ...{ class: `row ${cell.state}`, role: "option", id: `row-${cell.number}` },
        "aria-selected": String(cell.key === chosen),
        "data-key": cell.key,
      });
      const score = cell.confidence === null ? "added" : cell.confidence.toFixed(2);
      row.append(
        this.small.of(cell, field),
        span("unseen", "Cell "),
        span("number", String(cell.number)),
        chip(label),
        span("title", label.title),
        span("score", score),
        span("mark", cell.state === "confirmed" ? "\u2713" : ""),
        span("unseen", STATES[cell.state]),
      );
      return row;
    });
    this.list.replaceChildren(...rows);
    const at = rows.find((row) => row.dataset.key === chosen);
    if (at) this.list.setAttribute("aria-activedescendant", at.id);
    else this.list.removeAttribute("aria-activedescendant");
    if (at && chosen !== this.seen) this.scrollTo(at);
    this.seen = chosen;
  }

  // Within the list alone: the page stays where it is.
  scrollTo(row) {
    const { list } = this;
    const [top, bottom] = [row.offsetTop, row.offsetTop + row.offsetHeight];
    if (top < list.scrollTop) list.scrollTop = top - row.offsetHeight;
    else if (bottom > list.scrollTop + list.clientHeight) {
      list.scrollTop = bottom + row.offsetHeight - list.clientHeight;
    }
  }
}

const STATES = {
  suggested: "Not confirmed",
  confirmed: "Confirmed",
  removed: "Removed",
};
