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
    const daemon = new Daemon(mkdtempSync(join(tmpdir(), 'sprat-page-')));
    await daemon.run(words);
    return daemon;
  }

  /** @param {string} home */
  constructor(home) {
    this.home = home;
    this.address = '';
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null;
  }

  /** @param {string[]} words */
  async run(words) {
    const path = program();
    if (!path) throw new Error('the example is not built: cargo build -p sprat-daemon --example serve');
    const child = spawn(path, ['--home', this.home, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    this.child = child;
    this.address = await new Promise((resolve, reject) => {
      lines.once('line', resolve);
      child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    });
  }

  /** Once more, with what it has kept, where it was. */
  async again() {
    await this.run(['--port', new URL(this.address).port]);
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

  async end() {
    const { child } = this;
    if (!child) return;
    this.child = null;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    const late = setTimeout(() => child.kill('SIGKILL'), 8000);
    await ended;
    clearTimeout(late);
  }

  async stop() {
    await this.end();
    rmSync(this.home, { recursive: true, force: true });
  }
}
