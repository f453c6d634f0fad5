// Which pieces there are, as the daemon says it. Pure.

/**
 * The share of pieces that are had in each of so many parts.
 * @param {Uint8Array} bits The first piece is the highest bit.
 * @param {number} count
 * @param {number} parts
 */
export function shares(bits, count, parts) {
  const shares = new Float32Array(parts);
  for (let part = 0; part < parts; part += 1) {
    const from = Math.floor((part * count) / parts);
    const to = Math.max(from + 1, Math.floor(((part + 1) * count) / parts));
    let have = 0;
    for (let piece = from; piece < Math.min(to, count); piece += 1) {
      have += ((bits[piece >> 3] ?? 0) >> (7 - (piece & 7))) & 1;
    }
    shares[part] = have / (to - from);
  }
  return shares;
}

/** @param {string} text Base64. */
export function decode(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
