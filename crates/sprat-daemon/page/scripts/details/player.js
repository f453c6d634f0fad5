// Plays a file here while it downloads: what is watched next is fetched first. What the browser cannot play, a player can.

import { failed, note } from '../alerts.js';
import * as api from '../api.js';
import { copy } from '../clipboard.js';
import { show } from '../dialog.js';
import { el } from '../dom.js';
import { icon } from '../icons.js';

/**
 * @param {string} hash
 * @param {FileDetails} file
 * @param {'video' | 'audio'} kind
 */
export function play(hash, file, kind) {
  const address = api.contentAddress(hash, file.index);
  const problem = el('p', { class: 'hint', role: 'status' }, 'It is played while it comes; go anywhere in it.');
  const player = el(kind, { controls: true, autoplay: true, src: address, 'data-first': '', onerror: () => {
    problem.className = 'error';
    problem.textContent = 'This browser cannot play it. A player can: give it the playlist, or save the file.';
  } });
  const name = file.path.split('/').at(-1) ?? file.path;
  show({
    title: name,
    isWide: true,
    body: [player, problem, el('div', { class: 'buttons' },
      link(api.playlistAddress(hash), 'Playlist for a player', 'play', `${name}.m3u8`),
      link(address, 'Save', 'down', name),
      el('button', { type: 'button', onclick: () => void copyLink(hash, file).catch(failed) }, icon('copy'), 'Copy address for a player'))],
    closed: () => {
      player.pause();
      player.removeAttribute('src');
      player.load();
    },
  });
}

/**
 * An address that opens this file and nothing else, without a token: a player has none.
 * @param {string} hash
 * @param {FileDetails} file
 */
export async function copyLink(hash, file) {
  /** @type {{ url: string }} */
  const { url } = await api.get(api.of(hash, `/files/${file.index}/link`));
  await copy(url, 'The address', note);
}

/**
 * @param {string} href
 * @param {string} text
 * @param {string} picture
 * @param {string} download Under which name it is saved.
 */
function link(href, text, picture, download) {
  return el('a', { class: 'button', href, download }, icon(picture), text);
}
