// Icons, drawn here on a grid of 20: strokes, so that they take the colour and weight of the text beside them.

const SVG = 'http://www.w3.org/2000/svg';

/** @type {Record<string, string>} */
const PATHS = {
  add: 'M10 4v12M4 10h12',
  start: 'M6.5 4.5v11l9-5.5z',
  force: 'M4 5v10l6-5zM10.5 5v10l6-5z',
  stop: 'M7 5v10M13 5v10',
  remove: 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6M8.7 9v4.5M11.3 9v4.5',
  more: 'M9.4 4.6a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0M9.4 10a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0M9.4 15.4a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0',
  search: 'M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4M12.8 12.8L17 17',
  sun: 'M10 6.7a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6M10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.4 4.4l1 1M14.6 14.6l1 1M15.6 4.4l-1 1M5.4 14.6l-1 1',
  moon: 'M16 12.2A6.7 6.7 0 0 1 7.8 4 6.7 6.7 0 1 0 16 12.2z',
  settings: 'M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4',
  bell: 'M5.5 14V9a4.5 4.5 0 0 1 9 0v5l1.3 1.2H4.2zM8.5 17h3',
  menu: 'M3 5.5h14M3 10h14M3 14.5h14',
  close: 'M5 5l10 10M15 5L5 15',
  down: 'M10 4v11M5.5 10.8L10 15.3l4.5-4.5',
  up: 'M10 16V5M5.5 9.2L10 4.7l4.5 4.5',
  check: 'M4.5 10.5l3.8 3.8 7.2-8.3',
  clock: 'M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.5V10l2.5 2',
  refresh: 'M15.5 8A6 6 0 0 0 4.7 7.2M4.5 12a6 6 0 0 0 10.8.8M4.5 4v3.5H8M15.5 16v-3.5H12',
  warning: 'M10 3.5l7 12.5H3zM10 8.5v3.5M10 14v.1',
  magnet: 'M5 4v6a5 5 0 0 0 10 0V4h-3v6a2 2 0 0 1-4 0V4zM5 7h3M12 7h3',
  folder: 'M3 6v9.5h14V7H9.5L8 5H3z',
  file: 'M6 3h5.5L15 6.5V17H6zM11 3.5V7h3.5',
  play: 'M5 4.5h10v11H5zM8.8 7.6v4.8l3.6-2.4z',
  tag: 'M3.5 4v5.5l7 7 6-6-7-7H4zM6.8 7.2v.1',
  all: 'M4 5.5h12M4 10h12M4 14.5h12',
  active: 'M3 10h3.5l2-5 3 10 2-5H17',
  moving: 'M3 6v9.5h14V7H9.5L8 5H3zM8 11.3h4.5M11 9.5l1.8 1.8-1.8 1.8',
  lock: 'M5.5 9h9v7.5h-9zM7.5 9V6.5a2.5 2.5 0 0 1 5 0V9',
  chevron: 'M7.5 5l5 5-5 5',
  columns: 'M4 4.5h12v11H4zM8 4.5v11M12 4.5v11',
  logout: 'M12 4H4.5v12H12M8.5 10H17M14 7l3 3-3 3',
  feed: 'M4.5 4.5a11 11 0 0 1 11 11M4.5 9.5a6 6 0 0 1 6 6M4.5 14.4a.9.9 0 1 0 1.8 0 .9.9 0 1 0-1.8 0',
  sort: 'M6 4.5v11M3 12.5l3 3 3-3M14 15.5v-11M11 7.5l3-3 3 3',
  key: 'M7 8.5a3.5 3.5 0 1 0 0 3h9.5v2.5M13.5 11.5v2',
  copy: 'M7 6.5V4h9v9h-2.5M4 7h9v9H4z',
  disk: 'M4 13l2-8h8l2 8v3H4zM4 13h12M13.3 14.6v.1',
};

/** @type {Record<string, string>} */
export const GROUP_ICONS = {
  all: 'all', active: 'active', downloading: 'down', seeding: 'up', complete: 'check', incomplete: 'clock',
  fetching_metadata: 'magnet', checking: 'refresh', moving: 'moving', queued: 'clock', stopped: 'stop', trouble: 'warning',
};

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(SVG, 'path');
  svg.append(path);
  draw(svg, name);
  return svg;
}

/**
 * Another picture in the same place.
 * @param {SVGElement} svg
 * @param {string} name
 */
export function draw(svg, name) {
  svg.firstElementChild?.setAttribute('d', PATHS[name] ?? '');
}
