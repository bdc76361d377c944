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
  // What never became an answer is said where the answer would have been.
  const say = (words) => {
    const alert = document.createElement("article");
    alert.className = "verdict plain";
    alert.setAttribute("role", "alert");
    alert.append(Object.assign(document.createElement("h2"), { textContent: words }));
    document.getElementById("answer").replaceChildren(alert);
  };
  document.body.addEventListener("htmx:sendError", () => say("The registry does not answer. Try again shortly."));
  document.body.addEventListener("htmx:responseError", (event) => {
    let words = "The registry failed. Try again shortly.";
    try {
      words = JSON.parse(event.detail.xhr.responseText).title;
    } catch {
      // not a problem document: the general words stand
    }
    say(words);
  });
  form.addEventListener("drop", (event) => {
    over(false)(event);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
});
