import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { presentedChain } from '../request/credentials.js';
import { addressKey, RequestBuckets } from '../request/limits/request-buckets.js';
import { RequestLimitError } from '../request/request-errors.js';
import { endsOf } from './connections.js';

export interface LimitHandshakesOptions {
  /**
   * How long costly TLS handshakes from one address, or /64 of IPv6, may hold the event loop in any ten seconds (ms), at
   * most 10,000; 0: no bound. Default 500.
   */
  readonly maxHandshakeMsByAddress?: number;
  /** Told of each connection that is closed since its address has spent its time. */
  readonly onRefused?: () => void;
  /** Told when an address has spent its time: once until it is accepted again. */
  readonly onSpent?: (address: string) => void;
}

const defaultHandshakeMsByAddress = 500;
const refillSeconds = 10;
/** No handshake with ordinary certificates takes as long, and nothing is counted of it. */
const freeMs = 5;
/** The same on a machine that has much else to do. */
const ordinaryMs = 20;
/** Who has sent no more has most likely sent no chain yet, but a ClientHello. */
const helloBytes = 2048;
const maxOrdinaryModulusBits = 4096;
const maxOrdinaryExponent = 65_537n;
/** By type or curve, what verifying a signature takes at most (ms). */
const ordinaryKeys: ReadonlyMap<string, number> = new Map([
  ['ed25519', 0.5],
  ['prime256v1', 0.5],
  ['secp384r1', 2],
  ['secp521r1', 4],
]);
const maxOrdinaryChainMs = 8;
/** What a longer chain counts for: so many times its time, and so much at least (ms). */
const longChainFactor = 10;
const longChainMs = 100;

interface Handshake {
  readonly socket: Socket;
  readonly address: string;
  freeMs: number;
  chargedMs: number;
  /** What it had sent when it was last charged. */
  seenBytes: number;
  /** What is charged if it comes to nothing: of TLS 1.2, a costly chain fits into few bytes. */
  helloMs: number;
}

/**
 * Bounds what the handshakes of one address may cost. OpenSSL verifies whatever chain of certificates a client sends, on
 * the event loop, before anyone can be asked who it is; an address whose chains have taken their time is not accepted
 * until that has come again. Ordinary chains are not counted, however many they are: up to eight certificates with keys
 * of RSA up to 4096 bits, P-256 or Ed25519, four of P-384, two of P-521. More than eight certificates count tenfold.
 * Renegotiation, in which a chain would be verified again, is refused.
 *
 * Of a connection whose chain it had to look at, `getPeerX509Certificate` knows the leaf alone afterwards, as of one that
 * an authenticator has looked at: Node hands out the rest once.
 *
 * Call it once, before the server listens. @throws RequestLimitError
 */
export function limitHandshakes(
  server: Server,
  {
    maxHandshakeMsByAddress = defaultHandshakeMsByAddress,
    onRefused = () => undefined,
    onSpent = () => undefined,
  }: LimitHandshakesOptions = {},
): void {
  if (maxHandshakeMsByAddress === 0) return;
  if (!(maxHandshakeMsByAddress > 0 && maxHandshakeMsByAddress <= 1000 * refillSeconds)) {
    throw new RequestLimitError(`maxHandshakeMsByAddress: pass a number from 0 to ${1000 * refillSeconds}`);
  }
  const buckets = new RequestBuckets({
    perSecond: maxHandshakeMsByAddress / refillSeconds,
    burst: Math.max(1, maxHandshakeMsByAddress),
  });
  const underWay = new Map<string, Handshake>();
  const clock = new BusyClock();
  let isWatching = false;
  /** Of this turn of the event loop, what no handshake that has ended in it explains. */
  let unexplainedMs = 0;

  const charge = (handshake: Handshake, ms: number): void => {
    const { address } = handshake;
    const wasSpent = buckets.waitFor(address) > 0;
    buckets.charge(address, ms);
    handshake.chargedMs += ms;
    if (wasSpent || buckets.waitFor(address) === 0) return;
    for (const { socket, address: other } of underWay.values()) if (other === address) socket.destroy();
    onSpent(address);
  };
  const chargeBeyondFree = (handshake: Handshake, ms: number): void => {
    const free = Math.min(handshake.freeMs, ms);
    handshake.freeMs -= free;
    if (ms > free) charge(handshake, ms - free);
  };

  // OpenSSL has no callback after verifying a chain, unless that also ends the handshake. So what nothing else explains
  // is charged to those who have sent a chain and are not through, and given back where that proves to be ordinary. Who may
  // have sent none yet is charged at the end of the connection, unless there has been a handshake until then.
  const look = (): void => {
    const ms = unexplainedMs + clock.lap();
    unexplainedMs = 0;
    if (ms > freeMs) {
      const senders = [...underWay.values()]
        .map((handshake) => ({ handshake, bytes: handshake.socket.bytesRead - handshake.seenBytes }))
        .filter(({ bytes }) => bytes > 0);
      const allBytes = senders.reduce((sum, { bytes }) => sum + bytes, 0);
      for (const { handshake, bytes } of senders) {
        const share = (ms * bytes) / allBytes;
        handshake.seenBytes += bytes;
        if (handshake.seenBytes > helloBytes) chargeBeyondFree(handshake, share);
        else handshake.helloMs += share;
      }
    }
    watch();
  };
  /** Looks after each turn in which connections are read, and keeps nothing awake. */
  const watch = (): void => {
    isWatching = underWay.size > 0;
    if (isWatching) setImmediate(look).unref();
  };

  server.on('connection', (socket: Socket) => {
    // By another bound.
    if (socket.destroyed) return;
    const address = addressKey(socket.remoteAddress ?? '');
    if (buckets.waitFor(address) > 0) {
      onRefused();
      socket.destroy();
      return;
    }
    const ends = endsOf(socket);
    const handshake = { socket, address, freeMs, chargedMs: 0, seenBytes: 0, helloMs: 0 };
    underWay.set(ends, handshake);
    socket.once('close', () => {
      if (underWay.delete(ends)) chargeBeyondFree(handshake, handshake.helloMs);
    });
    if (isWatching) return;
    clock.lap();
    watch();
  });

  // Before the request is answered, since that work is not part of the handshake.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    socket.disableRenegotiation();
    const ends = endsOf(socket);
    const handshake = underWay.get(ends);
    if (handshake === undefined) return;
    underWay.delete(ends);
    const ms = clock.lap();
    const { chargedMs } = handshake;
    const isCheap = ms <= freeMs && chargedMs === 0;
    if (isCheap && handshake.socket.bytesRead <= helloBytes) return;
    const { certificates, isLonger } = presentedChain(socket);
    if (isLonger) charge(handshake, Math.max(longChainMs, longChainFactor * ms));
    else if (isCheap || isOrdinary(certificates?.chain ?? [])) {
      unexplainedMs += Math.max(0, ms - ordinaryMs);
      if (chargedMs > 0) buckets.charge(handshake.address, -chargedMs);
    } else chargeBeyondFree(handshake, ms);
  });
}

/** How long the event loop has been busy, which leaves out what it waits for. */
class BusyClock {
  #busyMs = 0;

  /** Since it was asked last (ms). */
  lap(): number {
    const busyMs = performance.now() - performance.nodeTiming.idleTime;
    const lap = busyMs - this.#busyMs;
    this.#busyMs = busyMs;
    return lap;
  }
}

/** About what it takes to verify a signature made with its key (ms); Infinity where only measuring tells. */
function verificationMs(certificate: Uint8Array): number {
  try {
    const { publicKey } = new X509Certificate(certificate);
    const { asymmetricKeyType: type = '', asymmetricKeyDetails: details = {} } = publicKey;
    const { modulusLength = Infinity, publicExponent = Infinity, namedCurve = '' } = details;
    const isCheapRsa = modulusLength <= maxOrdinaryModulusBits && publicExponent <= maxOrdinaryExponent;
    if (type === 'rsa' || type === 'rsa-pss') return isCheapRsa ? 0.5 : Infinity;
    return ordinaryKeys.get(type === 'ec' ? namedCurve : type) ?? Infinity;
  } catch {
    return Infinity;
  }
}

/** Told by its keys, so that whatever else the event loop does meanwhile is not counted. */
function isOrdinary(chain: readonly Uint8Array[]): boolean {
  return chain.reduce((sum, certificate) => sum + verificationMs(certificate), 0) <= maxOrdinaryChainMs;
}
