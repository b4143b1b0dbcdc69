import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zPagePaths } from '../../../src/paths/classify.js';
import { zPage, type ZPageSources } from '../../../src/server/z-pages/z-page.js';
import { now, sources, status } from './page-sources.js';
import { pageSecurityPolicy } from '../../../src/server/z-pages/html-page.js';
import { anyCharacter } from '../../support/any-character.js';

const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';
const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const textOf = (path: '/statusz' | '/flagz', from: ZPageSources = sources): string =>
  zPage(path, from, '', now).body;
const htmlOf = (path: (typeof zPagePaths)[number], from: ZPageSources = sources): string =>
  zPage(path, from, browser, now).body;

describe('/statusz', () => {
  it('begins as Kubernetes does, and says in text how the process fares', () => {
    expect(textOf('/statusz')).toBe(`
kcp-metrics-filter statusz
${warning}

Started: 2026-11-21T10:58:59Z
Up: 1 hr 01 min 01 sec
Version: 1.2.3
Node.js version: ${process.version}
Mode: shard

Policy sources
  SOURCE  STATE                   AGE      HOLDS
  root    stale: connection lost  12m 34s  12 roles, 34 bindings
  cache   syncing, not in force   -        0 roles, 0 bindings

Certificates
  FILE                          EXPIRES               DAYS LEFT
  --tls-cert-file=/etc/tls.crt  2026-12-04T00:00:00Z  12
  --client-ca-file              unknown               unknown

Authenticators
  1. client-certificate
  2. token-file

Authorizers
  1. AlwaysAllowGroups
  2. RBAC

Refused requests
  REASON                     CODE  COUNT  LAST
  token-file: unknown token  401   2      2026-11-21T11:59:55Z (5s ago)

Upstreams
  NAME      ADDRESS
  /metrics  http://CLASSIFIED@127.0.0.1:8080/metrics?CLASSIFIED

Paths
  /                the paths of this server
  /statusz         the status of this process
  /flagz           its flags, with the values in force
  /metrics         the metrics
  /metrics/filter  other metrics
  /livez?verbose   whether the process is to be left running
  /readyz?verbose  whether it is to be sent requests
`);
  });

  it('says that there is none of what there is not', () => {
    const bare = { version: '1', mode: 'shard', startedAt: Number.NaN, authenticators: [], authorizers: [] };
    const text = textOf('/statusz', { component: 'app', status: () => bare, paths: ['/metrics'] });
    expect(text.match(/^ {2}none$/gm)).toHaveLength(6);
    expect(text).toContain('Started: unknown\nUp: 0 hr 00 min 00 sec\n');
    expect(text).not.toContain('flagz');
  });
});

describe('/flagz', () => {
  it('lists name=value by name as Kubernetes does, and nothing that may be a secret', () => {
    expect(textOf('/flagz')).toBe(
      `\nkcp-metrics-filter flagz\n${warning}\n\nbearer-token=CLASSIFIED\nconfig=\nmode=shard\nupstream=http://CLASSIFIED@127.0.0.1:8080\n`,
    );
  });
});

describe('/', () => {
  it("lists every path as Kubernetes' API servers do", () => {
    const { contentType, body } = zPage('/', sources, '*/*', now);
    expect(contentType).toBe('application/json');
    expect(body).toBe(
      '{\n  "paths": [\n    "/",\n    "/flagz",\n    "/livez",\n    "/metrics",\n    "/metrics/filter",\n    "/readyz",\n    "/statusz"\n  ]\n}',
    );
  });
});

describe('a page for a browser', () => {
  it.each(zPagePaths)('%s has a title, a language, landmarks, and tables with captions', (path) => {
    const html = htmlOf(path);
    for (const part of [
      '<!doctype html>',
      '<html lang="en">',
      '<title>kcp-',
      '<main id="content">',
      '<h1>',
    ]) {
      expect(html).toContain(part);
    }
    expect(html.match(/<table/g)?.length).toBe(html.match(/<caption>/g)?.length);
    expect(html.match(/<h1>/g)).toHaveLength(1);
    expect(html).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|javascript:|src=/i);
  });

  it('has the one style that its Content-Security-Policy names', () => {
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(htmlOf('/statusz')) ?? [];
    const digest = createHash('sha256').update(style).digest('base64');
    expect(pageSecurityPolicy).toBe(
      `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
  });
});

/** What might break out of a text, in any mixture. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.constantFrom(
        '<script>alert(1)</script>',
        '"><img src=x onerror=1>',
        "'",
        '&lt;',
        '\n',
        '\r',
        '\u2028',
      ),
      fc.constantFrom('\u001b[2J', '\u202e', '\ud800', '</style>', '<!--', ']]>', '\0', '//evil', '://u:p@h'),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

function hostileSources(value: string): ZPageSources {
  return {
    component: value,
    paths: ['/metrics', `/metrics/${value}`, value],
    flags: () => [{ name: value, value }],
    status: () => ({
      ...status,
      version: value,
      mode: value,
      policy: [
        {
          layer: value,
          state: 'stale',
          reason: value,
          ageMs: 1,
          inForce: true,
          clusterRoles: 0,
          clusterRoleBindings: 0,
        },
      ],
      certificates: [{ flag: value, file: value, expiresAt: Number.NaN }],
      authenticators: [value],
      authorizers: [value],
      refusals: [{ reason: value, code: 401, count: 1, lastAt: Infinity }],
      upstreams: [{ name: value, url: value }],
    }),
  };
}

/** The tags of a page, in order, with all their attributes but the two that hold values. */
const tagsOf = (html: string): readonly string[] =>
  (html.match(/<[^>]*>/g) ?? []).map((tag) => tag.replace(/ (?:href|data-column)="[^"<>]*"/g, ''));

describe('whatever a value holds', () => {
  it.each(zPagePaths)('the tags of %s are those of a harmless one', (path) => {
    const harmless = tagsOf(htmlOf(path, hostileSources('x')));
    fc.assert(
      fc.property(hostile, (value) => {
        // A value that is a path of the server's has a link, as it should.
        fc.pre(!/^\/(?:livez|readyz|metrics)?$/.test(value));
        const html = htmlOf(path, hostileSources(value));
        expect(tagsOf(html)).toEqual(harmless);
        for (const [, target = ''] of html.matchAll(/href="([^"]*)"/g))
          expect(target).toMatch(/^(?:\/(?![/\\])|#content$)/);
      }),
    );
  });

  it.each(['/statusz', '/flagz'] as const)('the text of %s has the lines of a harmless one', (path) => {
    const lines = textOf(path, hostileSources('x')).split('\n').length;
    fc.assert(
      fc.property(hostile, (value) => {
        const text = textOf(path, hostileSources(value));
        expect(text.split('\n')).toHaveLength(lines);
        expect(text).not.toMatch(/[^\P{Cc}\n]|[\u2028\u2029\u202e]/u);
      }),
    );
  });
});
