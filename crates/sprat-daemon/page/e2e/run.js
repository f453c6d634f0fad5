// The page in a real browser against `sprat daemon`. What is missing on this machine is said, and skipped.

import { chromium } from './browser.js';
import { program } from './daemon.js';

if (!chromium()) {
  console.log('skipped: chromium is not installed (apt-get install chromium, or CHROMIUM=path)');
} else if (!program()) {
  console.log('skipped: the daemon is not built (cargo build -p sprat)');
} else {
  const wanted = process.argv.slice(2);
  for (const name of ['login', 'life', 'stream', 'hostile', 'settings', 'tokens', 'feeds', 'keyboard', 'accessibility', 'many', 'looks']) {
    if (wanted.length === 0 || wanted.includes(name)) await import(`./${name}.js`);
  }
}
