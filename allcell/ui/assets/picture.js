// Takes the bytes of a picture once and keeps them under a name for the viewer. Separate from the
// boxes: Streamlit sends a message again only if it changed, and boxes change all the time.
// The first 64 bytes hold the name, padded with spaces.

const NAME_BYTES = 64;
const pictures = (window.allcellPictures ??= new Map());
const MOST = 4;

export default function ({ data }) {
  if (!data) return;
  const name = new TextDecoder().decode(data.slice(0, NAME_BYTES)).trim();
  if (pictures.has(name)) return;
  const blob = new Blob([data.slice(NAME_BYTES)], { type: "image/jpeg" });
  pictures.set(name, URL.createObjectURL(blob));
  while (pictures.size > MOST) {
    const [oldest, url] = pictures.entries().next().value;
    URL.revokeObjectURL(url);
    pictures.delete(oldest);
  }
  window.dispatchEvent(new Event("allcell-picture"));
}
