// Asks the server for the cells of what is seen, and hears of them as they are found. A view that is
// left is asked for no longer, and what still comes for it is not heard.

const REST_MS = 40; // a view that has rested this long is asked for
const MOVING_MS = 150; // one that keeps moving, this often
const AGAIN_MS = 2000; // after a failure

class Looks {
  // onAnswer(answer): see ui/slides/words.py; onTrouble(status): the server does not answer.
  constructor(onAnswer, onTrouble) {
    this.onAnswer = onAnswer;
    this.onTrouble = onTrouble;
    this.number = 0;
    this.asked = 0;
  }

  open(path) {
    this.path = path;
  }

  close() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.path = null;
  }

  // view: { x, y, width, height, scale, lowest } in pixels of the slide.
  show(view) {
    this.view = view;
    clearTimeout(this.timer);
    const since = performance.now() - this.asked;
    this.timer = setTimeout(() => this.ask(), since > MOVING_MS ? 0 : Math.min(REST_MS, MOVING_MS - since));
  }

  async ask() {
    if (!this.path || !this.view) return;
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.asked = performance.now();
    const number = ++this.number;
    const numbers = Object.entries(this.view).map(([name, value]) => [name, value.toFixed(6)]);
    let after = -1;
    while (!abort.signal.aborted) {
      try {
        const asked = new URLSearchParams([["number", number], ["after", after], ...numbers]);
        const answer = await fetch(`${this.path}/cells?${asked}`, { signal: abort.signal });
        if (!answer.ok) throw new Error(answer.status);
        const said = await answer.json();
        if (abort.signal.aborted) return;
        if (said.number === number) {
          after = said.serial;
          this.onAnswer(said);
          if (said.done) return;
        } else if (said.number > number) {
          // The session saw this page before, and counted on from there.
          this.number = said.number;
          return this.ask();
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        this.onTrouble(error.message);
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
  }
}
