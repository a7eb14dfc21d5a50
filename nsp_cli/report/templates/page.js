// Shows one picture of the page at a time; buttons choose which.
function openPage() {
  const pictures = [...document.querySelectorAll("script.picture")].map(script => JSON.parse(script.textContent));
  const buttons = [...document.querySelectorAll(".photos button")], sections = document.querySelectorAll(".facts");
  const viewer = new Viewer(document.querySelector(".viewer"));
  let shown = 0;
  const show = index => {
    shown = (index + pictures.length) % pictures.length;
    viewer.show(pictures[shown]);
    buttons.forEach((button, other) => button.setAttribute("aria-current", other === shown));
    sections.forEach((section, other) => { section.hidden = other !== shown; });
  };
  buttons.forEach((button, index) => {
    button.querySelector("img").src = `data:image/jpeg;base64,${pictures[index].levels[0].tiles.at(-1)[0]}`;
    button.addEventListener("click", () => show(index));
  });
  const isTaken = event => event.ctrlKey || event.metaKey || event.altKey
    || (event.key.startsWith("Arrow") && event.target !== viewer.canvas)  // they scroll the page
    || event.target.matches("select, input") || (event.key === " " && event.target.matches("button, summary"));
  document.addEventListener("keydown", event => {
    if (isTaken(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "n" || key === "p") show(shown + (key === "n" ? 1 : -1));
    else if (!viewer.onKey(key)) return;
    event.preventDefault();
  });
  document.addEventListener("keyup", event => event.key === " " && viewer.flip(false));
  window.addEventListener("blur", () => viewer.flip(false));
  viewer.canvas.focus({ preventScroll: true });
  viewer.resize();
  show(0);
}

document.addEventListener("DOMContentLoaded", openPage);
