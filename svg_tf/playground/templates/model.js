// The exported model, run by LiteRT.js.

import {loadAndCompile, loadLiteRt, Tensor} from "@litertjs/core";

export class Model {
  /**
   * Loads the runtime and the model.
   * @param {Uint8Array} wasm LiteRT.js, compiled to WebAssembly
   * @param {Uint8Array} tflite a file of svg_tf.tflite.export.export_step
   * @param {object} sizes imageSize, samples, zDim, nPast
   */
  static async load(wasm, tflite, sizes) {
    const quiet = (line) => console.debug(line); // LiteRT prints information as errors
    self.Module = {wasmBinary: wasm, print: quiet, printErr: quiet};
    await loadLiteRt("data:text/javascript,//.js"); // an empty script: the page already has the loader
    return new Model(await loadAndCompile(tflite, {accelerator: "wasm"}), sizes);
  }

  constructor(compiled, sizes) {
    this.functions = compiled.signatures;
    this.sizes = sizes;
  }

  /**
   * Predicts the futures of a context.
   * @param {Float32Array[]} context the last nPast frames
   * @param {Float32Array} noise N(0, 1), [samples, nPast - 1 + frames, zDim]
   * @param {number} frames how many to predict
   * @returns {Promise<{frames: Float32Array[][], stddev: number[]}>} the frames [time][sample], and the standard
   *   deviation of the learned prior at each time, averaged over the samples and the dimensions of z
   */
  async predict(context, noise, frames) {
    const {imageSize, samples, nPast, zDim} = this.sizes;
    const pixels = new Float32Array(nPast * imageSize ** 2);
    context.forEach((frame, t) => pixels.set(frame, t * imageSize ** 2));
    const inputs = {
      context: new Tensor(pixels, [1, nPast, imageSize, imageSize, 1]),
      eps: new Tensor(this.slice(noise, 0, nPast - 1, frames), [samples, nPast - 1, zDim]),
    };
    let state = await this.functions.observe.run(inputs);
    release(inputs);
    const result = {frames: [], stddev: []};
    for (let t = nPast - 1; t < nPast - 1 + frames; t++) {
      const eps = new Tensor(this.slice(noise, t, t + 1, frames), [samples, zDim]);
      const {frame, prior_stddev, ...changed} = await this.functions.step.run({...state, eps});
      result.frames.push(split(frame.toTypedArray(), imageSize ** 2));
      result.stddev.push(mean(prior_stddev.toTypedArray()));
      release({eps, frame, prior_stddev});
      release(Object.fromEntries(Object.keys(changed).map((name) => [name, state[name]])));
      state = {...state, ...changed};
    }
    release(state);
    return result;
  }

  /** Returns the noise of the steps start to end - 1 of all samples. */
  slice(noise, start, end, frames) {
    const {samples, zDim, nPast} = this.sizes;
    const [row, length] = [(nPast - 1 + frames) * zDim, (end - start) * zDim];
    const part = new Float32Array(samples * length);
    for (let s = 0; s < samples; s++) {
      const from = s * row + start * zDim;
      part.set(noise.subarray(from, from + length), s * length);
    }
    return part;
  }
}

/** LiteRT.js tensors live outside the JavaScript heap and must be deleted by hand. */
function release(tensors) {
  for (const tensor of Object.values(tensors)) tensor.delete();
}

function split(values, size) {
  return Array.from({length: values.length / size}, (_, i) => values.slice(i * size, (i + 1) * size));
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
