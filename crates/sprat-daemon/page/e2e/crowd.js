// A daemon with a crowd of torrents that do not exist and change each second: what passes through here is the daemon's own, but for the
// stream of events.

import { request } from 'node:http';

const WORDS = ['Atlas', 'of', 'Northern', 'Birds', 'Field', 'Recordings', 'Volume', 'Lecture', 'Archive', 'Night', 'River', 'Maps'];

/** @type {TorrentState[]} */
const STATES = ['seeding', 'seeding', 'seeding', 'downloading', 'stopped', 'queued', 'checking', 'seeding'];

const LABELS = ['music', 'films', 'books', 'data'];

/** One of five changes each second. */
const CHANGING = 5;

/**
 * Where the page of this daemon shows the crowd.
 * @param {import('./daemon.js').Daemon} daemon
 * @param {import('./scene.js').Scene['serve']} serve
 * @param {number} count
 */
export async function crowd(daemon, serve, count) {
  const behind = new URL(daemon.address);
  const port = await serve((asked, answer) => {
    if (asked.url?.startsWith('/api/v1/events')) {
      tell(count, answer);
      return;
    }
    // The gate compares both with where it listens.
    const headers = { ...asked.headers, host: behind.host, ...(asked.headers.origin ? { origin: behind.origin } : {}) };
    const passed = request(new URL(asked.url ?? '/', behind), { method: asked.method ?? 'GET', headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  return `http://127.0.0.1:${port}/`;
}

/**
 * @param {number} count
 * @param {import('node:http').ServerResponse} answer
 */
function tell(count, answer) {
  answer.writeHead(200, { 'content-type': 'text/event-stream' });
  let tick = 0;
  const send = () => {
    const torrents = [];
    for (let number = 0; number < count; number += 1) if (tick === 0 || (number + tick) % CHANGING === 0) torrents.push(torrent(number, tick));
    /** @type {ListPage} */
    const page = { cursor: `1-${tick.toString(16)}`, full: tick === 0, gone: [], torrents };
    answer.write(`event: torrents\ndata: ${JSON.stringify(page)}\n\n`);
    tick += 1;
  };
  send();
  const timer = setInterval(send, 1000);
  answer.on('close', () => clearInterval(timer));
}

/**
 * @param {number} number
 * @param {number} tick
 * @returns {Torrent}
 */
function torrent(number, tick) {
  const word = (/** @type {number} */ place) => WORDS[Math.floor((number + 1) / WORDS.length ** place) % WORDS.length];
  const state = STATES[number % STATES.length] ?? 'stopped';
  const isComplete = state === 'seeding';
  const size = (number % 977 + 1) * 7_340_033;
  const progress = isComplete ? 1000 : (number * 37 + tick) % 1000;
  const rate = state === 'downloading' ? (number * 977 + tick * 131_071) % 4_000_000 : 0;
  return {
    hash: number.toString(16).padStart(40, '0'),
    name: `${word(0)} ${word(1)} ${word(2)} ${number}`,
    state,
    progress,
    size,
    wanted: size,
    left: size - Math.floor(size / 1000) * progress,
    downloaded: Math.floor(size / 1000) * progress,
    uploaded: Math.floor(size / 7) * (number % 13),
    ratio: (number % 13) / 7,
    download_rate: rate,
    upload_rate: isComplete ? (number * 31 + tick * 4099) % 900_000 : 0,
    ...(rate > 0 ? { eta: Math.floor(size / rate) } : {}),
    peers: number % 40,
    seeds: number % 17,
    known_peers: number % 90,
    ...(number % 3 === 0 ? { label: LABELS[number % LABELS.length] } : {}),
    tags: [],
    directory: '/srv/torrents',
    added_at: 1_790_000_000 - number * 3600,
    position: number,
    is_forced: false,
    is_complete: isComplete,
    is_private: number % 11 === 0,
    has_metadata: true,
    sequential: false,
    seeding: { ratio: 'inherit', seconds: 'inherit', idle_seconds: 'inherit' },
    has_given_enough: false,
    origin: 'api',
  };
}
