// Torrents for tests.

/**
 * @param {string} hash
 * @param {Partial<Torrent>} [rest]
 * @returns {Torrent}
 */
export function torrent(hash, rest = {}) {
  return {
    hash, name: hash, state: 'seeding', progress: 1000, size: 1, wanted: 1, left: 0, downloaded: 0, uploaded: 0, ratio: 0,
    download_rate: 0, upload_rate: 0, peers: 0, seeds: 0, known_peers: 0, tags: [], directory: '/', added_at: 0, position: 0,
    is_forced: false, is_complete: true, is_private: false, has_metadata: true, sequential: false,
    seeding: { ratio: 'inherit', seconds: 'inherit', idle_seconds: 'inherit' }, has_given_enough: false, origin: 'api', ...rest,
  };
}
