import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { presentedChain } from '../request/credentials.js';
import { addressKey, RequestBuckets } from '../request/limits/request-buckets.js';
import { RequestLimitError } from '../request/request-errors.js';
import { endsOf } from './connections.js';
import { checkArgument, checkOptions, having } from '../option-checks.js';

export interface LimitHandshakesOptions {
  /**
   * How long costly TLS handshakes from one address, or /64 of IPv6, may hold the event loop in any ten seconds (ms), at
   * most 10,000; 0: no bound. Default 500.
   */
  readonly maxHandshakeMsByAddress?: number;
  /** Called for each connection that is closed because its address has used up its time. */
  readonly onRefused?: () => void;
  /** Called when an address has used up its time, once until it is accepted again. */
  readonly onSpent?: (address: string) => void;
}

const defaultHandshakeMsByAddress = 500;
const refillSeconds = 10;
/** Longer than any handshake with ordinary certificates (ms); shorter ones are not counted. */
const freeMs = 5;
/** A handshake with an ordinary chain takes no longer even on a busy machine (ms). */
const ordinaryMs = 20;
/** A connection that has sent no more (bytes) has most likely sent a ClientHello and no chain yet. */
const helloBytes = 2048;
const maxOrdinaryModulusBits = 4096;
const maxOrdinaryExponent = 65_537n;
/** The most that verifying a signature takes (ms), by type or curve. */
const ordinaryKeys: ReadonlyMap<string, number> = new Map([
  ['ed25519', 0.5],
  ['prime256v1', 0.5],
  ['secp384r1', 2],
  ['secp521r1', 4],
]);
const maxOrdinaryChainMs = 8;
/** A longer chain is charged this many times its time, and at least this much (ms). */
const longChainFactor = 10;
const longChainMs = 100;

interface Handshake {
  readonly socket: Socket;
  readonly address: string;
  freeLeftMs: number;
  chargedMs: number;
  /** Bytes sent when it was last charged. */
  seenBytes: number;
  /** Charged if the handshake fails: in TLS 1.2, a costly chain fits into few bytes. */
  helloMs: number;
}

/**
 * Bounds what the handshakes of one address may cost. OpenSSL verifies whatever chain of certificates a client sends, on
 * the event loop, before any authentication; an address whose chains have used up its time is not accepted until the
 * time is available again. Ordinary chains are not counted, however many they are: up to eight certificates with keys
 * of RSA up to 4096 bits, P-256 or Ed25519, four of P-384, two of P-521. More than eight certificates count tenfold.
 * Renegotiation, in which a chain would be verified again, is refused.
 *
 * After it has looked at a connection's chain, as after an authenticator, `getPeerX509Certificate` returns only the leaf:
 * Node returns the rest once.
 *
 * Call it once, before the server listens. @throws RequestLimitError
 */
export function limitHandshakes(server: Server, options: LimitHandshakesOptions = {}): void {
  checkArgument('server', server, having('a server of node:https or node:tls', 'on', 'listen'));
  checkOptions(options, {});
  const { maxHandshakeMsByAddress = defaultHandshakeMsByAddress } = options;
  const { onRefused = () => undefined, onSpent = () => undefined } = options;
  if (maxHandshakeMsByAddress === 0) return;
  if (!(maxHandshakeMsByAddress > 0 && maxHandshakeMsByAddress <= 1000 * refillSeconds)) {
    throw new RequestLimitError(`maxHandshakeMsByAddress: pass a number from 0 to ${1000 * refillSeconds}`);
  }
  const buckets = new RequestBuckets({
    perSecond: maxHandshakeMsByAddress / refillSeconds,
    burst: Math.max(1, maxHandshakeMsByAddress),
  });
  const underWay = new Map<string, Handshake>();
  const lap = busyLaps();
  let isWatching = false;
  /** Busy time of this turn of the event loop that no finished handshake explains. */
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
    const free = Math.min(handshake.freeLeftMs, ms);
    handshake.freeLeftMs -= free;
    if (ms > free) charge(handshake, ms - free);
  };

  // OpenSSL has no callback after verifying a chain, unless that also ends the handshake. So unexplained time is charged
  // to the connections that have sent a chain and are not done, and refunded if the chain turns out to be ordinary. Those
  // that may not have sent one yet are charged at their end, unless their handshake has succeeded by then.
  const chargeUnexplained = (): void => {
    const ms = unexplainedMs + lap();
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
  /** Checks after each turn in which connections are read; keeps no process alive. */
  const watch = (): void => {
    isWatching = underWay.size > 0;
    if (isWatching) setImmediate(chargeUnexplained).unref();
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
    const handshake = { socket, address, freeLeftMs: freeMs, chargedMs: 0, seenBytes: 0, helloMs: 0 };
    underWay.set(ends, handshake);
    socket.once('close', () => {
      if (underWay.delete(ends)) chargeBeyondFree(handshake, handshake.helloMs);
    });
    if (isWatching) return;
    lap();
    watch();
  });

  // Before the request is answered, since that work is not part of the handshake.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    socket.disableRenegotiation();
    const ends = endsOf(socket);
    const handshake = underWay.get(ends);
    if (handshake === undefined) return;
    underWay.delete(ends);
    const ms = lap();
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

/** Tells how long the event loop has been busy since the last call, waiting excluded (ms). */
function busyLaps(): () => number {
  let before = 0;
  return () => {
    const busyMs = performance.now() - performance.nodeTiming.idleTime;
    const lap = busyMs - before;
    before = busyMs;
    return lap;
  };
}

/** The estimated time to verify a signature made with its key (ms); Infinity if it can only be measured. */
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

/** Judged by its keys, so that other work of the event loop is not counted. */
function isOrdinary(chain: readonly Uint8Array[]): boolean {
  return chain.reduce((sum, certificate) => sum + verificationMs(certificate), 0) <= maxOrdinaryChainMs;
}
