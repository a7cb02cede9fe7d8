// What the video component lacks; it is of the same origin, so this may reach into its frame.
// 1. It shows the bare name of an error where the browser gives no camera; here is what to do.
// 2. It lets the browser hold frames back, some 50 ms, for an even flow; here the newest is wanted.
const LOOK_MS = 400;

function component() {
  const frames = [...document.querySelectorAll("iframe")];
  return frames.find((frame) => (frame.title || frame.src).includes("webrtc_streamer"));
}

function hurry() {
  const inside = component()?.contentWindow;
  try {
    if (!inside?.RTCPeerConnection || inside.allcellHurries) return;
  } catch {
    return; // The browser's own page about an error, which nobody may look into.
  }
  inside.allcellHurries = true;
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
    hurry();
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
