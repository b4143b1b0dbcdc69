/** So many bytes of a secret are looked for; a shorter one cannot be told from chance. */
const windowBytes = 12;
const tableBits = 20;
const multiplier = 0x01000193;
/** The weight of the byte that leaves the window. */
const leaving = Array.from({ length: windowBytes - 1 }).reduce<number>(
  (power) => Math.imul(power, multiplier),
  1,
);

/** All that must not be told, and a search for any of it in one pass, however many they are. */
export class Secrets {
  readonly #known = new Map<string, Set<string>>();
  readonly #table = new Uint8Array(1 << tableBits);

  get size(): number {
    let count = 0;
    for (const secrets of this.#known.values()) count += secrets.size;
    return count;
  }

  /** A token, a password, or the like; returns it. @throws Error when it is too short to be looked for. */
  add(secret: string): string {
    if (secret.length < windowBytes) throw new Error(`a secret of less than ${windowBytes} characters`);
    const start = secret.slice(0, windowBytes);
    const others = this.#known.get(start) ?? new Set();
    this.#known.set(start, others.add(secret));
    let hash = 0;
    for (const byte of Buffer.from(start, 'latin1')) hash = next(hash, byte);
    this.#table[slotOf(hash)] = 1;
    return secret;
  }

  /** A signed token: it, and its signature, which alone is what makes it one. */
  addSigned(token: string): string {
    this.add(token.slice(token.lastIndexOf('.') + 1));
    return this.add(token);
  }

  /** A private key in PEM: each of its lines. */
  addKey(pem: string): string {
    for (const line of pem.split('\n')) if (/^[A-Za-z0-9+/]{24,}/.test(line)) this.add(line.trim());
    return pem;
  }

  /** Where in the bytes any of them begins; empty where they are clean. */
  foundIn(bytes: Buffer): readonly number[] {
    const found: number[] = [];
    let hash = 0;
    for (const [at, byte] of bytes.entries()) {
      if (at >= windowBytes) hash = (hash - Math.imul(bytes[at - windowBytes] ?? 0, leaving)) | 0;
      hash = next(hash, byte);
      const start = at - windowBytes + 1;
      if (start >= 0 && this.#table[slotOf(hash)] === 1 && this.#isAt(bytes, start)) found.push(start);
    }
    return found;
  }

  #isAt(bytes: Buffer, start: number): boolean {
    const secrets = this.#known.get(bytes.toString('latin1', start, start + windowBytes));
    for (const secret of secrets ?? []) {
      if (bytes.toString('latin1', start, start + secret.length) === secret) return true;
    }
    return false;
  }
}

function next(hash: number, byte: number): number {
  return (Math.imul(hash, multiplier) + byte) | 0;
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 12)) & ((1 << tableBits) - 1);
}
