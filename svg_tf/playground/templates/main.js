// Connects the world, the model and the page.

import {centre, digitFrom, drawBox, drawChart, drawFrame, drawOverlay, drawPath} from "playground/drawing.js";
import {Model} from "playground/model.js";
import {World} from "playground/motion.js";
import {noiseOf} from "playground/noise.js";

const HISTORY = 90; // frames of the past in the chart
const THROW_MS = 150; // the pointer's motion in this time before the release is the throw
const $ = (id) => document.getElementById(id);

const sizes = JSON.parse($("sizes").textContent);
const digits = sizes.digits.map((text) => fromBase64(text));
const images = Array.from({length: sizes.numDigits}, (_, n) => digits[n % digits.length]);
const tiles = Array.from({length: sizes.samples}, (_, i) => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 128, height: 128});
  canvas.setAttribute("aria-hidden", "true");
  $("futures").append(canvas);
  return canvas;
});

let world, model, prediction;
let paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
let chosen = 0; // the digit that a new image goes to
let history = []; // {value, turn} for each past frame
let tickMs = 0;

// --- time -----------------------------------------------------------------------------------------------------------

function restart() {
  world = new World(sizes, images, seed());
  history = [];
}

/** Moves the world on by one frame and predicts again. */
async function tick() {
  const turn = world.digits.some(({hit}) => hit); // the next frame is the first that shows the new velocity
  world.step();
  if (prediction) history.push({value: prediction.stddev[0], turn}); // as predicted before this frame was seen
  history = history.slice(-HISTORY);
  await predict();
}

async function predict() {
  const start = performance.now();
  const frames = Number($("ahead").value);
  const {nPast, samples, zDim} = sizes;
  const noise = noiseOf(seed(), world.frame - nPast + 1, nPast - 1 + frames, samples, zDim);
  prediction = await model.predict(world.context(), noise, frames);
  draw();
  tickMs += 0.1 * (performance.now() - start - tickMs);
  $("speed-text").textContent = `${tickMs.toFixed(0)} ms a tick`;
}

let busy = false; // whether a prediction runs; there is one at a time
let stale = true; // whether the page must be predicted and drawn again, without a step

async function loop() {
  let last = performance.now();
  for (;;) {
    const rest = 1000 / Number($("rate").value) - (performance.now() - last);
    await new Promise((resolve) => setTimeout(resolve, Math.max(rest, 0)));
    last = performance.now();
    await run(paused ? null : tick);
  }
}

/** Runs a tick, or predicts once more if the page is stale. Does nothing while another prediction runs. */
async function run(action) {
  if (!model || busy || (!action && !stale)) return;
  busy = true;
  stale = false;
  await (action ?? predict)();
  busy = false;
}

function refresh() {
  stale = true;
  run(null);
}

// --- drawing --------------------------------------------------------------------------------------------------------

let colours;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["line", "grid", "text", "shade", "wall", "path", "truth"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function draw() {
  const {imageSize, digitSize} = sizes;
  const now = world.render(world.digits);
  const {frames, stddev} = prediction;
  const last = frames[frames.length - 1];
  const truth = $("truth").checked ? world.future(frames.length) : null;
  const middle = ({y, x}) => ({y: y + digitSize / 2, x: x + digitSize / 2});

  drawFrame($("stage"), now);
  if (world.held) {
    const digit = world.digits[world.held.digit];
    drawPath($("stage"), [middle(digit), middle(world.held)], imageSize, colours.path, {dashed: true, width: 0.015});
  }
  drawOverlay($("overlay"), last);
  tiles.forEach((tile, s) => {
    drawFrame(tile, last[s]);
    if (sizes.numDigits > 1) return; // the centre of several digits says little
    const path = [now, ...frames.map((samples) => samples[s])].map(centre);
    drawPath(tile, path, imageSize, colours.path);
  });
  if (truth) {
    const end = truth[truth.length - 1];
    world.digits.forEach((digit, n) => {
      const path = [digit, ...truth.map((future) => future[n])].map(middle);
      for (const canvas of [$("stage"), $("overlay")]) drawPath(canvas, path, imageSize, colours.truth, {width: 0.02});
      for (const canvas of [$("overlay"), ...tiles]) drawBox(canvas, end[n], digitSize, imageSize, colours.truth);
    });
  }
  const past = history.length ? history : [{value: stddev[0], turn: false}];
  drawChart($("chart"), past, stddev, HISTORY, colours);
  $("stddev").textContent = stddev[0].toFixed(2);
}

// --- controls -------------------------------------------------------------------------------------------------------

function seed() {
  return Math.trunc(Number($("seed").value)) || 0;
}

function setPaused(value) {
  paused = value;
  $("pause").textContent = paused ? "Play" : "Pause";
  $("pause").setAttribute("aria-pressed", String(paused));
}

function connectControls() {
  setPaused(paused);
  $("pause").onclick = () => setPaused(!paused);
  $("step").onclick = () => {
    setPaused(true);
    run(tick);
  };
  $("restart").onclick = () => {
    $("seed").value = String((seed() + 1) % 10000);
    restart();
    refresh();
  };
  const change = () => {
    $("ahead-text").textContent = $("ahead").value;
    world.seed = seed();
    refresh();
  };
  for (const id of ["ahead", "seed", "truth"]) $(id).oninput = change;
  change();
  window.onresize = refresh;
  matchMedia("(prefers-color-scheme: dark)").onchange = () => {
    readColours();
    refresh();
  };
}

/** Grabs, drags and throws a digit with the mouse or a finger; the arrow keys push it. */
function connectStage() {
  const stage = $("stage");
  let trace = []; // of the pointer in the last THROW_MS: {y, x, time}
  const locate = (event) => {
    const box = stage.getBoundingClientRect();
    const scale = sizes.imageSize / box.width;
    return {y: (event.clientY - box.top) * scale, x: (event.clientX - box.left) * scale, time: event.timeStamp};
  };
  const hold = (point) => {
    const start = point.time - THROW_MS;
    const before = trace.filter(({time}) => time <= start).pop(); // a pointer that rests sends no events
    trace = [...(before ? [{...before, time: start}] : []), ...trace.filter(({time}) => time > start), point];
    Object.assign(world.held, {y: point.y - sizes.digitSize / 2, x: point.x - sizes.digitSize / 2});
  };
  stage.onpointerdown = (event) => {
    const point = locate(event);
    chosen = world.nearest(point.y, point.x);
    world.held = {digit: chosen};
    trace = [];
    hold(point);
    stage.setPointerCapture(event.pointerId);
    setPaused(false);
  };
  stage.onpointermove = (event) => {
    if (world.held) hold(locate(event));
  };
  stage.onpointerup = stage.onpointercancel = (event) => {
    if (!world.held) return;
    hold(locate(event));
    const [first, last] = [trace[0], trace[trace.length - 1]];
    const frames = Math.max(1, ((last.time - first.time) * Number($("rate").value)) / 1000);
    world.throwDigit(world.held.digit, (last.y - first.y) / frames, (last.x - first.x) / frames);
    world.held = null;
  };
  stage.onkeydown = (event) => {
    const pushes = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
    if (event.key === " ") setPaused(!paused);
    else if (event.key === "Enter") $("step").click();
    else if (pushes[event.key]) {
      const {vy, vx} = world.digits[chosen];
      const [dy, dx] = pushes[event.key];
      if (Math.max(Math.abs(vy + dy), Math.abs(vx + dx)) <= sizes.maxSpeed) world.throwDigit(chosen, vy + dy, vx + dx);
      refresh();
    } else return;
    event.preventDefault();
  };
}

function setImage(image) {
  images[chosen] = image; // the world shows it in the past frames, too
  refresh();
}

/** Offers the digits to choose from, and a pad to draw one. */
function connectDigits() {
  digits.forEach((digit, i) => {
    const label = document.createElement("label");
    label.innerHTML = `<input type="radio" name="digit" aria-label="Test digit ${i + 1}"><canvas width="48" height="48"></canvas>`;
    const [input, canvas] = label.children;
    drawFrame(canvas, Float32Array.from(digit, (value) => value / 255));
    input.checked = i === 0;
    input.onchange = () => setImage(digit);
    $("digits").append(label);
  });

  const pad = $("pad");
  const pen = pad.getContext("2d", {willReadFrequently: true});
  Object.assign(pen, {strokeStyle: "white", lineWidth: pad.width * 0.14, lineCap: "round", lineJoin: "round"});
  const draw = (event) => {
    const box = pad.getBoundingClientRect();
    const scale = pad.width / box.width;
    pen.lineTo((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    pen.stroke();
  };
  pad.onpointerdown = (event) => {
    pad.setPointerCapture(event.pointerId);
    pen.beginPath();
    draw(event);
    draw(event); // a point
  };
  pad.onpointermove = (event) => {
    if (event.buttons) draw(event);
  };
  pad.onpointerup = () => {
    const image = digitFrom(pad, sizes);
    if (!image) return;
    setImage(image);
    for (const input of document.querySelectorAll("[name=digit]")) input.checked = false;
  };
  $("clear").onclick = () => pen.clearRect(0, 0, pad.width, pad.height);
}

// --- start ----------------------------------------------------------------------------------------------------------

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Returns the bytes of an element's content, which is gzip in base64. */
async function unpack(id) {
  const packed = new Blob([fromBase64($(id).textContent)]).stream();
  $(id).remove();
  return new Uint8Array(await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

async function start() {
  readColours();
  restart();
  connectControls();
  connectStage();
  connectDigits();
  model = await Model.load(await unpack("wasm"), await unpack("tflite"), sizes);
  await run(tick);
  $("status").hidden = true;
  document.body.classList.add("ready");
  window.playground = {model, sizes, tick, world: () => world, prediction: () => prediction, history: () => history};
  await loop();
}

start().catch((error) => {
  $("status").hidden = false;
  $("status").textContent = `The playground cannot run in this browser: ${error.message}`;
  throw error;
});
