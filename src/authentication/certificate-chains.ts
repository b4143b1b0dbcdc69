import type { Certificate } from './certificate.js';

/** From the leaf to an authority that is trusted, or the leaf alone if it is itself trusted. */
export type Chain = readonly [leaf: Certificate, ...authorities: Certificate[]];

export type ChainSearch =
  | { readonly kind: 'found'; readonly chains: readonly [Chain, ...Chain[]] }
  | { readonly kind: 'not-found'; readonly reason: string };

const clientAuth = '1.3.6.1.5.5.7.3.2';

/** Bounds for what a stranger can make us do. */
const maxChainLength = 6;
const maxChains = 8;
const maxSteps = 512;
const maxSignatureChecks = 64;

/**
 * The chains from a leaf to trusted authorities that are good for client authentication whenever all their
 * certificates are valid: time is not looked at here. RFC 5280 as Go's x509.Verify reads it, but name
 * constraints are refused instead of evaluated.
 */
export function findChains(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  authorities: readonly Certificate[],
): ChainSearch {
  const fault = faultOf(leaf);
  if (fault !== undefined) return { kind: 'not-found', reason: `certificate ${fault}` };
  return new Search(intermediates, authorities).from(leaf);
}

class Search {
  readonly #chains: Chain[] = [];
  readonly #signed = new Map<string, boolean>();
  #steps = 0;
  /** What was wrong with the first authority that otherwise would have done. */
  #fault: string | undefined;

  constructor(
    readonly intermediates: readonly Certificate[],
    readonly authorities: readonly Certificate[],
  ) {}

  from(leaf: Certificate): ChainSearch {
    if (this.authorities.some(({ sha256Hex }) => sha256Hex === leaf.sha256Hex)) this.#chains.push([leaf]);
    this.#extend([leaf]);
    const [first, ...others] = this.#chains;
    if (first !== undefined) return { kind: 'found', chains: [first, ...others] };
    return { kind: 'not-found', reason: this.#fault ?? 'certificate is not signed by a known authority' };
  }

  #extend(path: Chain): void {
    for (const authority of this.authorities) {
      if (!this.#canGoOn()) return;
      if (!this.#mayFollow(authority, path)) continue;
      const chain: Chain = [...path, authority];
      if (this.#isSigned(chain)) this.#chains.push(chain);
    }
    if (path.length + 1 >= maxChainLength) return;
    for (const intermediate of this.intermediates) {
      if (!this.#canGoOn()) return;
      if (this.#mayFollow(intermediate, path)) this.#extend([...path, intermediate]);
    }
  }

  #canGoOn(): boolean {
    return this.#steps < maxSteps && this.#chains.length < maxChains;
  }

  #mayFollow(issuer: Certificate, path: Chain): boolean {
    const child = path.at(-1) ?? path[0];
    if (child.x509.issuer !== issuer.x509.subject) return false;
    this.#steps += 1;
    if (path.some(({ sha256Hex }) => sha256Hex === issuer.sha256Hex)) return false;
    const fault = faultOfIssuer(issuer, path.length - 1) ?? faultOfSignature(child);
    if (fault === undefined) return child.x509.checkIssued(issuer.x509);
    this.#fault ??= fault;
    return false;
  }

  /** From the top, so that no key is used that nobody trusted has signed. */
  #isSigned(chain: Chain): boolean {
    let issuer: Certificate | undefined;
    for (const certificate of chain.toReversed()) {
      if (issuer !== undefined && !this.#isSignedBy(certificate, issuer)) return false;
      issuer = certificate;
    }
    return true;
  }

  #isSignedBy(child: Certificate, issuer: Certificate): boolean {
    const pair = `${child.sha256Hex} ${issuer.sha256Hex}`;
    const known = this.#signed.get(pair);
    if (known !== undefined) return known;
    if (this.#signed.size >= maxSignatureChecks) return false;
    const signed = hasValidSignature(child, issuer);
    this.#signed.set(pair, signed);
    return signed;
  }
}

function hasValidSignature(child: Certificate, issuer: Certificate): boolean {
  try {
    return child.x509.verify(issuer.x509.publicKey);
  } catch {
    return false;
  }
}

function faultOfIssuer(issuer: Certificate, intermediatesBelow: number): string | undefined {
  const fault = faultOf(issuer) ?? faultAsAuthority(issuer, intermediatesBelow);
  return fault === undefined ? undefined : `authority ${issuer.title} ${fault}`;
}

function faultAsAuthority(issuer: Certificate, intermediatesBelow: number): string | undefined {
  const { isAuthority, maySignCertificates, hasNameConstraints, pathLength } = issuer;
  if (!isAuthority) return 'is not a certificate authority';
  if (!maySignCertificates) return 'may not sign certificates';
  if (hasNameConstraints) return 'has name constraints, which are not supported';
  if (pathLength !== undefined && intermediatesBelow > pathLength) {
    return `allows at most ${pathLength} intermediates below it`;
  }
  return undefined;
}

function faultOfSignature({ hasStrongSignature, title }: Certificate): string | undefined {
  return hasStrongSignature ? undefined : `certificate ${title} is signed with a weak or unknown algorithm`;
}

function faultOf({ unknownCriticalExtension, extendedKeyUsages }: Certificate): string | undefined {
  if (unknownCriticalExtension !== undefined) {
    return `has the unknown critical extension ${unknownCriticalExtension}`;
  }
  if (extendedKeyUsages?.includes(clientAuth) === false) return 'is not for client authentication';
  return undefined;
}
