// Files: chosen, dropped or pasted. Too large ones are refused before they are sent; the server says the same.

import { say } from "./compose-say.js";

function inWords(bytes) {
  const [size, unit] = bytes < 1024 ** 2 ? [bytes / 1024, "KB"] : [bytes / 1024 ** 2, "MB"];
  return `${size < 10 ? size.toFixed(1).replace(/\.0$/, "") : Math.round(size)} ${unit}`;
}

function refuse(form, sentences) {
  const note = document.getElementById("note-form").content.firstElementChild.cloneNode(true);
  note.querySelector(".note-body").replaceChildren(
    ...sentences.map((sentence) => Object.assign(document.createElement("span"), { textContent: sentence })),
  );
  form.querySelector("#compose-notes").replaceChildren(note);
}

function fitting(form, files) {
  const limit = Number(form.dataset.maxBytes);
  let left = limit - Number(form.querySelector("[data-bytes]").dataset.bytes);
  const refused = [];
  const taken = files.filter((file) => {
    if (file.size > left) {
      const kept = left === limit ? "" : `, and ${inWords(Math.max(0, left))} are left`;
      refused.push(`“${file.name}” is ${inWords(file.size)}. The files of one message can be ${inWords(limit)} together${kept}.`);
      return false;
    }
    left -= file.size;
    return true;
  });
  if (refused.length > 0) {
    refuse(form, refused);
  }
  return taken;
}

function upload(form, saver, files) {
  const taken = fitting(form, files);
  if (taken.length === 0) {
    return;
  }
  const onProgress = (loaded, total) => {
    const bar = form.querySelector("[data-progress]");
    bar.hidden = false;
    bar.value = (100 * loaded) / total;
  };
  saver.queue(async () => {
    const answer = await saver.post(form.dataset.attach, { files: taken, onProgress });
    form.querySelector("[data-progress]").hidden = true;
    form.querySelector(".write-list > :last-child")?.scrollIntoView({ block: "nearest" });
    say(answer.isDone ? `${taken.length === 1 ? taken[0].name : `${taken.length} files`} attached` : "");
    if (!answer.isThere) {
      refuse(form, ["The files are not attached: no connection. Choose them again."]);
    }
  });
}

export function attachFiles(form, saver) {
  const write = form.querySelector(".write");
  form.addEventListener("change", (event) => {
    if (event.target.matches("[type=file]")) {
      const files = [...event.target.files];
      event.target.value = "";
      upload(form, saver, files);
    }
  });
  form.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) {
      event.preventDefault();
      upload(form, saver, files);
    }
  });
  form.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) {
      event.preventDefault();
      write.classList.add("write--drop");
    }
  });
  form.addEventListener("dragleave", (event) => write.contains(event.relatedTarget) || write.classList.remove("write--drop"));
  form.addEventListener("drop", (event) => {
    write.classList.remove("write--drop");
    if (event.dataTransfer?.files.length > 0) {
      event.preventDefault();
      upload(form, saver, [...event.dataTransfer.files]);
    }
  });
}
