// The browser, as a person uses it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';

/** Debian's Chromium, or another one that is named. */
export function chromium() {
  return [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
    .find((path) => path && existsSync(path)) ?? null;
}

export async function launch() {
  const executablePath = chromium();
  if (!executablePath) throw new Error('there is no chromium');
  return puppeteer.launch({
    executablePath,
    // As root, as in a container, Chromium has no sandbox of its own.
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-gpu', '--disable-dev-shm-usage', '--lang=en'],
  });
}

/**
 * A page of a daemon, with everything that it must never do counted as a fault.
 * @param {import('puppeteer-core').Browser} browser
 * @param {import('./daemon.js').Daemon} daemon
 * @param {object} [how]
 * @param {number} [how.width]
 * @param {number} [how.height]
 * @param {number} [how.scale]
 * @param {string | null} [how.token] Who is logged in: the owner unless it is said otherwise, or nobody.
 * @param {string} [how.address] Where the page is, if something stands before the daemon.
 */
export async function visit(browser, daemon, { width = 1280, height = 800, scale = 1, token = daemon.token, address = daemon.address } = {}) {
  const context = await browser.createBrowserContext();
  if (token !== null) await context.setCookie({ ...(await daemon.logIn(token)), domain: new URL(address).hostname, path: '/', httpOnly: true, sameSite: 'Strict' });
  const page = await context.newPage();
  /** @type {string[]} */
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error instanceof Error ? error.stack : error}`));
  page.on('console', (message) => {
    const text = message.text();
    // A refusal is an answer like others; the browser writes it down all the same.
    if (message.type() === 'error' && !text.includes('Failed to load resource')) faults.push(`console: ${text}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`a script of a torrent ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('data:')) faults.push(`elsewhere: ${request.url()}`);
  });
  if (process.env['PAGE_FROM_FOLDER']) await serveFolder(page, address);
  await page.setViewport({ width, height, deviceScaleFactor: scale, isMobile: width < 500, hasTouch: width < 500 });
  await inColours(page, 'light');
  await page.goto(address);
  return { page, faults, close: () => context.close() };
}

/**
 * Nothing slides in: while it did, it would not yet be where the test puts its finger.
 * @param {import('puppeteer-core').Page} page
 * @param {'light' | 'dark'} scheme
 */
export async function inColours(page, scheme) {
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
}

/**
 * For whoever works on the page: its files as they are now, not as they were compiled in.
 * @param {import('puppeteer-core').Page} page
 * @param {string} address
 */
async function serveFolder(page, address) {
  const folder = new URL('..', import.meta.url).pathname;
  const types = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', webmanifest: 'application/manifest+json' };
  const response = await fetch(address);
  const policy = response.headers.get('content-security-policy') ?? '';
  await page.setRequestInterception(true);
  page.on('request', (request) => {
    const path = request.url().startsWith(address) ? new URL(request.url()).pathname.slice(1) || 'index.html' : '';
    const file = join(folder, path);
    const type = /** @type {Record<string, string>} */ (types)[path.split('.').at(-1) ?? ''];
    if (!type || path.startsWith('api/') || !existsSync(file)) void request.continue();
    else void request.respond({ body: readFileSync(file), contentType: type, headers: { 'content-security-policy': policy } });
  });
}

/**
 * Pastes, as the keyboard does.
 * @param {import('puppeteer-core').Page} page
 * @param {string} text
 */
export async function paste(page, text) {
  await page.evaluate((pasted) => {
    const data = new DataTransfer();
    data.setData('text/plain', pasted);
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  }, text);
}

/**
 * Drops files.
 * @param {import('puppeteer-core').Page} page
 * @param {{ name: string, bytes: Uint8Array }[]} files
 */
export async function drop(page, files) {
  await page.evaluate((dropped) => {
    const data = new DataTransfer();
    for (const { name, text } of dropped) {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      data.items.add(new File([bytes], name, { type: 'application/x-bittorrent' }));
    }
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, files.map(({ name, bytes }) => ({ name, text: Buffer.from(bytes).toString('base64') })));
}

/**
 * Waits until something that is seen is so.
 * @param {import('puppeteer-core').Page} page
 * @param {string} what
 * @param {string} text
 */
export async function see(page, what, text) {
  try {
    await page.waitForFunction((selector, wanted) => [...document.querySelectorAll(selector)].some((element) =>
      element instanceof HTMLElement && element.checkVisibility() && element.textContent?.includes(wanted)), { timeout: 20_000 }, what, text);
  } catch {
    const there = await page.$$eval(what, (elements) => elements.map((element) => element.textContent));
    throw new Error(`“${text}” is not seen in ${what}; there is ${JSON.stringify(there)}`);
  }
}

/**
 * Writes into a field, in place of what is there.
 * @param {import('puppeteer-core').Page} page
 * @param {string} field
 * @param {string} text
 */
export async function fill(page, field, text) {
  await page.$eval(field, (input) => {
    if (input instanceof HTMLInputElement) input.select();
  });
  await page.type(field, text);
}

/**
 * Closes the uppermost dialog or menu by the keyboard, and waits until it is gone: the browser tells the page a moment later.
 * @param {import('puppeteer-core').Page} page
 */
export async function escape(page) {
  const open = await page.$$eval('dialog, .menu', (all) => all.length);
  await page.keyboard.press('Escape');
  await page.waitForFunction((before) => document.querySelectorAll('dialog, .menu').length < before, {}, open);
}

/**
 * Clicks on what says this.
 * @param {import('puppeteer-core').Page} page
 * @param {string} what
 * @param {string} text
 * @param {import('puppeteer-core').ClickOptions} [how]
 */
export async function click(page, what, text, how) {
  await see(page, what, text);
  for (const element of await page.$$(what)) {
    if ((await element.evaluate((one) => one.checkVisibility() && one.textContent))?.toString().includes(text)) {
      await element.click(how);
      return;
    }
  }
}
