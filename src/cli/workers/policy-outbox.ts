import type { PolicyObject } from '../../policy/objects.js';
import type { PolicyOperation } from './link-messages.js';

/** One operation, and the objects that it needs at the other end. */
export interface Outgoing {
  readonly operation: PolicyOperation;
  readonly objects?: readonly PolicyObject[];
}

/** Objects in a message: few enough to be read within a few milliseconds. */
const messageObjects = 200;
/** Operations in a message. */
const messageOperations = 100;
/** Messages that may be on their way at once. */
const windowMessages = 4;
/** Operations that wait for a worker beyond which it is given up. */
const maxWaiting = 100_000;

export interface PolicyOutboxOptions {
  readonly send: (operations: readonly PolicyOperation[]) => void;
  /** So much waits for the worker that it is given up; called once. */
  readonly onOverflow: () => void;
}

/** What one worker has still to be told of the policy, in order and no faster than it takes it. */
export class PolicyOutbox {
  readonly #options: PolicyOutboxOptions;
  #waiting: Outgoing[] = [];
  /** Of the first one's objects. */
  #sent = 0;
  #onTheirWay = 0;
  #isClosed = false;

  constructor(options: PolicyOutboxOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  add(outgoing: Outgoing): void {
    if (this.#isClosed) return;
    this.#waiting.push(outgoing);
    if (this.#waiting.length > maxWaiting) {
      this.close();
      this.#options.onOverflow();
    } else this.#send();
  }

  /** The worker has one message more in force. */
  applied(): void {
    this.#onTheirWay = Math.max(0, this.#onTheirWay - 1);
    this.#send();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }

  #send(): void {
    while (this.#onTheirWay < windowMessages && this.#waiting.length > 0) {
      this.#onTheirWay += 1;
      this.#options.send(this.#nextMessage());
    }
  }

  #nextMessage(): readonly PolicyOperation[] {
    const operations: PolicyOperation[] = [];
    let [room, done] = [messageObjects, 0];
    for (const { objects = [], operation } of this.#waiting) {
      if (operations.length >= messageOperations || room <= 0) break;
      const rest = objects.length - this.#sent;
      if (rest > 0 && 'layer' in operation) {
        const some = objects.slice(this.#sent, this.#sent + room);
        operations.push({ kind: 'objects', layer: operation.layer, objects: some });
        this.#sent += some.length;
        room -= some.length;
      }
      if (this.#sent < objects.length) break;
      operations.push(operation);
      this.#sent = 0;
      done += 1;
    }
    this.#waiting.splice(0, done);
    return operations;
  }
}
