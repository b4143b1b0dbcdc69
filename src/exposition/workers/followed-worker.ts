import { TimeSlice } from '../../time-slice.js';
import { answerIn, familiesIn, sealed, windowParts, type Demand, type UnreadPart } from './messages.js';
import { ReportBuilder, type Report } from './report.js';
import { openLine, type Line, type WorkerChannel } from './worker-channel.js';

/** Why a worker's metrics of one scrape are missing. */
export type ReportFault = 'gone' | 'failed' | 'malformed' | 'too-large';

type ReportOutcome = 'reported' | ReportFault;

interface FollowedWorkerOptions {
  readonly group: string;
  /** Samples of one worker beyond which its report is refused. */
  readonly maxSamples: number;
  /** Called once, when it is gone; not after `close`. */
  readonly onGone: (worker: FollowedWorker) => void;
}

/** A question in progress. */
interface Question {
  readonly request: number;
  readonly timeoutMs: number;
  readonly builder: ReportBuilder;
  readonly unread: UnreadPart[];
  readonly outcome: Promise<ReportOutcome>;
  readonly settle: (outcome: ReportOutcome) => void;
}

let lastRequest = 0;

/** A worker as seen by the scraped process: it is asked one question at a time. */
export class FollowedWorker {
  /** The last complete one. */
  report: Report | undefined;
  readonly #line: Line;
  readonly #slice = new TimeSlice();
  #reporter: string | undefined;
  #question: Question | undefined;
  #isReading = false;

  /** @throws WorkersError where it is no channel. */
  constructor(
    channel: WorkerChannel,
    private readonly options: FollowedWorkerOptions,
  ) {
    this.#line = openLine(channel, {
      onMessage: (message) => {
        this.#onMessage(message);
      },
      onGone: () => {
        this.#question?.settle('gone');
        options.onGone(this);
      },
    });
    this.#send({ kind: 'discover' });
  }

  /** Whether it has said that it reports. */
  get isHere(): boolean {
    return this.#reporter !== undefined;
  }

  /** Asks, or waits for the answer to an earlier question. Never rejects; never resolves if the worker hangs. */
  ask(timeoutMs: number): Promise<ReportOutcome> {
    this.#question ??= this.#newQuestion(timeoutMs);
    return this.#question.outcome;
  }

  close(): void {
    this.#line.close();
    this.#question?.settle('gone');
  }

  #newQuestion(timeoutMs: number): Question {
    lastRequest += 1;
    const request = lastRequest;
    let resolve: ((outcome: ReportOutcome) => void) | undefined;
    const outcome = new Promise<ReportOutcome>((given) => {
      resolve = given;
    });
    const settle = (how: ReportOutcome): void => {
      if (this.#question?.request === request) this.#question = undefined;
      resolve?.(how);
    };
    this.#send({ kind: 'ask', request, timeoutMs });
    return { request, timeoutMs, builder: new ReportBuilder(), unread: [], outcome, settle };
  }

  #onMessage(message: unknown): void {
    const answer = answerIn(message, this.options.group);
    if (answer === undefined) return;
    const question = this.#question;
    if (answer.kind === 'here') {
      const isAnother = this.#reporter !== answer.reporter;
      this.#reporter = answer.reporter;
      if (isAnother && question !== undefined) {
        this.#question = this.#newQuestion(question.timeoutMs);
        void this.#question.outcome.then(question.settle);
      }
      return;
    }
    if (question?.request !== answer.request) return;
    if (answer.kind === 'failed') question.settle('failed');
    else if (question.unread.push(answer) > windowParts) question.settle('malformed');
    else void this.#read();
  }

  /** Reads parts in slices, however fast they come. */
  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#slice.begin();
    for (let question = this.#question; question !== undefined; question = this.#question) {
      if (this.#slice.isOver) await this.#slice.rest();
      const part = question.unread.shift();
      if (part === undefined) break;
      this.#take(question, part);
    }
    this.#isReading = false;
  }

  #take({ request, builder, settle }: Question, part: UnreadPart): void {
    const families = familiesIn(part);
    for (const family of families ?? []) builder.add(family);
    if (families === undefined) settle('malformed');
    else if (builder.size > this.options.maxSamples) settle('too-large');
    else if (part.isLast) {
      this.report = builder.report;
      settle('reported');
    } else this.#send({ kind: 'taken', request });
  }

  #send(demand: Demand): void {
    this.#line.send(sealed(this.options.group, demand));
  }
}
