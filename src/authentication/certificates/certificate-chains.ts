import type { X509Certificate } from 'node:crypto';
import { refused, type Refused } from '../authenticator.js';
import { holds, readCertificate, type Certificate, type PresentedCertificate } from './certificate.js';

/** From the leaf to a trusted authority, or the leaf alone if it is trusted itself. */
export type Chain = readonly [leaf: Certificate, ...authorities: Certificate[]];

type ChainSearch = { readonly kind: 'found'; readonly chains: readonly [Chain, ...Chain[]] } | Refused;

const clientAuth = '1.3.6.1.5.5.7.3.2';
const notSigned = 'certificate is not signed by a known authority';

/** Bounds of the work that any client can cause. */
const maxChainLength = 6;
const maxChains = 8;
const maxSteps = 512;
const maxSignatureChecks = 16;

/**
 * The chains from a leaf to trusted authorities that allow client authentication while all their certificates are
 * valid: time is not checked here. RFC 5280 as implemented by Go's x509.Verify, but name constraints are refused
 * instead of evaluated.
 *
 * Signatures are checked from the top down, and a certificate is parsed only after a trusted authority, or one parsed
 * the same way, has signed it: a certificate made up by a client is never parsed.
 */
export function findChains(
  leaf: PresentedCertificate,
  intermediates: readonly PresentedCertificate[],
  authorities: readonly Certificate[],
): ChainSearch {
  return new Search(authorities).from(leaf, intermediates);
}

/** By name and signature; whether the issuer may sign at all is another question. */
export function isSignedBy(x509: X509Certificate, issuer: X509Certificate): boolean {
  return x509.issuer === issuer.subject && holds(() => x509.verify(issuer.publicKey));
}

/** The authorities of clients that are among the others, renewed perhaps, or signed by one of these. */
export function vouchedFor(
  clients: readonly Certificate[],
  others: readonly Certificate[],
): readonly Certificate[] {
  return clients.filter(({ x509: client }) =>
    others.some(({ x509: other }) => {
      const isSame = other.subject === client.subject && other.publicKey.equals(client.publicKey);
      return isSame || isSignedBy(client, other);
    }),
  );
}

class Search {
  /** The authorities that signed a certificate and may do so, the trusted ones first. */
  readonly #issuers = new Map<Certificate, Certificate[]>();
  /** All signed certificates, by SHA-256. */
  readonly #signed = new Map<string, Certificate | 'unreadable'>();
  readonly #chains: Chain[] = [];
  #signatureChecks = 0;
  #steps = 0;
  /** What was wrong with the first authority that would otherwise have matched. */
  #fault: string | undefined;

  constructor(readonly authorities: readonly Certificate[]) {}

  from(presentedLeaf: PresentedCertificate, intermediates: readonly PresentedCertificate[]): ChainSearch {
    const trusted = this.#trusted(presentedLeaf);
    if (trusted === undefined) this.#descend(presentedLeaf, intermediates);
    const leaf = trusted ?? this.#signed.get(presentedLeaf.sha256Hex);
    if (leaf === 'unreadable') return refused('certificate cannot be read');
    if (leaf === undefined) return refused(this.#fault ?? notSigned);
    const fault = faultOf(leaf);
    if (fault !== undefined) return refused(`certificate ${fault}`);
    // No longer chain is valid for longer than this one.
    if (trusted !== undefined) return { kind: 'found', chains: [[trusted]] };
    this.#ascend([leaf]);
    const [first, ...others] = this.#chains;
    if (first !== undefined) return { kind: 'found', chains: [first, ...others] };
    return refused(this.#fault ?? notSigned);
  }

  #trusted({ sha256Hex }: PresentedCertificate): Certificate | undefined {
    return this.authorities.find((authority) => authority.sha256Hex === sha256Hex);
  }

  /** From the trusted authorities down to everything that they, and those below them, have signed. */
  #descend(leaf: PresentedCertificate, intermediates: readonly PresentedCertificate[]): void {
    const strangers = new Map([leaf, ...intermediates].map((presented) => [presented.sha256Hex, presented]));
    for (const { sha256Hex } of this.authorities) strangers.delete(sha256Hex);
    const issuers = new Set(this.authorities);
    // Iterating a set includes what is added meanwhile.
    for (const issuer of issuers) {
      for (const presented of strangers.values()) {
        const child = this.#childOf(issuer, presented);
        if (child !== undefined && child.sha256Hex !== leaf.sha256Hex) issuers.add(child);
      }
    }
    if (!this.#signed.has(leaf.sha256Hex)) this.#readUnlinked(leaf, issuers);
  }

  #childOf(issuer: Certificate, presented: PresentedCertificate): Certificate | undefined {
    if (presented.issuer !== issuer.x509.subject || presented.sha256Hex === issuer.sha256Hex)
      return undefined;
    const fault = faultAsIssuer(issuer);
    if (fault !== undefined) {
      this.#fault ??= `authority ${issuer.title} ${fault}`;
      return undefined;
    }
    if (!isLinked(presented, issuer) || !this.#isSigned(presented, issuer)) return undefined;
    const child = this.#read(presented);
    if (child === 'unreadable') return undefined;
    if (!child.hasStrongSignature) {
      this.#fault ??= `certificate ${child.title} is signed with a weak or unknown algorithm`;
      return undefined;
    }
    this.#issuers.set(child, [...(this.#issuers.get(child) ?? []), issuer]);
    return child;
  }

  /** For the reason only: OpenSSL names no issuer for a leaf with broken extensions. */
  #readUnlinked(leaf: PresentedCertificate, issuers: Iterable<Certificate>): void {
    for (const issuer of issuers) {
      if (leaf.issuer !== issuer.x509.subject || faultAsIssuer(issuer) !== undefined) continue;
      if (!isLinked(leaf, issuer) && this.#isSigned(leaf, issuer)) this.#read(leaf);
    }
  }

  #isSigned(presented: PresentedCertificate, issuer: Certificate): boolean {
    if (this.#signatureChecks >= maxSignatureChecks) return false;
    this.#signatureChecks += 1;
    return holds(() => presented.x509.verify(issuer.x509.publicKey));
  }

  /** Only for a signed certificate. */
  #read(presented: PresentedCertificate): Certificate | 'unreadable' {
    const { sha256Hex } = presented;
    const certificate = this.#signed.get(sha256Hex) ?? readCertificate(presented) ?? 'unreadable';
    this.#signed.set(sha256Hex, certificate);
    return certificate;
  }

  #ascend(path: Chain): void {
    const child = path.at(-1) ?? path[0];
    for (const issuer of this.#issuers.get(child) ?? []) {
      if (this.#steps >= maxSteps || this.#chains.length >= maxChains) return;
      this.#steps += 1;
      if (path.includes(issuer)) continue;
      const { pathLength, title } = issuer;
      if (pathLength !== undefined && path.length - 1 > pathLength) {
        this.#fault ??= `authority ${title} allows at most ${pathLength} intermediates below it`;
        continue;
      }
      const chain: Chain = [...path, issuer];
      if (this.#trusted(issuer) !== undefined) this.#chains.push(chain);
      else if (chain.length < maxChainLength) this.#ascend(chain);
    }
  }
}

/** Whether names and key identifiers link a certificate to an issuer. */
function isLinked({ x509 }: PresentedCertificate, issuer: Certificate): boolean {
  return holds(() => x509.checkIssued(issuer.x509));
}

function faultAsIssuer(issuer: Certificate): string | undefined {
  const fault = faultOf(issuer);
  if (fault !== undefined) return fault;
  const { isAuthority, maySignCertificates, hasNameConstraints } = issuer;
  if (!isAuthority) return 'is not a certificate authority';
  if (!maySignCertificates) return 'may not sign certificates';
  if (hasNameConstraints) return 'has name constraints, which are not supported';
  return undefined;
}

function faultOf({ unknownCriticalExtension, extendedKeyUsages }: Certificate): string | undefined {
  if (unknownCriticalExtension !== undefined) {
    return `has the unknown critical extension ${unknownCriticalExtension}`;
  }
  if (extendedKeyUsages?.includes(clientAuth) === false) return 'is not for client authentication';
  return undefined;
}
