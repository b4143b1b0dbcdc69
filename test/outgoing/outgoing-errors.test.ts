import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiStatusError, connectionError } from '../../src/outgoing/outgoing-errors.js';
import { anyCharacter } from '../support/any-character.js';

describe('an ApiStatusError', () => {
  it('tells what the Status object says', () => {
    const error = new ApiStatusError(403, {
      kind: 'Status',
      message: 'clusterroles is forbidden',
      reason: 'Forbidden',
    });
    expect(error).toMatchObject({
      name: 'ApiStatusError',
      code: 'ERR_API_STATUS',
      status: 403,
      reason: 'Forbidden',
      message: 'clusterroles is forbidden',
      retryAfterMs: undefined,
    });
  });

  it.each([
    ['control characters', 'a\nb\u001b[31m\u202e\u2028', 'a\\u000ab\\u001b[31m\\u202e\\u2028'],
    ['a long message', 'x'.repeat(5000), `${'x'.repeat(511)}…`],
    ['many control characters', '\n'.repeat(5000), `${'\\u000a'.repeat(86).slice(0, 511)}…`],
    ['an empty message', '', 'status 500'],
    ['a message that is no string', 5, 'status 500'],
    ['no message', undefined, 'status 500'],
  ])('holds %s in one line', (_, message, told) => {
    expect(new ApiStatusError(500, { message }).message).toBe(told);
  });

  it.each([undefined, null, 'text', 5, [], { reason: 'has space' }, { reason: 5 }, { details: 'none' }])(
    'is made of %j as well',
    (statusObject) => {
      const { message, reason, retryAfterMs } = new ApiStatusError(502, statusObject);
      expect({ message, reason, retryAfterMs }).toEqual({
        message: 'status 502',
        reason: undefined,
        retryAfterMs: undefined,
      });
    },
  );

  it.each([
    [2000, { retryAfterSeconds: 1 }, 2000],
    [undefined, { retryAfterSeconds: 1 }, 1000],
    [undefined, { retryAfterSeconds: 100_000 }, 300_000],
    [undefined, { retryAfterSeconds: 0 }, undefined],
    [undefined, { retryAfterSeconds: '1' }, undefined],
  ])('of the header %j and the details %j asks for %j ms', (header, details, retryAfterMs) => {
    expect(new ApiStatusError(429, { details }, header).retryAfterMs).toBe(retryAfterMs);
  });

  it('is one bounded line, whatever the server says', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 600 }), (message) => {
        const told = new ApiStatusError(500, { message }).message;
        expect(told.length).toBeLessThanOrEqual(512);
        expect(told).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      }),
    );
  });
});

describe('an ApiConnectionError', () => {
  const caused = (code: string, message = 'secret'): Error => Object.assign(new Error(message), { code });

  it.each([
    [caused('ECONNREFUSED'), 'connection refused (ECONNREFUSED)'],
    [caused('ENOTFOUND'), 'host name not resolved (ENOTFOUND)'],
    [caused('CERT_HAS_EXPIRED'), 'the server certificate is not valid now (CERT_HAS_EXPIRED)'],
    [caused('HPE_INVALID_CONSTANT'), 'the answer is no HTTP (HPE_INVALID_CONSTANT)'],
    [caused('ESOMETHING'), 'connection failed (ESOMETHING)'],
    [caused('secret'), 'connection failed'],
    [new Error('secret'), 'connection failed'],
    [new Error('Bad response: 407'), 'the proxy answered 407'],
    [new Error('Proxy timeout'), 'the proxy did not answer'],
    ['secret', 'connection failed'],
  ])('of %s quotes no message from below', (cause, told) => {
    const error = connectionError('https://host:6443', cause);
    expect(error.message).toBe(`https://host:6443: ${told}`);
    expect(error).toMatchObject({ name: 'ApiConnectionError', code: 'ERR_API_CONNECTION' });
    expect(error.cause).toBe(undefined);
  });
});
