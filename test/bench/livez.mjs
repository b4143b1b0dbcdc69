import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { probe } from './livez-prober.mjs';
import { median, percentile } from './measure.mjs';
import { forLocalhost } from './scraping-connections.mjs';

const scrapers = 10;
const pace = { everyMs: 10, milliseconds: 10_000 };
const goalMs = 25;
const token = 'b6c1d4f0a9e24b6c8d3e';
const authorization = `Bearer ${token}`;
const alike = Array.from({ length: scrapers }, () => ({ authorization }));
/** Who waits for another time shares with nobody. */
const apart = alike.map((headers, at) => ({
  ...headers,
  'x-prometheus-scrape-timeout-seconds': String(60 + at),
}));
/** `headers`: of each scraper. */
const cases = [
  { way: 'shared', what: 'nobody scrapes', headers: [], hasGoal: false },
  { way: 'shared', what: 'one rendering shared', headers: alike, hasGoal: true },
  { way: 'not shared', what: 'each rendered for itself, no bound', headers: apart, hasGoal: true },
  { way: 'prom-client', what: "prom-client's metrics() in a bare server", headers: alike, hasGoal: false },
];

/**
 * How soon a kubelet would be answered meanwhile: the server, the scrapers and whoever asks for `/livez` in a process
 * each.
 */
export async function livezSection() {
  const authority = await createAuthority({ commonName: 'serving-ca' });
  const serving = await authority.issue(forLocalhost);
  const tls = { certificate: serving.certificatePem, privateKey: serving.privateKeyPem };
  const rows = [];
  let scrapeBytes = 0;
  for (const { way, what, headers, hasGoal } of cases) {
    const { took, scrapes, refused, bytes } = await measure(way, headers, tls);
    const [p50, p99, longest] = [median(took), percentile(took, 0.99), Math.max(...took)];
    scrapeBytes = bytes;
    rows.push({
      what,
      figures: `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${longest.toFixed(1)} ms; ${scrapes} scrapes, ${refused} refused`,
      ...(hasGoal
        ? { goal: `p99 < ${goalMs} ms, none refused`, met: p99 < goalMs && refused === 0 && scrapes > 0 }
        : {}),
    });
  }
  return {
    title: `/livez over TLS, asked every ${pace.everyMs} ms for ${pace.milliseconds / 1000} s, while ${scrapers} scrape 100,000 series (${(scrapeBytes / 1e6).toFixed(1)} MB) again and again`,
    rows,
  };
}

async function measure(way, headers, tls) {
  const server = forked('livez-server.mjs');
  const clients = forked('livez-scrapers.mjs');
  try {
    const { port } = await answerOf(server, { ...tls, tokens: `${token},prometheus,1,monitoring`, way });
    await answerOf(clients, { port, headers });
    const before = await answerOf(clients, 'figures');
    const took = await probe(port, pace);
    const { scrapes, refused, bytes } = await answerOf(clients, 'figures');
    return { took, bytes, scrapes: scrapes - before.scrapes, refused: refused - before.refused };
  } finally {
    clients.kill();
    server.kill();
  }
}

function forked(file) {
  return fork(fileURLToPath(new URL(file, import.meta.url)));
}

function answerOf(child, message) {
  return new Promise((resolve, reject) => {
    const onExit = () => {
      reject(new Error('a process of the benchmark ended'));
    };
    child.once('exit', onExit);
    child.once('message', (answer) => {
      child.off('exit', onExit);
      resolve(answer);
    });
    child.send(message);
  });
}
