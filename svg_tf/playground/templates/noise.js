// Random numbers as pure functions of integers, so that a seed and a frame number always give the same ones.

/** Mixes integers to 32 random bits (the finalizer is lowbias32 by C. Wellons). */
export function bits(...integers) {
  let hash = 0x9e3779b9;
  for (const integer of integers) {
    hash = Math.imul(hash ^ integer, 0x85ebca6b);
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x7feb352d);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x846ca68b);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

/** Returns a number from N(0, 1) (Box and Muller, 1958). */
export function normal(...integers) {
  const radius = Math.sqrt(-2 * Math.log((bits(...integers, 0) + 0.5) / 2 ** 32));
  return radius * Math.cos((2 * Math.PI * bits(...integers, 1)) / 2 ** 32);
}

/**
 * Returns the noise of all futures for consecutive frames, as [samples, frames, zDim].
 *
 * A future has the same noise for the same frame in every tick. It therefore changes only when the context does.
 */
export function noiseOf(seed, firstFrame, frames, samples, zDim) {
  const noise = new Float32Array(samples * frames * zDim);
  let i = 0;
  for (let s = 0; s < samples; s++) {
    for (let t = firstFrame; t < firstFrame + frames; t++) {
      for (let z = 0; z < zDim; z++) noise[i++] = normal(seed, s, t, z);
    }
  }
  return noise;
}
