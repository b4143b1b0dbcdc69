import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { keyDownloads, reviewEvents } from '../../src/options/option-events.js';
import { serviceAccounts } from '../../src/options/authentication-options.js';
import { openid } from '../../src/options/openid-options.js';
import type { Option } from '../../src/options/option.js';
import { FilterMetrics } from '../../src/telemetry/filter-metrics.js';
import { RestClientMetrics, ReviewMetrics } from '../../src/telemetry/outgoing-metrics.js';
import { linesOf } from '../telemetry/series.js';

function setting() {
  const registry = new Registry();
  const lines: string[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${JSON.stringify(fields)} ${message}`);
  };
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const reviews = reviewEvents(logger, new ReviewMetrics(registry), new RestClientMetrics(registry));
  const telemetry = new FilterMetrics(registry);
  const downloadsOf = (option: Option) => keyDownloads(option, logger, telemetry);
  return { downloadsOf, reviews, lines, series: () => linesOf(registry) };
}

describe('downloads of keys', () => {
  const { oidcIssuerUrl } = openid.options;
  const flag = '--oidc-issuer-url';

  it('are logged when they begin to fail, fail in another way, and succeed again', async () => {
    const { downloadsOf, lines, series } = setting();
    const tell = downloadsOf(oidcIssuerUrl);
    const results = ['success', 'refused', 'refused', 'no answer', 'refused', 'success', 'success'];
    for (const result of results) {
      if (result === 'success') tell(result);
      else tell('failure', result);
    }
    const failed = (reason: string) =>
      `warn {"flag":"${flag}"} key download failed: ${reason}; the previous keys stay in force`;
    expect(lines).toEqual([
      ...['refused', 'no answer', 'refused'].map(failed),
      `info {"flag":"${flag}"} key downloads succeed again`,
    ]);
    expect(await series()).toEqual(
      expect.arrayContaining([
        `kcp_metrics_filter_key_downloads_total{flag="${flag}",result="success"} 3`,
        `kcp_metrics_filter_key_downloads_total{flag="${flag}",result="failure"} 4`,
      ]),
    );
  });

  it('of one flag say nothing of those of another', () => {
    const { downloadsOf, lines } = setting();
    const ofOther = downloadsOf(serviceAccounts.options.serviceAccountJwksUri);
    downloadsOf(oidcIssuerUrl)('failure', 'refused');
    ofOther('success');
    ofOther('failure', 'refused');
    expect(lines).toHaveLength(2);
  });
});

describe('reviews', () => {
  it.each([
    { reviewer: 'authn', of: 'tokens' },
    { reviewer: 'authz', of: 'access' },
  ] as const)(
    'of $of are counted as $reviewer; an outage is two lines, however long',
    async ({ reviewer, of }) => {
      const { reviews, lines, series } = setting();
      const { onReview } = reviews[of];
      for (let time = 0; time < 5; time += 1) {
        onReview({ result: 'error', message: 'https://host: no answer' });
      }
      reviews.tokens.onReview({ result: 'authenticated' });
      reviews.access.onReview({ result: 'allow' });
      reviews[of].onRequest({ code: '201', seconds: 1 });
      reviews[of].onUnasked('outage');
      reviews[of].onWarning('a warning');
      expect(lines).toEqual([
        `warn {"reviewer":"${reviewer}"} a review failed: https://host: no answer`,
        `info {"reviewer":"${reviewer}"} reviews succeed again`,
        `warn {"reviewer":"${reviewer}"} a warning`,
      ]);
      expect(await series()).toEqual(
        expect.arrayContaining([
          `kcp_metrics_filter_review_failures_total{type="${reviewer}"} 5`,
          `apiserver_delegated_${reviewer}_request_total{code="201"} 1`,
          `kcp_metrics_filter_reviews_not_asked_total{type="${reviewer}",cause="outage"} 1`,
        ]),
      );
    },
  );
});
