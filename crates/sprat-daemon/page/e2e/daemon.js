// Daemons for tests: processes of `sprat daemon`, each with a home of its own.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Where Cargo has put the program. */
export function program() {
  const root = new URL('../../../../', import.meta.url).pathname;
  const target = process.env['CARGO_TARGET_DIR'] ?? join(root, 'target');
  const found = [process.env['SPRAT'], join(target, 'debug/sprat'), join(target, 'release/sprat')].find((path) => path && existsSync(path));
  return found ?? null;
}

export class Daemon {
  static async start() {
    const daemon = new Daemon(mkdtempSync(join(tmpdir(), 'sprat-page-')));
    mkdirSync(daemon.downloads);
    await daemon.run(0);
    return daemon;
  }

  /** @param {string} home */
  constructor(home) {
    this.home = home;
    /** Where its page is, with a slash at the end. */
    this.address = '';
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null;
  }

  /** @param {number} port Where its interface listens; 0 is anywhere. */
  async run(port) {
    const path = program();
    if (!path) throw new Error('the daemon is not built: cargo build -p sprat');
    // Peers and trackers of tests are on this machine.
    const settings = `
      paths = { state = "${join(this.home, 'state')}", downloads = "${this.downloads}" }
      peers = { port = 0, addresses = ["127.0.0.1"], dht = false, lsd = false }
      addresses = { allow_private = true }
      api = { listen = ["127.0.0.1:${port}"] }
      log = { level = "error" }`;
    const file = join(this.home, 'sprat.toml');
    writeFileSync(file, settings);
    const child = spawn(path, ['daemon', '--config', file, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    this.child = child;
    const ready = await new Promise((resolve, reject) => {
      lines.once('line', (line) => resolve(JSON.parse(line)));
      child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    });
    this.address = `http://${ready.listening[0]}/`;
  }

  /** Once more, with what it has kept, where it was. */
  async again() {
    await this.run(Number(new URL(this.address).port));
  }

  get downloads() {
    return join(this.home, 'downloads');
  }

  /** The owner's, which the daemon has made. */
  get token() {
    return readFileSync(join(this.home, 'state', 'token'), 'utf8').trim();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   */
  async ask(method, path, body) {
    const response = await fetch(`${this.address}api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** A cookie, as a login gives it. @param {string} [token] */
  async logIn(token = this.token) {
    const response = await fetch(`${this.address}api/v1/login`, {
      method: 'POST', body: JSON.stringify({ token }), headers: { 'content-type': 'application/json' },
    });
    const [cookie = ''] = response.headers.getSetCookie();
    const [name = '', value = ''] = cookie.split(';')[0]?.split('=') ?? [];
    if (!response.ok || value === '') throw new Error(`the login failed: ${response.status}`);
    return { name, value };
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
