// Rates and times as people write them, and back: “500 KiB/s”, “14 d”, “90 min”. The units are those of the daemon’s settings. Pure.

/** @type {[string, number][]} */
const SIZES = [['TiB', 2 ** 40], ['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10], ['B', 1]];

/** @type {[string, number][]} */
const SPANS = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];

/**
 * Bytes per second. Short forms of units are understood (“2 M”, “500k”); a number alone is not, as one cannot know what is meant.
 * @param {string} text
 * @returns {number | null} None if nothing is written.
 */
export function readRate(text) {
  if (text.trim() === '') return null;
  const [, number = '', letter = ''] = /^\s*(\d+(?:[.,]\d+)?)\s*([bkmgt])(?:i?b)?\s*(?:\/\s*s)?\s*$/i.exec(text) ?? [];
  const unit = SIZES.find(([name]) => name.startsWith(letter.toUpperCase()) && letter !== '');
  const value = Math.round(Number(number.replace(',', '.')) * (unit?.[1] ?? 0));
  if (!unit || !Number.isSafeInteger(value) || value < 1) throw new Error(`“${text.trim()}” is no rate. Write it as 500 KiB/s or 2 MiB/s.`);
  return value;
}

/**
 * Seconds.
 * @param {string} text
 */
export function readSpan(text) {
  const [, number = '', word = ''] = /^\s*(\d+(?:[.,]\d+)?)\s*(d|h|min|s)[a-z]*\s*$/i.exec(text) ?? [];
  const unit = SPANS.find(([name]) => name === word.toLowerCase());
  const value = Math.round(Number(number.replace(',', '.')) * (unit?.[1] ?? 0));
  if (!unit || !Number.isSafeInteger(value)) throw new Error(`“${text.trim()}” is no time. Write it as 90 min, 12 h or 14 d.`);
  return value;
}

/** @param {number} bytes Per second. */
export function writeRate(bytes) {
  return `${inUnits(bytes, SIZES)}/s`;
}

/** @param {number} seconds */
export function writeSpan(seconds) {
  return inUnits(seconds, SPANS);
}

/**
 * In the largest unit of which it is a multiple of a tenth, so that what is read again is the same.
 * @param {number} value
 * @param {[string, number][]} units
 */
function inUnits(value, units) {
  const [name, size] = units.find(([, one]) => value >= one && (value * 10) % one === 0) ?? units[units.length - 1] ?? ['', 1];
  return `${value / size} ${name}`;
}
