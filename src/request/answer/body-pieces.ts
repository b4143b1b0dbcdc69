import type { ServerResponse } from 'node:http';
import { pumpBody } from './pump-body.js';

/** What a client has to take for any of it to count as taken (bytes). */
const pieceBytes = 64 * 1024;

/** A body that is better sent piece by piece: whether its client takes any of it could not be told otherwise. */
export function isLong({ byteLength }: Uint8Array): boolean {
  return byteLength > 4 * pieceBytes;
}

/** Sends the whole of a body, each piece when the one before is out. Rejects where the client goes away. */
export async function endInPieces(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  await pumpBody(piecesOf(bytes), response);
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.byteLength; start += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + pieceBytes));
  }
}
