// The data's world: digits on a black canvas that move in straight lines and bounce off the walls.
// The rules are those of `walk` and `render` in svg_tf/data/moving_mnist.py.

import {bits} from "playground/noise.js";

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

export class World {
  /**
   * @param {object} sizes imageSize, digitSize, maxSpeed, nPast, stochastic
   * @param {Uint8Array[]} images one image of digitSize x digitSize for each digit
   * @param {number} seed of the start and of the bounces
   */
  constructor(sizes, images, seed) {
    this.sizes = sizes;
    this.seed = seed;
    this.span = sizes.imageSize - sizes.digitSize; // a digit's corner is at 0 to span - 1, as in the data
    this.frame = 0; // number of the next frame
    this.held = null; // {digit, y, x}: a digit on its way to the pointer
    this.images = images;
    this.past = []; // the digits in the last nPast frames
    this.digits = images.map((_, n) => ({
      y: bits(seed, -1, n, 0) % this.span,
      x: bits(seed, -1, n, 1) % this.span,
      vy: this.signed(bits(seed, -1, n, 2)),
      vx: this.signed(bits(seed, -1, n, 3)) || 1,
      hit: false,
    }));
    for (let t = 0; t < sizes.nPast; t++) this.step();
  }

  /** Moves on by one frame. */
  step() {
    const held = this.held?.digit;
    this.digits = this.digits.map((digit, n) => (n === held ? this.follow(digit) : this.move(digit, n, this.frame)));
    this.past = [...this.past, this.digits].slice(-this.sizes.nPast);
    this.frame += 1;
  }

  /** Returns a digit one frame later. A wall sets it back inside and gives it a new random velocity. */
  move(digit, n, frame) {
    let {y, x, vy, vx} = digit;
    const {maxSpeed, stochastic} = this.sizes;
    const last = this.span - 1;
    y += vy;
    x += vx;
    const [yHit, xHit] = [y < 0 || y > last, x < 0 || x > last];
    const draw = (i) => bits(this.seed, frame, n, i);
    const away = (position, i) => (position < 0 ? 1 : -1) * (1 + (draw(i) % maxSpeed));
    if (!stochastic) {
      [vy, vx] = [yHit ? -vy : vy, xHit ? -vx : vx];
    } else if (xHit) {
      [vy, vx] = [this.signed(draw(3)), away(x, 1)];
    } else if (yHit) {
      [vy, vx] = [away(y, 0), this.signed(draw(2))];
    }
    return {...digit, y: clamp(y, 0, last), x: clamp(x, 0, last), vy, vx, hit: yHit || xHit};
  }

  /** Moves a held digit towards the pointer, no faster than digits move in the data. */
  follow(digit) {
    const {maxSpeed} = this.sizes;
    const [targetY, targetX] = [clamp(this.held.y, 0, this.span - 1), clamp(this.held.x, 0, this.span - 1)];
    const vy = clamp(Math.round(targetY - digit.y), -maxSpeed, maxSpeed);
    const vx = clamp(Math.round(targetX - digit.x), -maxSpeed, maxSpeed);
    return {...digit, y: digit.y + vy, x: digit.x + vx, vy, vx, hit: false};
  }

  /** Gives a digit a velocity in pixels per frame, rounded and scaled down to the data's largest speed. */
  throwDigit(n, vy, vx) {
    const scale = Math.min(1, this.sizes.maxSpeed / Math.max(Math.abs(vy), Math.abs(vx), 1e-9));
    this.digits[n] = {...this.digits[n], vy: Math.round(vy * scale), vx: Math.round(vx * scale)};
  }

  /** Returns where the digits will be in the next frames, if nobody touches them. */
  future(frames) {
    const path = [this.digits];
    for (let t = 0; t < frames; t++) {
      path.push(path[t].map((digit, n) => this.move(digit, n, this.frame + t)));
    }
    return path.slice(1);
  }

  /** Returns the number of the digit closest to a point. */
  nearest(y, x) {
    const middle = this.sizes.digitSize / 2;
    const distances = this.digits.map((digit) => Math.hypot(digit.y + middle - y, digit.x + middle - x));
    return distances.indexOf(Math.min(...distances));
  }

  /** Returns the last nPast frames, the model's context. */
  context() {
    return this.past.map((digits) => this.render(digits));
  }

  /** Returns a frame: the sum of the digits, clipped, as floats in [0, 1]. */
  render(digits) {
    const {imageSize, digitSize} = this.sizes;
    const frame = new Float32Array(imageSize ** 2);
    digits.forEach(({y, x}, n) => {
      this.images[n].forEach((value, i) => {
        const at = (y + Math.floor(i / digitSize)) * imageSize + x + (i % digitSize);
        frame[at] = Math.min(1, frame[at] + value / 255);
      });
    });
    return frame;
  }

  signed(random) {
    return (random % (2 * this.sizes.maxSpeed + 1)) - this.sizes.maxSpeed;
  }
}
