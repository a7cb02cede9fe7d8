// Takes the bytes of a picture once and keeps them under a name for the viewer. Separate from the
// boxes: Streamlit sends a message again only if it changed, and boxes change all the time.
// The first 64 bytes hold the name, padded with spaces.

const NAME_BYTES = 64;
const pictures = (window.allcellPictures ??= new Map());
// Sheets of cells cut out (see ui/reviewing/sheets.py), small and one for each picture.
const sheets = (window.allcellCrops ??= new Map());
const SHEET = "crops-";
const MOST = 4;
const MOST_SHEETS = 300;

export default function ({ data }) {
  if (!data) return;
  const name = new TextDecoder().decode(data.slice(0, NAME_BYTES)).trim();
  const kept = name.startsWith(SHEET) ? sheets : pictures;
  if (kept.has(name)) return;
  const blob = new Blob([data.slice(NAME_BYTES)], { type: "image/jpeg" });
  kept.set(name, URL.createObjectURL(blob));
  while (kept.size > (kept === sheets ? MOST_SHEETS : MOST)) {
    const [oldest, url] = kept.entries().next().value;
    URL.revokeObjectURL(url);
    kept.delete(oldest);
  }
  window.dispatchEvent(new Event("allcell-picture"));
}
