import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** The keys of a chain's certificates: curves as Node names them, or RSA of so many bits. */
export type ChainKey = 'prime256v1' | 'secp384r1' | 'sect571r1' | 2048;

export interface CertificateChain {
  /** The leaf first. */
  readonly cert: string;
  readonly key: string;
}

/** A chain that nobody trusts, each certificate signed by the next. Written byte by byte: nothing else has these curves. */
export function certificateChain(keys: readonly ChainKey[]): CertificateChain {
  const pairs = keys.map(generate);
  const certificates = pairs.map(({ publicKey }, at) => {
    const issuerAt = Math.min(at + 1, pairs.length - 1);
    return certificate(publicKey, name(at), pairs[issuerAt]?.privateKey ?? publicKey, name(issuerAt), at + 1);
  });
  const key = pairs[0]?.privateKey.export({ type: 'pkcs8', format: 'pem' }) ?? '';
  return { cert: certificates.join(''), key: key.toString() };
}

function generate(key: ChainKey): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return typeof key === 'number'
    ? generateKeyPairSync('rsa', { modulusLength: key })
    : generateKeyPairSync('ec', { namedCurve: key });
}

function certificate(
  subjectKey: KeyObject,
  subject: Buffer,
  signingKey: KeyObject,
  issuer: Buffer,
  serial: number,
): string {
  const algorithm =
    signingKey.asymmetricKeyType === 'rsa'
      ? der(0x30, oid('2a864886f70d01010b'), der(0x05))
      : der(0x30, oid('2a8648ce3d040302'));
  const content = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(serial)),
    algorithm,
    issuer,
    der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('490101000000Z'))),
    subject,
    subjectKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, der(0x30, oid('551d13'), der(0x04, der(0x30, der(0x01, Buffer.of(0xff))))))),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', content, signingKey));
  const base64 = der(0x30, content, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

function name(at: number): Buffer {
  return der(0x30, der(0x31, der(0x30, oid('550403'), der(0x0c, Buffer.from(`chain ${at}`)))));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
