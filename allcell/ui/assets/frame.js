// What every page may need of the browser: to ask before a reload throws the session's work away,
// and to tell a screen reader what has arrived.

function liveRegion() {
  let region = document.getElementById("allcell-said");
  if (!region) {
    region = document.createElement("div");
    region.id = "allcell-said";
    region.setAttribute("role", "status");
    region.setAttribute("aria-live", "polite");
    region.style.cssText =
      "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap";
    document.body.append(region);
  }
  return region;
}

if (!window.allcellFrame) {
  window.allcellFrame = { held: false };
  // A browser shows its own words, and only to someone who has used the page.
  window.addEventListener("beforeunload", (event) => {
    if (window.allcellFrame.held) event.preventDefault();
  });
}

export default function ({ data }) {
  // It exists before it says anything: a region that comes with its text is not read out.
  const region = liveRegion();
  if (!data) return;
  if ("held" in data) window.allcellFrame.held = data.held;
  if ("said" in data && region.textContent !== data.said) region.textContent = data.said;
}
