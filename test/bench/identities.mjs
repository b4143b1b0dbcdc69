import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { median, percentile } from './measure.mjs';
import { duration } from './report.mjs';
import { issuer, signingKey } from './signed-tokens.mjs';
import { forked, startedFilter } from './started.mjs';

const perSecond = 1000;
const rounds = 8;
const roundMs = 1600;
const scrapeEveryMs = 8;
const goalRatio = 2;

/** What a flood of bad tokens does to a scraper with a certificate: the same server with and without it, in turns. */
export async function identitiesSection() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const key = signingKey('RS256');
  const authority = await createAuthority({ commonName: 'client-ca' });
  const client = await authority.issue({
    commonName: 'admin',
    organizations: ['system:masters'],
    usage: 'clientAuth',
  });
  const started = [];
  const flood = forked('identities-flood.mjs', started);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    rejectUnauthorized: false,
    cert: client.certificatePem,
    key: client.privateKeyPem,
  });
  try {
    const { port } = await startServer(directory, authority, key, started);
    const { algorithm, keyId } = key;
    flood.send({ port, key: { algorithm, keyId }, perSecond });
    await once(flood, 'message');
    const figures = { without: [], with: [] };
    const answers = {};
    await Promise.all([floodFor(flood, roundMs), scrapeFor(agent, port, roundMs)]);
    for (let round = 0; round < rounds; round += 1) {
      for (const kind of round % 2 === 0 ? ['without', 'with'] : ['with', 'without']) {
        const flooding = kind === 'with' ? floodFor(flood, roundMs) : undefined;
        figures[kind].push(await scrapeFor(agent, port, roundMs));
        for (const [status, count] of Object.entries((await flooding) ?? {})) {
          answers[status] = (answers[status] ?? 0) + count;
        }
      }
    }
    return {
      title: `Identities over TLS; p50 / p99 of a scrape with a certificate, medians of ${rounds} rounds in turns`,
      rows: rowsOf(figures, answers),
    };
  } finally {
    agent.destroy();
    const ended = started.map((child) => once(child, 'close'));
    for (const child of started) child.kill();
    await Promise.all(ended);
    rmSync(directory, { recursive: true });
  }
}

function rowsOf(figures, answers) {
  const at = (kind, rank) => median(figures[kind].map((times) => percentile(times, rank)));
  const shown = (kind) => `${duration(at(kind, 0.5) * 1e6)} / ${duration(at(kind, 0.99) * 1e6)}`;
  const ratio = at('with', 0.99) / at('without', 0.99);
  const refused = answers['401'] ?? 0;
  const rate = refused / ((rounds * roundMs) / 1000);
  const others = Object.keys(answers).filter((status) => status !== '401');
  if (others.length > 0) throw new Error(`bad tokens were answered ${others.join(', ')}`);
  return [
    { what: 'nobody else', figures: shown('without') },
    { what: `beside ${perSecond} bad tokens a second`, figures: shown('with') },
    {
      what: 'p99 beside them against without',
      figures: `${ratio.toFixed(2)} × (${Math.round(rate)} tokens a second answered 401)`,
      goal: `< ${goalRatio} ×, of ${perSecond} a second`,
      met: ratio < goalRatio && rate > 0.95 * perSecond,
    },
  ];
}

/** The command itself, with all it logs and counts. */
function startServer(directory, authority, key, started) {
  const write = (name, text) => {
    const file = join(directory, name);
    writeFileSync(file, text);
    return file;
  };
  const flags = [
    '--mode=shard',
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    `--client-ca-file=${write('clients.crt', authority.certificatePem)}`,
    `--service-account-key-file=${write('account.pub', key.publicPem)}`,
    `--service-account-issuer=${issuer}`,
  ];
  return startedFilter(flags, started);
}

async function floodFor(flood, forMs) {
  const told = once(flood, 'message');
  flood.send({ forMs });
  const [answers] = await told;
  return answers;
}

/** Milliseconds of each scrape, at a steady rate over one connection. */
async function scrapeFor(agent, port, forMs) {
  const times = [];
  const started = performance.now();
  for (let number = 0; performance.now() - started < forMs; number += 1) {
    const pause = number * scrapeEveryMs - (performance.now() - started);
    if (pause > 0) await setTimeout(pause);
    const begun = performance.now();
    await scrape(agent, port);
    times.push(performance.now() - begun);
  }
  return times;
}

function scrape(agent, port) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/metrics', agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`a scrape is ${response.statusCode}`));
      response.resume();
      response.once('end', resolve);
    })
      .once('error', reject)
      .end();
  });
}
