// The counts beside a slide: of the view, and of all that was seen of it.

class SlideCounts {
  constructor() {
    this.element = html("div", { class: "slide-counts" });
    this.show({ counts: [] });
  }

  // answer: `counts`, a list of { title, cells: [[heading, number]], share, words }; see
  // ui/slides/words.py.
  show({ counts }) {
    this.element.removeAttribute("data-outdated");
    const none = html("p");
    none.textContent = "Counts follow once a part of the slide has been searched.";
    this.element.replaceChildren(...(counts.length ? counts.map((part) => this.part(part)) : [none]));
  }

  // The slider stands elsewhere: these numbers are those of another confidence.
  outdate() {
    this.element.setAttribute("data-outdated", "");
  }

  part({ title, cells, share, words }) {
    const section = html("section");
    const head = html("h3");
    head.textContent = title;
    const row = html("dl");
    for (const [heading, number] of cells) {
      const pair = html("div");
      const [name, value] = [html("dt"), html("dd")];
      name.textContent = heading;
      value.textContent = number;
      pair.append(name, value);
      row.append(pair);
    }
    section.append(head, row);
    if (share) section.append(span("share", share));
    for (const line of words) {
      const said = html("p");
      said.textContent = line;
      section.append(said);
    }
    return section;
  }
}
