// Says what to do when the browser gives the video component no camera. The component itself shows
// the bare name of the error; this reads it there (same origin) and what the browser says of itself.
const LOOK_MS = 400;

function component() {
  const frames = [...document.querySelectorAll("iframe")];
  return frames.find((frame) => (frame.title || frame.src).includes("webrtc_streamer"));
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
  let box = parentElement.querySelector(".camera-help");
  if (!box) {
    box = document.createElement("div");
    box.className = "camera-help";
    box.setAttribute("role", "alert");
    box.hidden = true;
    parentElement.append(box);
  }
  const look = () => {
    const cure = data.cures[troubles(Object.keys(data.cures))] ?? "";
    if (box.textContent !== cure) box.textContent = cure;
    box.hidden = !cure;
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  return () => clearInterval(timer);
}
