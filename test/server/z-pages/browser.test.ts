import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { zPagePaths } from '../../../src/paths/classify.js';
import { zPage, type ZPagePath, type ZPageSources } from '../../../src/server/z-pages/z-page.js';
import { isRequired } from '../../support/required.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { now, sources, status } from './page-sources.js';
import { pageSecurityPolicy } from '../../../src/server/z-pages/html-page.js';

const run = promisify(execFile);

const chromium = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** What the browser makes of a page. */
interface Look {
  readonly contentWidth: number;
  /** Least contrast of any text with what stands behind it, as WCAG reckons it. */
  readonly contrast: number;
  /** Where the Tab key leads, in order. */
  readonly stops: readonly string[];
  readonly hasVisibleFocus: boolean;
  readonly hasSkipLink: boolean;
  readonly unlabelledTables: number;
  readonly background: string;
}

/** Runs in the browser, beside the page in its frame. */
const measure = `
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {
  const page = frame.contentDocument;
  const styleOf = (element) => frame.contentWindow.getComputedStyle(element);
  const partsOf = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = partsOf(color).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = styleOf(at).backgroundColor;
      if (partsOf(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const contrasts = [...page.body.querySelectorAll('*')].flatMap((element) => {
    const [a, b] = [light(styleOf(element).color), light(behind(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
  const stops = [...page.querySelectorAll('a[href], button, input, select, textarea, [tabindex]')];
  const skip = page.querySelector('.skip');
  const focused = stops.map((stop) => {
    stop.focus();
    const { outlineStyle, outlineWidth } = styleOf(stop);
    const { left, right } = stop.getBoundingClientRect();
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && left >= 0 && right <= frame.clientWidth;
  });
  skip.focus();
  const look = {
    contentWidth: page.documentElement.scrollWidth,
    contrast: Math.min(...contrasts),
    stops: stops.filter(({ tabIndex }) => tabIndex === 0).map((stop) => stop.getAttribute('href')),
    hasVisibleFocus: focused.every(Boolean),
    hasSkipLink: page.querySelector(skip.getAttribute('href')) === page.querySelector('main'),
    unlabelledTables: [...page.querySelectorAll('table')].filter(({ caption }) => !caption?.textContent).length,
    background: styleOf(page.body).backgroundColor,
  };
  document.querySelector('pre').textContent = btoa(JSON.stringify(look));
});
frame.srcdoc = atob(frame.dataset.page);
`;

const long = '/etc/kubernetes/pki/'.repeat(10);
const wide: ZPageSources = {
  ...sources,
  paths: [...sources.paths, `/metrics/${'a'.repeat(200)}`],
  flags: () => [{ name: 'authentication-token-webhook-cache-unauthenticated-ttl', value: 'x'.repeat(500) }],
  status: () => ({
    ...status,
    certificates: [{ flag: '--requestheader-client-ca-file', file: long, expiresAt: now }],
    authenticators: [long],
    upstreams: [{ name: 'a'.repeat(100), url: `http://127.0.0.1${long}` }],
  }),
};

describe.skipIf(chromium === undefined && !isRequired)(
  'in a browser (skipped where there is no chromium)',
  () => {
    const directory = temporaryDirectory();

    /** Under the page's own Content-Security-Policy, in a frame as wide as the screen. */
    async function look(path: ZPagePath, width: number, scheme: 'light' | 'dark'): Promise<Look> {
      const policy = `<meta http-equiv="Content-Security-Policy" content="${pageSecurityPolicy}">`;
      const page = zPage(path, wide, 'text/html', now).body.replace('<head>', `<head>${policy}`);
      const file = directory.write(
        'frame.html',
        `<!doctype html><iframe data-page="${Buffer.from(page, 'latin1').toString('base64')}" style="border:0;width:${width}px;height:800px"></iframe><pre></pre><script>${measure}</script>`,
      );
      const { stdout } = await run(
        chromium ?? 'chromium',
        [
          '--headless',
          '--no-sandbox',
          '--disable-gpu',
          '--hide-scrollbars',
          `--user-data-dir=${directory.path}/profile`,
          `--blink-settings=preferredColorScheme=${scheme === 'dark' ? 0 : 1}`,
          '--virtual-time-budget=5000',
          '--window-size=1400,900',
          '--dump-dom',
          `file://${file}`,
        ],
        { timeout: 45_000 },
      );
      const [, result = ''] = /<pre>([^<]+)<\/pre>/.exec(stdout) ?? [];
      return JSON.parse(Buffer.from(result, 'base64').toString()) as Look;
    }

    it.each(zPagePaths.flatMap((path) => [[path, 360, 'light'] as const, [path, 1280, 'dark'] as const]))(
      '%s is as wide as a screen of %d px, legible in %s colours, and can be walked through by keyboard',
      { timeout: 60_000 },
      async (path, width, scheme) => {
        const seen = await look(path, width, scheme);
        expect(seen.contentWidth).toBe(width);
        expect(seen.contrast).toBeGreaterThan(4.5);
        expect(seen.background).toBe(scheme === 'dark' ? 'rgb(13, 17, 23)' : 'rgb(255, 255, 255)');
        expect(seen.stops.slice(0, 3)).toEqual(['#content', '/', '/statusz']);
        expect(seen).toMatchObject({ hasVisibleFocus: true, hasSkipLink: true, unlabelledTables: 0 });
      },
    );
  },
);
