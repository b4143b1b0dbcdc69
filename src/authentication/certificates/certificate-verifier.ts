import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { refused, type PeerCertificates, type Refused } from '../authenticator.js';
import { findChains, type Chain } from './certificate-chains.js';
import { parseCertificateBundle, presentedCertificate, type Certificate } from './certificate.js';
import { aFunction, checkOptions, must, optional } from '../../option-checks.js';

export interface VerifiedCertificate {
  readonly kind: 'verified';
  /** The last CN; empty without one. */
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Of the DER, lower-case. */
  readonly sha256Hex: string;
}

/** `VerifiedCertificate` is the same frozen object as long as the certificate is remembered. */
type CertificateVerification = VerifiedCertificate | Refused;

export interface CertificateVerifierOptions {
  /** PEM bundle of the trusted authorities. */
  readonly authorities: string | Buffer;
  /** Milliseconds since the epoch; default Date.now. */
  readonly now?: () => number;
}

const maxPresented = 8;
const maxRemembered = 1024;

interface Validity {
  /** `certificate`, or `authority "…"`. */
  readonly holder: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

interface Trusted {
  readonly kind: 'trusted';
  readonly verified: VerifiedCertificate;
  readonly chains: readonly (readonly Validity[])[];
}

/**
 * Verifies client certificates against trusted authorities, for requests on connections that may live longer than the
 * certificate: chains are found once per connection, and their validity is checked at every request.
 * Revocation is not checked, as in Kubernetes.
 */
export class CertificateVerifier {
  readonly #authorities: readonly Certificate[];
  readonly #now: () => number;
  readonly #byConnection = new WeakMap<PeerCertificates, Trusted | Refused>();
  /** By the leaf's SHA-256: a resumed TLS session has only the leaf, and the intermediates of its full handshake. */
  readonly #byLeaf = new LRUCache<string, Trusted>({ max: maxRemembered });

  /** @throws CertificateBundleError when the bundle holds no certificate, or one that cannot be read. */
  constructor({ authorities, now = Date.now }: CertificateVerifierOptions) {
    this.#authorities = parseCertificateBundle(authorities);
    this.#now = now;
  }

  /** Never throws. A reason is for the operator's log and holds no secret. */
  verify(peer: PeerCertificates): CertificateVerification {
    const now = this.#now();
    let finding = this.#byConnection.get(peer);
    if (finding === undefined) {
      finding = this.#find(peer, now);
      this.#byConnection.set(peer, finding);
    }
    if (finding.kind === 'refused') return finding;
    return isValid(finding, now) ? finding.verified : refused(lapse(finding, now));
  }

  #find({ chain }: PeerCertificates, now: number): Trusted | Refused {
    if (chain.length > maxPresented) return refused(`more than ${maxPresented} certificates presented`);
    const [leaf, ...intermediates] = chain;
    const sha256Hex = hash('sha256', leaf);
    const remembered = this.#byLeaf.get(sha256Hex);
    if (remembered !== undefined && isValid(remembered, now)) return remembered;
    const found = this.#search(leaf, intermediates);
    if (found.kind === 'refused') return remembered ?? found;
    this.#byLeaf.set(sha256Hex, found);
    return found;
  }

  #search(der: Uint8Array, intermediates: readonly Uint8Array[]): Trusted | Refused {
    const presented = presentedCertificate(der);
    if (presented === undefined) return refused('certificate cannot be read');
    const others = intermediates.map(presentedCertificate).filter((other) => other !== undefined);
    const search = findChains(presented, others, this.#authorities);
    if (search.kind === 'refused') return search;
    const { commonName, organizations, sha256Hex } = search.chains[0][0];
    return {
      kind: 'trusted',
      verified: Object.freeze({ kind: 'verified', commonName, organizations, sha256Hex }),
      chains: search.chains.map(validitiesOf),
    };
  }
}

/**
 * Verifies client certificates against a PEM bundle of authorities.
 * @throws CertificateBundleError when the bundle holds no certificate, or one that cannot be read.
 */
export function createCertificateVerifier(options: CertificateVerifierOptions): CertificateVerifier {
  checkOptions(options, {
    authorities: must('certificates in PEM', (value) => typeof value === 'string' || Buffer.isBuffer(value)),
    now: optional(aFunction),
  });
  return new CertificateVerifier(options);
}

/** Of each certificate, the leaf first. */
function validitiesOf(chain: Chain): readonly Validity[] {
  return chain.map(({ title, notBefore, notAfter }, at) => ({
    holder: at === 0 ? 'certificate' : `authority ${title}`,
    notBefore,
    notAfter,
  }));
}

function isWithin({ notBefore, notAfter }: Validity, now: number): boolean {
  return notBefore <= now && now <= notAfter;
}

function isValid({ chains }: Trusted, now: number): boolean {
  return chains.some((validities) => validities.every((validity) => isWithin(validity, now)));
}

/** What is not valid of the first chain. */
function lapse({ chains: [first = []] }: Trusted, now: number): string {
  const { holder = '', notBefore = 0, notAfter = 0 } = first.find((each) => !isWithin(each, now)) ?? {};
  return now < notBefore
    ? `${holder} is not valid before ${new Date(notBefore).toISOString()}`
    : `${holder} has expired on ${new Date(notAfter).toISOString()}`;
}
