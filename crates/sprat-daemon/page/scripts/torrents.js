// The list of torrents as the daemon has it, kept up to date by what the stream says. Pure.

/** What the list needs to know of each. */
export const FIELDS = [
  'name', 'state', 'trouble', 'progress', 'size', 'wanted', 'left', 'downloaded', 'uploaded', 'ratio', 'download_rate',
  'upload_rate', 'eta', 'peers', 'seeds', 'known_peers', 'availability', 'label', 'tags', 'directory', 'added_at',
  'completed_at', 'active_at', 'position', 'is_forced', 'is_complete', 'is_private', 'has_metadata', 'sequential',
  'first_last', 'super_seeding', 'connection_limit', 'download_limit', 'upload_limit', 'seeding', 'has_given_enough', 'origin',
];

export class Torrents {
  constructor() {
    /** @type {Map<string, Torrent>} */
    this.byHash = new Map();
    this.cursor = '';
  }

  /**
   * What has changed, or everything.
   * @param {ListPage} page
   */
  apply(page) {
    const before = this.byHash;
    if (page.full) this.byHash = new Map();
    for (const torrent of page.torrents) {
      const known = before.get(torrent.hash);
      torrent.key = known && known.name === torrent.name ? known.key : torrent.name.toLowerCase();
      this.byHash.set(torrent.hash, torrent);
    }
    const returned = new Set(page.torrents.map((torrent) => torrent.hash));
    for (const hash of page.gone ?? []) {
      // Whoever was removed and added again is both gone and there.
      if (!returned.has(hash)) this.byHash.delete(hash);
    }
    this.cursor = page.cursor;
  }

  /** @param {string} hash */
  get(hash) {
    return this.byHash.get(hash);
  }

  all() {
    return [...this.byHash.values()];
  }

  get size() {
    return this.byHash.size;
  }

  /** What all of them move together. */
  rates() {
    let download = 0;
    let upload = 0;
    for (const torrent of this.byHash.values()) {
      download += torrent.download_rate;
      upload += torrent.upload_rate;
    }
    return { download, upload };
  }
}
