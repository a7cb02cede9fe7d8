// Fixes for the video component; its frame has the same origin, so this may reach into it.
// 1. Where the browser gives no camera it shows only the error's name; this says what to do.
// 2. It offers Start while it is still stopping, but ignores the click; this repeats it.
// 3. It lets the browser's jitter buffer delay frames by some 50 ms; this asks for no delay.
const LOOK_MS = 400;
/** The component takes half a second to close a connection and starts none before. */
const STOPS_MS = 600;
/** How long a press of Start waits for the server to stop, too. */
const PATIENCE_MS = 5000;

function component() {
  const frames = [...document.querySelectorAll("iframe")];
  return frames.find((frame) => (frame.title || frame.src).includes("webrtc_streamer"));
}

/** Apply the fixes to the component, once. */
function mend(words) {
  const inside = component()?.contentWindow;
  try {
    if (!inside?.RTCPeerConnection || inside.allcellMended) return;
  } catch {
    return; // The browser's own error page, which no script may read.
  }
  inside.allcellMended = true;
  hurry(inside);
  startOnceStopped(inside, words);
}

/** Start waits until the component has closed the last connection and dropped its SDP answer,
 * which it would otherwise use for the next one. */
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
  // On the window: the document may still be the empty one that the browser begins with.
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
  // Streamlit may call again without having ended the last call; two timers would fight over the box.
  clearInterval(box.timer);
  const timer = (box.timer = setInterval(look, LOOK_MS));
  return () => clearInterval(timer);
}
