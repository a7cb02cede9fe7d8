// How far the count is, and what it says: one line beside the field, all of it on the Review page.

const TARGETS = [100, 200, 400]; // usual numbers of cells in a differential count
const TARGET_KEY = "allcell.count.target";
const MUTED_KEY = "allcell.count.muted";

const remembered = (key, otherwise) => {
  try {
    return localStorage.getItem(key) ?? otherwise;
  } catch {
    return otherwise; // no storage in this browser
  }
};

const remember = (key, value) => {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It holds until the page is left.
  }
};

// A short tone: two notes, so that it is no alarm.
function sound() {
  const audio = (window.allcellAudio ??= new AudioContext());
  [660, 880].forEach((frequency, n) => {
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = frequency;
    const start = audio.currentTime + 0.16 * n;
    volume.gain.setValueAtTime(0.12, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.3);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.3);
  });
}

const blastText = ({ blasts, white }, nothing) =>
  white ? `${shareText(blasts, white)} (${intervalText(blasts, white)})` : nothing;

// What a screen reader is told after a change.
function countsSaid({ after, open }) {
  const left = open ? `${open} left to review` : "all reviewed";
  if (!after.white) return `No white cell confirmed yet, ${left}.`;
  const interval = intervalText(after.blasts, after.white);
  const share = shareText(after.blasts, after.white);
  return `Blasts ${share}, exact 95 % interval ${interval}, ${left}.`;
}

// Reviewed so far, the confirmed fraction, the suggested one.
class CountLine {
  constructor() {
    this.element = html("div", { class: "countline" });
    this.bar = html("div", { class: "bar", "aria-hidden": "true" });
    this.fill = html("i");
    this.bar.append(this.fill);
    this.reviewed = span("reviewed", "");
    this.after = span("after", "");
    this.before = span("before", "");
    this.element.append(this.reviewed, this.bar, this.after, this.before);
  }

  update(counts) {
    const { before, after, open, all } = counts;
    this.reviewed.textContent = `${all - open} of ${all} reviewed`;
    this.fill.style.width = `${all ? (100 * (all - open)) / all : 0}%`;
    this.after.textContent = `Confirmed blasts: ${blastText(after, open === all ? "none reviewed" : "no white cell")}`;
    this.before.textContent = `Suggested: ${blastText(before, "no white cell")}`;
  }
}

class Counter {
  constructor() {
    this.element = html("section", { class: "counter", "aria-label": "Differential count" });
    this.target = Number(remembered(TARGET_KEY, TARGETS[0]));
    this.muted = remembered(MUTED_KEY, "no") === "yes";
    this.reached = null;
    this.head = html("div", { class: "counterhead" });
    this.number = span("counted", "");
    this.bar = html("div", {
      ...{ class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-label": "Cells counted" },
    });
    this.fill = html("i");
    this.bar.append(this.fill);
    const targets = html("div", { class: "targets", role: "group", "aria-label": "Cells to count" });
    this.targets = TARGETS.map((cells) => {
      const button = html("button", { type: "button" });
      button.textContent = cells;
      button.onclick = () => this.aim(cells);
      return button;
    });
    targets.append(...this.targets);
    this.mute = html("button", { type: "button", class: "mute" });
    this.mute.onclick = () => this.setMuted(!this.muted);
    this.head.append(this.number, this.bar, targets, this.mute);
    this.table = html("table", { class: "differential" });
    this.note = html("p", { class: "note" });
    this.against = html("div", { class: "against" });
    this.element.append(this.head, this.table, this.note, this.against);
    this.setMuted(this.muted);
  }

  aim(cells) {
    this.target = cells;
    remember(TARGET_KEY, cells);
    this.reached = null;
    this.update(this.last, this.labels);
  }

  setMuted(muted) {
    this.muted = muted;
    remember(MUTED_KEY, muted ? "yes" : "no");
    this.mute.textContent = muted ? "Tone off" : "Tone on";
    this.mute.setAttribute("aria-pressed", String(!muted));
  }

  update(counts, labels) {
    [this.last, this.labels] = [counts, labels];
    const { before, after } = counts;
    const { target } = this;
    this.number.textContent = `${after.white} of ${target} white cells counted`;
    this.fill.style.width = `${Math.min(100, (100 * after.white) / target)}%`;
    put(this.bar, { "aria-valuenow": Math.min(after.white, target), "aria-valuemax": target });
    this.targets.forEach((button, n) =>
      button.setAttribute("aria-pressed", String(TARGETS[n] === target)),
    );
    const full = after.white >= target;
    this.element.classList.toggle("full", full);
    // Not when a page opens on a count that is full already.
    if (full && this.reached === false && !this.muted) sound();
    this.reached = full;
    this.showTable(before, after, labels);
    const per100 = after.white ? ((100 * after.smudges) / after.white).toFixed(1) : "0.0";
    this.note.textContent =
      `${per100} smudges and artefacts per 100 white cells. Not counted: ` +
      `${after.unidentified} unidentified. The intervals cover sampling error only, not the ` +
      "classifier's or the reviewer's. A fraction of detected cells, never a diagnosis.";
  }

  // agreement: sentences on the model against the reviewer, from the server.
  agreement(sentences) {
    this.against.replaceChildren(
      ...(sentences ?? []).map((words) => {
        const line = html("p");
        line.textContent = words;
        return line;
      }),
    );
  }

  showTable(before, after, labels) {
    const head = html("tr");
    for (const words of ["Class", "Before review", "After review"]) {
      const cell = html("th", { scope: "col" });
      cell.textContent = words;
      head.append(cell);
    }
    const rows = labels
      .filter(({ role }) => role !== "not a cell")
      .map((label) => {
        const row = html("tr");
        const title = html("th", { scope: "row" });
        title.append(chip(label), label.title);
        row.append(title, this.value(label, before), this.value(label, after));
        return row;
      });
    this.table.replaceChildren(head, ...rows);
  }

  value(label, sums) {
    const cell = html("td");
    const k = sums.byLabel[label.name] ?? 0;
    const share = label.role === "blast" || label.role === "white cell";
    cell.textContent =
      share && sums.white ? `${shareText(k, sums.white)} (${intervalText(k, sums.white)})` : k;
    return cell;
  }
}
