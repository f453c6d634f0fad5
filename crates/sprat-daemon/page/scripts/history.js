// How fast it went: one sample a second, of everything and of each torrent that moves. Pure.

/** Ten minutes. */
const SAMPLES = 600;

/** Who moved longest ago is forgotten for another one. */
const SERIES = 300;

/** @typedef {{ download: number, upload: number }} Sample */

export class History {
  constructor() {
    /** @type {Sample[]} */
    this.total = [];
    /** @type {Map<string, Sample[]>} */
    this.of = new Map();
  }

  /**
   * A second has passed.
   * @param {Iterable<Torrent>} torrents
   */
  sample(torrents) {
    const total = { download: 0, upload: 0 };
    const seen = new Set();
    for (const { hash, download_rate: download, upload_rate: upload } of torrents) {
      total.download += download;
      total.upload += upload;
      const series = this.of.get(hash);
      if (series) {
        seen.add(hash);
        push(series, { download, upload });
      } else if (download > 0 || upload > 0) {
        seen.add(hash);
        if (this.of.size < SERIES) this.of.set(hash, [{ download, upload }]);
      }
    }
    for (const [hash, series] of this.of) {
      const isQuiet = series.every((one) => one.download === 0 && one.upload === 0);
      if (!seen.has(hash) || isQuiet) this.of.delete(hash);
    }
    push(this.total, total);
  }

  /** @param {string} hash */
  get(hash) {
    return this.of.get(hash) ?? [];
  }
}

/**
 * @param {Sample[]} series
 * @param {Sample} sample
 */
function push(series, sample) {
  series.push(sample);
  if (series.length > SAMPLES) series.shift();
}
