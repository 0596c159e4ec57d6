// Tells each cell of an operators' list the name of its column, so that a row can be read as a card on a phone.

for (const table of document.querySelectorAll(".results > table")) {
  const names = [...table.tHead.rows[0].cells].map((head) => head.querySelector(".text")?.textContent.trim() ?? "");
  for (const row of table.tBodies[0].rows) {
    const cells = [...row.cells];
    const title = cells.findIndex((cell) => cell.matches("th"));
    cells.forEach((cell, at) => {
      if (!cell.matches(".action-checkbox")) {
        cell.dataset.column = at === title || cell.querySelector(".tag") ? "" : names[at];
      }
    });
  }
  table.parentElement.classList.add("results--named");
}
