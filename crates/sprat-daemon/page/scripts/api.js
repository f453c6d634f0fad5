// Requests to the daemon, and what it says when it refuses.

export const BASE = '/api/v1';

/** A refusal, or no answer. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 if nobody has answered.
   * @param {string} word
   * @param {string} message
   */
  constructor(status, word, message) {
    super(message);
    this.status = status;
    this.word = word;
  }
}

/** Called when the daemon wants a token first. */
/** @type {() => void} */
let askForToken = () => {};

/** @param {() => void} listener */
export function onUnauthorised(listener) {
  askForToken = listener;
}

/**
 * @template T
 * @param {string} method
 * @param {string} path Below the interface; its parts are encoded by {@link path}.
 * @param {unknown} [body]
 * @returns {Promise<T>}
 */
export async function request(method, path, body) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(BASE + path, {
      method,
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  } catch {
    throw new ApiError(0, 'unreachable', 'The daemon does not answer. Is it running?');
  }
  if (response.ok) {
    const text = await response.text();
    return text === '' ? /** @type {T} */ (undefined) : JSON.parse(text);
  }
  if (response.status === 401 && path !== '/login') askForToken();
  throw await refusal(response);
}

/** @param {Response} response */
async function refusal(response) {
  const text = await response.text();
  let said = { error: 'refused', message: text.trim() || `The daemon answered ${response.status}.` };
  try {
    said = { ...said, ...JSON.parse(text) };
  } catch {
    // Something before the daemon has answered, in its own words.
  }
  if (response.status === 429) {
    const wait = response.headers.get('retry-after');
    said.message += wait ? ` (try again in ${wait} s)` : '';
  }
  return new ApiError(response.status, said.error, said.message);
}

/**
 * @param {string} hash
 * @param {string} [rest]
 */
export function of(hash, rest = '') {
  return `/torrents/${encodeURIComponent(hash)}${rest}`;
}

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => request('GET', path);
/** @param {string} path @param {unknown} body @returns {Promise<any>} */
export const post = (path, body) => request('POST', path, body);
/** @param {string} path @param {unknown} body @returns {Promise<any>} */
export const patch = (path, body) => request('PATCH', path, body);
/** @param {string} path @param {unknown} body @returns {Promise<any>} */
export const put = (path, body) => request('PUT', path, body);

/** Requests under way at a time: a browser has six connections to a daemon, one of which has the events. */
const AT_A_TIME = 4;

/**
 * Asks something of each, a few at a time.
 * @template T, R
 * @param {T[]} all
 * @param {(one: T) => Promise<R>} ask
 * @returns {Promise<R[]>} In the same order.
 */
export async function each(all, ask) {
  /** @type {R[]} */
  const answers = [];
  const left = all.entries();
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
    for (const [at, one] of left) answers[at] = await ask(one);
  }));
  return answers;
}

/** Where a file can be read, also while it downloads. @param {string} hash @param {number} index */
export function contentAddress(hash, index) {
  return `${BASE}${of(hash, `/files/${index}/content`)}`;
}

/** A list of what can be played, for a player. @param {string} hash */
export function playlistAddress(hash) {
  return `${BASE}${of(hash, '/playlist.m3u8')}`;
}
