// Lets a picture be pasted, or dropped anywhere on the page, and hands it to the file uploader.
// Without it a drop outside the uploader makes the browser leave the app and open the picture.

const input = () => document.querySelector("[data-testid=stFileUploader] input[type=file]");

function handOver(files) {
  const target = input();
  if (!target || !files.length) return;
  const carrier = new DataTransfer();
  for (const file of files) carrier.items.add(file);
  target.files = carrier.files;
  target.dispatchEvent(new Event("change", { bubbles: true }));
}

function named(file) {
  // Every screenshot arrives as image.png; the time of day tells them apart.
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
  const ending = file.type.split("/")[1] || "png";
  const plain = /^image\.\w+$/.test(file.name);
  return plain ? new File([file], `pasted ${time}.${ending}`, { type: file.type }) : file;
}

const inUploader = (event) =>
  event.composedPath().some((element) => element.dataset?.testid === "stFileUploader");
const bringsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

if (!window.allcellIntake) {
  window.allcellIntake = true;
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].map(named);
    if (!files.length || !input()) return;
    event.preventDefault();
    handOver(files);
  });
  document.addEventListener("dragover", (event) => {
    if (bringsFiles(event) && !inUploader(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!bringsFiles(event) || inUploader(event)) return;
    event.preventDefault();
    handOver([...event.dataTransfer.files]);
  });
}

export default function () {}
