// Daemons for tests: processes of the example `serve`, each with a home of its own.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Where Cargo has put the example. */
export function program() {
  const root = new URL('../../../../', import.meta.url).pathname;
  const target = process.env['CARGO_TARGET_DIR'] ?? join(root, 'target');
  const found = [process.env['SPRAT_SERVE'], join(target, 'debug/examples/serve'), join(target, 'release/examples/serve')]
    .find((path) => path && existsSync(path));
  return found ?? null;
}

export class Daemon {
  /** @param {string[]} words */
  static async start(...words) {
    const path = program();
    if (!path) throw new Error('the example is not built: cargo build -p sprat-daemon --example serve');
    const home = mkdtempSync(join(tmpdir(), 'sprat-page-'));
    const child = spawn(path, ['--home', home, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    /** @type {string} */
    const address = await new Promise((resolve, reject) => {
      lines.once('line', resolve);
      child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    });
    return new Daemon(home, child, address);
  }

  /**
   * @param {string} home
   * @param {import('node:child_process').ChildProcess} child
   * @param {string} address
   */
  constructor(home, child, address) {
    this.home = home;
    this.child = child;
    this.address = address;
  }

  get downloads() {
    return join(this.home, 'downloads');
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   */
  async ask(method, path, body) {
    const response = await fetch(`${this.address}api/v1${path}`, {
      method, ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGINT');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 8000);
    await ended;
    clearTimeout(late);
    rmSync(this.home, { recursive: true, force: true });
  }
}
