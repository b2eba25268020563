// Draws frames, paths and the chart on canvases, and turns a drawn digit into an image as the data has them.

// Stops of the colour scale of summed futures, from none of them to all.
const HEAT = [[5, 4, 20], [74, 16, 106], [182, 42, 92], [246, 125, 42], [252, 236, 150]];

// Pixels of 32 bits for 256 brightnesses.
const GRAY = table((value) => [255 * value, 255 * value, 255 * value]);
const SUM = table((value) => {
  const x = value ** 0.7 * (HEAT.length - 1); // the power makes single futures visible
  const i = Math.min(Math.floor(x), HEAT.length - 2);
  return HEAT[i].map((low, channel) => low + (x - i) * (HEAT[i + 1][channel] - low));
});

const GRID = 0.2; // between two lines of the chart

const scratch = document.createElement("canvas");

function table(colour) {
  return Uint32Array.from({length: 256}, (_, i) => {
    const [red, green, blue] = colour(i / 255).map(Math.round);
    return 0xff000000 | (blue << 16) | (green << 8) | red;
  });
}

/** Draws a frame, floats [size * size] in [0, 1], over a whole canvas in sharp pixels. */
export function drawFrame(canvas, frame, colours = GRAY) {
  const size = Math.sqrt(frame.length);
  if (scratch.width !== size) scratch.width = scratch.height = size;
  const image = new ImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer);
  frame.forEach((value, i) => (pixels[i] = colours[Math.round(255 * Math.min(value, 1))]));
  scratch.getContext("2d").putImageData(image, 0, 0);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(scratch, 0, 0, canvas.width, canvas.height);
}

/** Draws the mean of frames in colours: bright where all futures are. */
export function drawOverlay(canvas, frames) {
  const sum = new Float32Array(frames[0].length);
  for (const frame of frames) frame.forEach((value, i) => (sum[i] += value / frames.length));
  drawFrame(canvas, sum, SUM);
}

/** Draws a line through points {y, x} in frame pixels, with a dot at its end. */
export function drawPath(canvas, points, frameSize, colour, {width = 0.03, dashed = false} = {}) {
  const scale = canvas.width / frameSize;
  const pen = canvas.getContext("2d");
  pen.save();
  pen.scale(scale, scale);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = width * frameSize * 0.5;
  pen.lineJoin = pen.lineCap = "round";
  if (dashed) pen.setLineDash([frameSize * 0.03, frameSize * 0.04]);
  pen.beginPath();
  for (const {y, x} of points) pen.lineTo(x, y);
  pen.stroke();
  const end = points[points.length - 1];
  pen.beginPath();
  pen.arc(end.x, end.y, width * frameSize, 0, 2 * Math.PI);
  pen.fill();
  pen.restore();
}

/** Draws a box around a digit at {y, x}. */
export function drawBox(canvas, {y, x}, digitSize, frameSize, colour) {
  const scale = canvas.width / frameSize;
  const pen = canvas.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = Math.max(2, scale * 0.25);
  pen.strokeRect(x * scale, y * scale, digitSize * scale, digitSize * scale);
}

/** Returns the centre of the light in a frame. */
export function centre(frame) {
  const size = Math.sqrt(frame.length);
  let [sum, y, x] = [1e-6, 0, 0];
  frame.forEach((value, i) => {
    sum += value;
    y += value * (Math.floor(i / size) + 0.5);
    x += value * ((i % size) + 0.5);
  });
  return {y: y / sum, x: x / sum};
}

/**
 * Draws the standard deviation of the prior over time.
 * @param {{value: number, turn: boolean}[]} past one entry for each past frame, the latest last
 * @param {number[]} ahead the same for the coming frames, as seen now
 * @param {number} length frames of the past that fit
 */
export function drawChart(canvas, past, ahead, length, colours) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const box = {left: 38, right: width - 8, top: 8, bottom: height - 20};
  const values = [...past.map((entry) => entry.value), ...ahead];
  const low = Math.floor(Math.min(...values) / GRID) * GRID;
  const high = Math.max(Math.ceil(Math.max(...values) / GRID) * GRID, low + 2 * GRID);
  const now = past.length - 1;
  const xOf = (t) => box.right - ((now + ahead.length - t) / (length + ahead.length)) * (box.right - box.left);
  const yOf = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);

  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.lineWidth = 1;
  for (let value = low; value < high + GRID / 2; value += GRID) {
    pen.strokeStyle = colours.grid;
    line(pen, [[box.left, yOf(value)], [box.right, yOf(value)]]);
    pen.fillStyle = colours.text;
    pen.textAlign = "right";
    pen.fillText(value.toFixed(1), box.left - 6, yOf(value));
  }
  pen.fillStyle = colours.shade;
  pen.fillRect(xOf(now), box.top, box.right - xOf(now), box.bottom - box.top);
  pen.fillStyle = colours.text;
  pen.textAlign = "center";
  pen.fillText("now", xOf(now), height - 8);
  past.forEach(({turn}, t) => {
    if (!turn) return;
    pen.fillStyle = colours.wall;
    pen.fillRect(xOf(t) - 1, box.top, 2, box.bottom - box.top);
  });
  pen.strokeStyle = colours.line;
  pen.lineWidth = 2;
  line(pen, past.map(({value}, t) => [xOf(t), yOf(value)]));
  pen.setLineDash([3, 3]);
  line(pen, [past[now].value, ...ahead].map((value, t) => [xOf(now + t), yOf(value)]));
  pen.setLineDash([]);
}

function line(pen, points) {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

/**
 * Turns a drawing into a digit as the data has them: cut out, centred, and reduced to the data's resolution.
 * @param {HTMLCanvasElement} canvas white strokes on black or on nothing
 * @param {object} sizes digitSize, sourceSize (width of the data's images), sourceFill (the part a digit fills)
 * @returns {Uint8Array | null} digitSize x digitSize, or null if nothing is drawn
 */
export function digitFrom(canvas, {digitSize, sourceSize, sourceFill}) {
  const {width, height} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[4 * (y * width + x) + 3] < 128) continue;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
  }
  if (right < 0) return null;
  const side = (Math.max(right - left, bottom - top) + 1) * (sourceSize / sourceFill);
  const [y0, x0] = [(top + bottom + 1 - side) / 2, (left + right + 1 - side) / 2];
  const source = new Float32Array(sourceSize ** 2);
  const cell = side / sourceSize;
  for (let i = 0; i < source.length; i++) {
    const [row, column] = [Math.floor(i / sourceSize), i % sourceSize];
    let sum = 0;
    for (let k = 0; k < 64; k++) { // the share of ink in a cell, from 8 x 8 points
      const y = Math.floor(y0 + (row + (Math.floor(k / 8) + 0.5) / 8) * cell);
      const x = Math.floor(x0 + (column + ((k % 8) + 0.5) / 8) * cell);
      if (y >= 0 && y < height && x >= 0 && x < width) sum += data[4 * (y * width + x) + 3];
    }
    source[i] = sum / 64;
  }
  return resize(source, sourceSize, digitSize);
}

/** Resizes a square image with Pillow's bilinear filter, as `load_digits` in svg_tf/data/digits.py does. */
export function resize(image, from, to) {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const weights = Array.from({length: to}, (_, i) => {
    const middle = (i + 0.5) * scale;
    const row = Array.from({length: from}, (_, j) => Math.max(0, 1 - Math.abs(j + 0.5 - middle) / support));
    const sum = row.reduce((a, b) => a + b);
    return row.map((weight) => weight / sum);
  });
  const pass = (values, at) => weights.map((row) => row.reduce((sum, weight, j) => sum + weight * values[at(j)], 0));
  const wide = Array.from({length: from}, (_, y) => pass(image, (x) => y * from + x).map(Math.round));
  const flat = wide.flat(); // [from, to]
  const columns = Array.from({length: to}, (_, x) => pass(flat, (y) => y * to + x)); // [to of x][to of y]
  return Uint8Array.from({length: to * to}, (_, i) => Math.round(columns[i % to][Math.floor(i / to)]));
}
