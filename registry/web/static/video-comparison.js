// Two players in step: the video that was looked up, played from this device, and the registered frames of
// the same moments. Without this script the list and the strip say the same.
"use strict";
(() => {
  const clock = (second) => {
    const tenths = Math.max(0, Math.round(10 * second));
    const two = (value) => String(value).padStart(2, "0");
    return `${two(Math.floor(tenths / 600))}:${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  };

  function nearest(times, wanted) {
    return times.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best), times[0]);
  }

  function prepare(section) {
    const chosen = document.getElementById("media");
    const file = chosen && chosen.files[0];
    if (section.dataset.ready || !file) return;
    section.dataset.ready = "yes";
    const find = (what) => section.querySelector(what);
    const map = JSON.parse(section.dataset.map);
    const times = JSON.parse(section.dataset.times);
    const items = [...section.querySelectorAll("[data-segment-regions]")];
    const video = find("[data-upload]");
    const reference = find("[data-reference]");
    const address = URL.createObjectURL(file);
    let shown = -1;
    let outlined = -1;

    const outline = (place) => {
      if (place === outlined) return;
      outlined = place;
      const quads = place < 0 ? [] : JSON.parse(items[place].dataset.segmentRegions);
      const shapes = quads.map((quad) => {
        const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
        shape.setAttribute("points", quad.map(([x, y]) => `${100 * x},${100 * y}`).join(" "));
        return shape;
      });
      find("[data-regions]").replaceChildren(...shapes);
      items.forEach((item, number) => item.classList.toggle("now", number === place));
    };

    const step = () => {
      const now = video.currentTime;
      const place = map.findIndex(({ query }) => now >= query[0] && now < query[1]);
      find("[data-upload-clock]").textContent = clock(now);
      const share = video.duration ? (1000 * now) / video.duration : 0;
      for (const end of ["x1", "x2"]) find("[data-playhead]").setAttribute(end, share);
      outline(place);
      if (reference) reference.classList.toggle("away", place < 0);
      if (place < 0) {
        find("[data-reference-clock]").textContent = "no registered footage at this moment";
        return;
      }
      const { query, reference: there, factor, backwards } = map[place];
      const passed = (now - query[0]) * factor;
      const second = backwards ? there[1] - passed : there[0] + passed;
      find("[data-reference-clock]").textContent = clock(second);
      if (!reference || !times.length) return;
      const frame = nearest(times, 1000 * second);
      if (frame !== shown) {
        shown = frame;
        reference.src = section.dataset.frames + frame;
      }
    };

    const follow = () => {
      step();
      if (!video.paused && !video.ended) requestAnimationFrame(follow);
    };
    video.addEventListener("play", follow);
    for (const event of ["seeked", "loadedmetadata", "pause"]) video.addEventListener(event, step);
    video.addEventListener("error", () => {
      // An animated image, or a codec that this browser does not play: shown as it is, the list says the rest.
      const picture = document.createElement("img");
      picture.src = address;
      picture.alt = "The file you looked up";
      video.replaceWith(picture);
    });
    for (const button of section.querySelectorAll("[data-segment]")) {
      button.addEventListener("click", () => {
        video.currentTime = map[Number(button.dataset.segment)].query[0] + 0.02;
        video.play();
      });
    }
    video.src = address;
    find("[data-players]").hidden = false;

    const form = find("[data-export]");
    if (!form) return; // the registered footage is intimate: there is nothing to keep
    form.hidden = false;
    form.addEventListener("submit", () => {
      form.querySelector("input[type=file]").files = chosen.files;
    });
  }

  const prepareAll = () => document.querySelectorAll("[data-video-comparison]").forEach(prepare);
  document.addEventListener("htmx:load", prepareAll);
  document.addEventListener("DOMContentLoaded", prepareAll);
})();
