// A click on a box makes it as wide as the picture, and what stands upon it in proportion; a click on what is below it takes that back.
const boxes = [...document.querySelectorAll("svg.frames > svg")].map((box) => ({
  box, x: parseFloat(box.getAttribute("x")), width: parseFloat(box.getAttribute("width")), y: parseFloat(box.getAttribute("y")),
}));
for (const chosen of boxes) {
  chosen.box.addEventListener("click", () => {
    const end = chosen.x + chosen.width;
    for (const { box, x, width, y } of boxes) {
      const below = y > chosen.y && x <= chosen.x + 1e-6 && x + width >= end - 1e-6;
      const within = y <= chosen.y && x >= chosen.x - 1e-6 && x + width <= end + 1e-6;
      box.style.display = below || within ? "" : "none";
      box.style.opacity = below ? "0.5" : "";
      box.setAttribute("x", below ? "0%" : `${((x - chosen.x) / chosen.width) * 100}%`);
      box.setAttribute("width", below ? "100%" : `${(width / chosen.width) * 100}%`);
    }
  });
}
