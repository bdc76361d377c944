// Four ways to look at a comparison. Without this script the pictures stand side by side.
"use strict";
(() => {
  const BLINK_MS = 700;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  function prepare(section) {
    if (section.dataset.ready) return;
    section.dataset.ready = "yes";
    const find = (what) => section.querySelector(what);
    find(".ways").hidden = false;

    const range = find("[data-range]");
    const slide = () => {
      find("[data-over]").style.clipPath = `inset(0 0 0 ${range.value}%)`;
      find("[data-edge]").style.left = `${range.value}%`;
    };
    range.addEventListener("input", slide);
    slide();

    const upload = find("[data-blink]");
    const which = find("[data-which]");
    const button = find("[data-turn]");
    let timer = null;
    const turn = () => {
      upload.hidden = !upload.hidden;
      which.textContent = upload.hidden ? "Registered" : "Your picture";
    };
    const run = (on) => {
      clearInterval(timer);
      timer = on ? setInterval(turn, BLINK_MS) : null;
      // Whoever asked for less motion turns the pages by hand.
      button.textContent = on ? "Pause" : still.matches ? "Turn" : "Go on";
    };
    button.addEventListener("click", () => {
      if (timer) run(false);
      else if (still.matches) turn();
      else run(true);
    });

    const show = (way) => {
      for (const part of section.querySelectorAll("[data-way]")) part.hidden = part.dataset.way !== way;
      if (way === "blink") turn();
      run(way === "blink" && !still.matches);
    };
    for (const radio of section.querySelectorAll(".ways input[type=radio]")) {
      radio.addEventListener("change", () => show(radio.value));
    }
    // The file that was looked up is still in the form above; nothing of it was kept here.
    const form = find("[data-export]");
    const chosen = document.getElementById("media");
    if (chosen) {
      form.hidden = false;
      form.addEventListener("submit", () => {
        form.querySelector("input[type=file]").files = chosen.files;
      });
    }

    for (const box of section.querySelectorAll("[data-mark]")) {
      box.addEventListener("change", () => section.classList.toggle(box.dataset.mark, box.checked));
    }
  }

  const all = () => document.querySelectorAll("[data-comparison]").forEach(prepare);
  document.addEventListener("DOMContentLoaded", () => {
    all();
    document.body.addEventListener("htmx:afterSwap", all);
  });
})();
