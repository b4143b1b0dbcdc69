import { Expected } from './expected.js';
import type { LivePolicy } from './live-policy.js';
import type { Answer, Scraper } from './scrapers.js';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import type { Secrets } from '../support/secrets.js';
import { seriesOf, type Setting } from './setting.js';
import { holdsLastSeries } from './upstreams.js';

const always = (status: number): Expected<number> => new Expected(status);
const bearing = (token: string): Readonly<Record<string, string>> => ({ Authorization: `Bearer ${token}` });

/** Everybody who scrapes honestly, and what each has to get at any time. */
export function cast(
  setting: Setting,
  live: LivePolicy | undefined,
  secrets: Secrets,
  queueIsUp: Expected<boolean>,
): readonly Scraper[] {
  const { clients, tokens, accounts, frontProxy, servedCertificate } = setting;
  const merged = (answer: Answer): string | undefined => mergedFault(answer, queueIsUp);
  const untold = ({ body }: Answer): string | undefined =>
    secrets.foundIn(body).length > 0 ? 'tells a secret' : undefined;
  const presenting = (of: () => IssuedCertificate) => () => ({ certificate: of() });
  const prometheus = presenting(() => clients.current.prometheus);
  const observer = presenting(() => clients.current.observer);
  const proxied = (user: string) => () => ({ certificate: frontProxy, headers: { 'X-Remote-User': user } });
  const withToken = (of: () => string) => () => ({ headers: bearing(of()) });
  const served = { expected: always(200), judge: merged };
  const metrics: readonly Scraper[] = [
    { who: 'certificate', credentials: prometheus, ...served },
    {
      who: 'certificate, gzip',
      credentials: () => ({ ...prometheus(), headers: { 'Accept-Encoding': 'gzip' } }),
      expected: always(200),
      judge: (answer) =>
        answer.headers['content-encoding'] === 'gzip' ? merged(answer) : 'is not compressed',
    },
    {
      who: 'certificate, on new connections',
      credentials: prometheus,
      expected: always(200),
      isFresh: true,
      judge: (answer) => merged(answer) ?? servedCertificateFault(answer, servedCertificate),
    },
    {
      who: 'certificate of an authority that is taken out',
      credentials: presenting(() => clients.ofLate.prometheus),
      expected: clients.late,
    },
    { who: 'token of a file', credentials: withToken(() => tokens.current), ...served },
    {
      who: 'token that is taken out of the file',
      credentials: withToken(() => tokens.ofLate),
      expected: tokens.late,
    },
    { who: 'service account', credentials: withToken(() => accounts.current.token), ...served },
    {
      who: 'service account of a key that is taken out',
      credentials: withToken(() => accounts.ofLate.token),
      expected: accounts.late,
    },
    { who: 'ID token', credentials: withToken(() => setting.idToken()), ...served },
    { who: 'behind a front proxy', credentials: proxied('proxied'), ...served },
    {
      who: 'bound and unbound in the directory',
      credentials: presenting(() => clients.current.bound),
      expected: setting.bound,
    },
  ];
  const ofFilter = { path: '/metrics/filter', credentials: observer, expected: always(200), judge: untold };
  const others: readonly Scraper[] = [
    { who: 'stranger, behind a front proxy', credentials: proxied('nobody'), expected: always(403) },
    {
      who: 'stranger, who says that he is proxied',
      credentials: () => ({ ...proxied('proxied')(), certificate: clients.current.stranger }),
      expected: always(403),
    },
    { who: 'nobody', credentials: () => ({}), expected: always(401) },
    {
      who: 'certificate, at a workspace',
      path: '/clusters/root/metrics',
      credentials: prometheus,
      expected: always(501),
    },
    { who: 'kubelet', path: '/livez', credentials: () => ({}), expected: always(200), isFresh: true },
    { who: 'load balancer', path: '/readyz', credentials: () => ({}), expected: always(200) },
    { who: 'observer of the filter', ...ofFilter },
    { who: 'observer of the health checks', ...ofFilter, path: '/metrics/slis' },
    {
      who: 'prometheus, at the metrics of the filter',
      path: '/metrics/filter',
      credentials: prometheus,
      expected: always(403),
    },
  ];
  const byApiServer: readonly Scraper[] =
    live === undefined
      ? []
      : [
          {
            who: 'bound at the API server',
            credentials: presenting(() => clients.current.liveSteady),
            ...served,
          },
          {
            who: 'bound and unbound at the API server',
            credentials: presenting(() => clients.current.liveBound),
            expected: live.bound,
          },
        ];
  return [...metrics, ...byApiServer, ...others];
}

/** One upstream is there at all times; the other comes and goes. */
function mergedFault({ body, sentAt, answeredAt }: Answer, queueIsUp: Expected<boolean>): string | undefined {
  if (!holdsLastSeries(body, 'web', seriesOf.web)) return 'has not all of the upstream web';
  const hasQueue = holdsLastSeries(body, 'queue', seriesOf.queue);
  if (queueIsUp.between(sentAt, answeredAt).includes(hasQueue)) return undefined;
  return hasQueue ? 'has the upstream queue, which is gone' : 'has not all of the upstream queue';
}

function servedCertificateFault(
  { servedCertificate, sentAt, answeredAt }: Answer,
  expected: Expected<string>,
): string | undefined {
  const isRight =
    servedCertificate !== undefined && expected.between(sentAt, answeredAt).includes(servedCertificate);
  return isRight ? undefined : 'is served with another certificate than the one in the file';
}
