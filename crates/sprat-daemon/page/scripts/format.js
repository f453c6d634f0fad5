// Numbers, in words for people. Pure.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/**
 * Bytes: three digits and a unit.
 * @param {number} bytes
 */
export function size(bytes) {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1000 is one of the next unit: "0.98 GiB" rather than "1003 MiB".
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/**
 * Bytes per second; nothing for none, so that a column of rates shows at a glance what moves.
 * @param {number} bytes
 */
export function rate(bytes) {
  return bytes > 0 ? `${size(bytes)}/s` : '';
}

/**
 * Seconds: the two greatest units.
 * @param {number | null | undefined} seconds
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '';
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return minutes < 10 && whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  if (days < 365) return hours % 24 && days < 30 ? `${days} d ${hours % 24} h` : `${days} d`;
  const years = Math.floor(days / 365);
  return years > 99 ? '> 99 years' : `${years} y ${days % 365} d`;
}

/**
 * Thousandths; never 100 % before it is all.
 * @param {number} permille
 */
export function percent(permille) {
  if (permille >= 1000) return '100 %';
  const value = Math.min(99.9, Math.floor(permille) / 10);
  return `${value.toFixed(1)} %`;
}

/** @param {number} value */
export function ratio(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/**
 * A number with its noun.
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/**
 * A moment in seconds since 1970, by the calendar of whoever looks.
 * @param {number | null | undefined} seconds
 */
export function date(seconds) {
  if (!seconds) return '';
  const moment = new Date(seconds * 1000);
  if (Number.isNaN(moment.getTime())) return '';
  return moment.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/**
 * The day of a moment.
 * @param {number | null | undefined} seconds
 */
export function day(seconds) {
  if (!seconds) return '';
  const moment = new Date(seconds * 1000);
  return Number.isNaN(moment.getTime()) ? '' : moment.toLocaleDateString('en-GB', { dateStyle: 'medium' });
}

/** @type {Record<TorrentState, string>} */
export const STATES = {
  downloading: 'Downloading',
  seeding: 'Seeding',
  fetching_metadata: 'Fetching metadata',
  checking: 'Checking',
  moving: 'Moving',
  queued: 'Queued',
  stopped: 'Stopped',
  trouble: 'Trouble',
};
