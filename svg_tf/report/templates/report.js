"use strict";
// Plays all clips together. Each canvas shows one row of its clip's sheet, one frame at a time.
{
  const controls = document.querySelector(".controls");
  if (controls) play(controls);

  function play(controls) {
    const FRAME_MS = 170, HOLD_MS = 1000;
    const frames = Number(controls.dataset.frames), past = Number(controls.dataset.past);
    const [button, slider, output] = controls.querySelectorAll("button, input, output");
    const videos = [...document.querySelectorAll(".clip canvas")].map((canvas) => ({
      context: canvas.getContext("2d"),
      sheet: canvas.closest(".clip").querySelector(".sheet"),
      line: Number(canvas.dataset.line),
    }));
    let now = 0, timer = null;

    function show(frame) {
      now = frame;
      for (const { context, sheet, line } of videos) {
        const { width, height } = context.canvas;
        context.drawImage(sheet, frame * width, line * height, width, height, 0, 0, width, height);
      }
      slider.value = frame;
      output.textContent = `frame ${frame}, ${frame < past ? "context" : "predicted"}`;
    }

    function run() {
      timer = setTimeout(() => { show((now + 1) % frames); run(); }, now === frames - 1 ? HOLD_MS : FRAME_MS);
      button.textContent = "Pause";
    }

    function pause() {
      clearTimeout(timer);
      timer = null;
      button.textContent = "Play";
    }

    button.addEventListener("click", () => (timer === null ? run() : pause()));
    slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
    controls.hidden = false;
    Promise.all(videos.map(({ sheet }) => sheet.decode())).then(() => {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
        show(Math.floor((past + frames) / 2));
        pause();
      } else {
        show(0);
        run();
      }
    });
  }
}
