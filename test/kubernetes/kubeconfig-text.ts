type Members = Readonly<Record<string, unknown>>;

export interface KubeconfigParts {
  readonly cluster: Members;
  /** Without it, the context has no user. */
  readonly user?: Members;
}

/** A kubeconfig with one context, as JSON, which is YAML. */
export function kubeconfigText({ cluster, user }: KubeconfigParts): string {
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'root',
      contexts: [
        { name: 'other', context: { cluster: 'missing', user: 'missing' } },
        { name: 'root', context: { cluster: 'kcp', ...(user === undefined ? {} : { user: 'scraper' }) } },
      ],
      clusters: [{ name: 'kcp', cluster }],
      ...(user === undefined ? {} : { users: [{ name: 'scraper', user }] }),
    },
    null,
    2,
  );
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
