import { Expected } from './expected.js';
import type { LivePolicy } from './live-policy.js';
import type { Answer, Scraper } from './scrapers.js';
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
  const metrics: readonly Scraper[] = [
    {
      who: 'certificate',
      credentials: () => ({ certificate: clients.current.prometheus }),
      expected: always(200),
      judge: merged,
    },
    {
      who: 'certificate, gzip',
      credentials: () => ({
        certificate: clients.current.prometheus,
        headers: { 'Accept-Encoding': 'gzip' },
      }),
      expected: always(200),
      judge: (answer) =>
        answer.headers['content-encoding'] === 'gzip' ? merged(answer) : 'is not compressed',
    },
    {
      who: 'certificate, on new connections',
      credentials: () => ({ certificate: clients.current.prometheus }),
      expected: always(200),
      isFresh: true,
      judge: (answer) => merged(answer) ?? servedCertificateFault(answer, servedCertificate),
    },
    {
      who: 'certificate of an authority that is taken out',
      credentials: () => ({ certificate: clients.ofLate.prometheus }),
      expected: clients.late,
    },
    {
      who: 'token of a file',
      credentials: () => ({ headers: bearing(tokens.current) }),
      expected: always(200),
      judge: merged,
    },
    {
      who: 'token that is taken out of the file',
      credentials: () => ({ headers: bearing(tokens.ofLate) }),
      expected: tokens.late,
    },
    {
      who: 'service account',
      credentials: () => ({ headers: bearing(accounts.current.token) }),
      expected: always(200),
      judge: merged,
    },
    {
      who: 'service account of a key that is taken out',
      credentials: () => ({ headers: bearing(accounts.ofLate.token) }),
      expected: accounts.late,
    },
    {
      who: 'ID token',
      credentials: () => ({ headers: bearing(setting.idToken()) }),
      expected: always(200),
      judge: merged,
    },
    {
      who: 'behind a front proxy',
      credentials: () => ({ certificate: frontProxy, headers: { 'X-Remote-User': 'proxied' } }),
      expected: always(200),
      judge: merged,
    },
    {
      who: 'bound and unbound in the directory',
      credentials: () => ({ certificate: clients.current.bound }),
      expected: setting.bound,
    },
  ];
  const others: readonly Scraper[] = [
    {
      who: 'stranger, behind a front proxy',
      credentials: () => ({ certificate: frontProxy, headers: { 'X-Remote-User': 'nobody' } }),
      expected: always(403),
    },
    {
      who: 'stranger, who says that he is proxied',
      credentials: () => ({ certificate: clients.current.stranger, headers: { 'X-Remote-User': 'proxied' } }),
      expected: always(403),
    },
    { who: 'nobody', credentials: () => ({}), expected: always(401) },
    {
      who: 'certificate, at a workspace',
      path: '/clusters/root/metrics',
      credentials: () => ({ certificate: clients.current.prometheus }),
      expected: always(501),
    },
    { who: 'kubelet', path: '/livez', credentials: () => ({}), expected: always(200), isFresh: true },
    { who: 'load balancer', path: '/readyz', credentials: () => ({}), expected: always(200) },
    {
      who: 'observer of the filter',
      path: '/metrics/filter',
      credentials: () => ({ certificate: clients.current.observer }),
      expected: always(200),
      judge: untold,
    },
    {
      who: 'observer of the health checks',
      path: '/metrics/slis',
      credentials: () => ({ certificate: clients.current.observer }),
      expected: always(200),
      judge: untold,
    },
    {
      who: 'prometheus, at the metrics of the filter',
      path: '/metrics/filter',
      credentials: () => ({ certificate: clients.current.prometheus }),
      expected: always(403),
    },
  ];
  const byApiServer: readonly Scraper[] =
    live === undefined
      ? []
      : [
          {
            who: 'bound at the API server',
            credentials: () => ({ certificate: clients.current.liveSteady }),
            expected: always(200),
            judge: merged,
          },
          {
            who: 'bound and unbound at the API server',
            credentials: () => ({ certificate: clients.current.liveBound }),
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
