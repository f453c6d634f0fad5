// Torrents for tests: v1, made here, so that they can be called whatever a hostile one is.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** @typedef {import('./value.d.ts').Value} Value */

/** @param {Value} value @returns {Buffer} */
export function bencode(value) {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string' || value instanceof Uint8Array) {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')]);
  const keys = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.concat([Buffer.from('d'), ...keys.flatMap((key) => [bencode(key), bencode(value[key] ?? '')]), Buffer.from('e')]);
}

/** Bytes that look like nothing, the same each time. @param {number} seed @param {number} length */
export function noise(seed, length) {
  const bytes = Buffer.alloc(length);
  let state = seed | 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** A tone that a browser can play: WAV, 8 bits, 22,050 times a second. @param {number} seconds */
export function tone(seconds) {
  const rate = 22_050;
  const samples = noise(seconds, seconds * rate);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/**
 * @param {string} name
 * @param {{ path: string[], bytes: Buffer }[]} files One without a path is the torrent itself.
 * @param {{ pieceLength?: number, comment?: string, trackers?: string[], isPrivate?: boolean, createdBy?: string }} [how]
 */
export function make(name, files, { pieceLength = 16_384, comment, trackers = [], isPrivate = false, createdBy } = {}) {
  const all = Buffer.concat(files.map((file) => file.bytes));
  const pieces = [];
  for (let at = 0; at < all.length; at += pieceLength) {
    pieces.push(createHash('sha1').update(all.subarray(at, at + pieceLength)).digest());
  }
  const [first] = files;
  /** @type {Record<string, Value>} */
  const info = { name, 'piece length': pieceLength, pieces: Buffer.concat(pieces) };
  if (files.length === 1 && first?.path.length === 0) info['length'] = first.bytes.length;
  else info['files'] = files.map((file) => ({ length: file.bytes.length, path: file.path }));
  if (isPrivate) info['private'] = 1;
  /** @type {Record<string, Value>} */
  const torrent = { info };
  if (comment) torrent['comment'] = comment;
  if (createdBy) torrent['created by'] = createdBy;
  if (trackers[0]) {
    torrent['announce'] = trackers[0];
    torrent['announce-list'] = [trackers];
  }
  return { bytes: bencode(torrent), hash: createHash('sha1').update(bencode(info)).digest('hex') };
}

/**
 * @param {string} directory
 * @param {string} name
 * @param {{ path: string[], bytes: Buffer }[]} files
 */
export function lay(directory, name, files) {
  for (const file of files) {
    const path = join(directory, name, ...file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.bytes);
  }
}
