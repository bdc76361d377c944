// Lets a picture be dropped on the form; without this script the file button does the same.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("lookup");
  if (!form) return;
  const input = document.getElementById("media");
  const over = (on) => (event) => {
    event.preventDefault();
    form.classList.toggle("over", on);
  };
  form.addEventListener("dragover", over(true));
  form.addEventListener("dragleave", over(false));
  form.addEventListener("drop", (event) => {
    over(false)(event);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
});
