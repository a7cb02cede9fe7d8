// What the video component lacks; it is of the same origin, so this may reach into its frame.
// 1. It shows the bare name of an error where the browser gives no camera; here is what to do.
// 2. It offers Start while it is still stopping, and takes no notice of it.
// 3. It lets the browser hold frames back, some 50 ms, for an even flow; here the newest is wanted.
const LOOK_MS = 400;
/** The component closes a connection in half a second; it starts none before. */
const STOPS_MS = 600;
/** How long a press of Start waits for the server to have stopped, too. */
const PATIENCE_MS = 5000;

function component() {
  const frames = [...document.querySelectorAll("iframe")];
  return frames.find((frame) => (frame.title || frame.src).includes("webrtc_streamer"));
}

/** Change what the component lacks, once. */
function mend(words) {
  const inside = component()?.contentWindow;
  try {
    if (!inside?.RTCPeerConnection || inside.allcellMended) return;
  } catch {
    return; // The browser's own page about an error, which nobody may look into.
  }
  inside.allcellMended = true;
  hurry(inside);
  startOnceStopped(inside, words);
}

/** Start waits until the component has closed the last connection, and forgotten its answer,
 * which it would take for that of the next one. */
function startOnceStopped(inside, words) {
  let [stopped, answered, waits] = [-Infinity, false, 0];
  const ready = () => performance.now() > stopped + STOPS_MS && !answered;
  inside.addEventListener("message", ({ data }) => {
    if (data?.type === "streamlit:render") answered = Boolean(data.args?.sdp_answer_json);
  });
  const onClick = (event) => {
    const button = event.target.closest?.("button");
    if (button?.textContent === words.stop) {
      stopped = performance.now();
      clearInterval(waits);
    }
    if (!event.isTrusted || button?.textContent !== words.start || ready()) return;
    event.stopPropagation();
    const pressed = performance.now();
    clearInterval(waits);
    waits = setInterval(() => {
      if (!ready() && performance.now() < pressed + PATIENCE_MS) return;
      clearInterval(waits);
      button.click();
    }, 50);
  };
  // At the window: the document may still be the empty one that the browser begins with.
  inside.addEventListener("click", onClick, true);
}

function hurry(inside) {
  const Connection = inside.RTCPeerConnection;
  inside.RTCPeerConnection = class extends Connection {
    constructor(...how) {
      super(...how);
      this.addEventListener("track", ({ receiver }) => {
        if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
        else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
      });
    }
  };
}

function troubles(known) {
  if (!window.isSecureContext || !navigator.mediaDevices) return "insecure";
  let text = "";
  try {
    text = component()?.contentDocument?.body?.innerText ?? "";
  } catch {
    return "";
  }
  return known.find((name) => text.includes(name)) ?? "";
}

export default function ({ parentElement, data }) {
  let box = parentElement.querySelector(".video-help");
  if (!box) {
    box = document.createElement("div");
    box.className = "video-help";
    box.setAttribute("role", "alert");
    box.hidden = true;
    parentElement.append(box);
  }
  const look = () => {
    mend(data.words);
    const cure = data.cures[troubles(Object.keys(data.cures))] ?? "";
    if (box.textContent !== cure) box.textContent = cure;
    box.hidden = !cure;
  };
  look();
  // Streamlit may call again without having ended the call before; two would undo each other.
  clearInterval(box.timer);
  const timer = (box.timer = setInterval(look, LOOK_MS));
  return () => clearInterval(timer);
}
