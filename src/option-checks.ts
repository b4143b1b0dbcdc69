import { CodedError } from './coded-error.js';
import { largestTimerDelayMs } from './timer.js';

/** An option or an argument that cannot be used: `code` is `ERR_OPTION_` and its name in capitals. */
export class MetricsFilterOptionError extends CodedError {
  override readonly name = 'MetricsFilterOptionError';
  readonly code: string;

  constructor(
    readonly option: string,
    message: string,
    cause?: unknown,
  ) {
    super(`${option}: ${message}`, cause === undefined ? undefined : { cause });
    this.code = `ERR_OPTION_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
  }
}

/** Returns what to pass instead of a value; undefined if it can be used. Never quotes the value. */
export type Check = (value: unknown) => string | undefined;

type Checks = Readonly<Record<string, Check>>;

export function must(be: string, isValid: (value: unknown) => boolean): Check {
  return (value) => (isValid(value) ? undefined : `pass ${be}`);
}

export function optional(check: Check): Check {
  return (value) => (value === undefined ? undefined : check(value));
}

export const aText = must('a string', (value) => typeof value === 'string');
export const aBoolean = must('true or false', (value) => typeof value === 'boolean');
export const aFunction = must('a function', isFunction);
export const texts = listOf('strings', aText);

export const aRegister = having('a Registry of prom-client', 'registerMetric', 'getMetricsAsArray');
export const aLogger = having('a logger with debug, info, warn and error', 'debug', 'info', 'warn', 'error');

export function aList(what: string): Check {
  return must(`a list of ${what}`, Array.isArray);
}

export function aMap(what: string): Check {
  return must(`a Map of ${what}`, (value) => value instanceof Map);
}

/** An object with some fields, whatever is in them. */
export function anObject(what: string, ...fields: readonly string[]): Check {
  return must(what, (value) => isObject(value) && fields.every((field) => field in value));
}

/** Authenticators and the like: a name that becomes a label, and a method. */
export function namedWith(method: string): Check {
  return listOf(
    `objects with name and ${method}()`,
    must('one', (value) => isObject(value) && typeof value['name'] === 'string' && isFunction(value[method])),
  );
}

export function oneOf(...words: readonly string[]): Check {
  return must(words.map((word) => `'${word}'`).join(' or '), (value) => words.includes(value as string));
}

export function listOf(items: string, check: Check): Check {
  return must(
    `a list of ${items}`,
    (value) => Array.isArray(value) && value.every((item: unknown) => check(item) === undefined),
  );
}

/** A number of `unit`, such as bytes. */
export function amount(unit: string, least = 0, most = Number.MAX_SAFE_INTEGER): Check {
  return must(
    least > 0 ? `a positive number of ${unit}` : `a number of ${unit}; 0: no limit`,
    (value) => typeof value === 'number' && value >= least && value <= most,
  );
}

/** What a timer takes. */
export function milliseconds(least: 0 | 1 = 0): Check {
  return amount('milliseconds', least === 0 ? 0 : Number.MIN_VALUE, largestTimerDelayMs);
}

/** An object, or a function, with some methods. */
export function having(what: string, ...methods: readonly string[]): Check {
  return must(what, (value) => isObject(value) && methods.every((method) => isFunction(value[method])));
}

/** A function of the value; what it throws is the fault. */
export function accepted(by: (value: never) => unknown): Check {
  return (value) => {
    try {
      by(value as never);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : 'cannot be used';
    }
  };
}

/** Both, in this order. */
export function both(first: Check, second: Check): Check {
  return (value) => first(value) ?? second(value);
}

/**
 * Checks at run time what the types say at compile time, once. A hook (`onAuditEvent`) is a function; other options without
 * a check are not looked at.
 *
 * @throws MetricsFilterOptionError naming the first that cannot be used, or `options` itself.
 */
export function checkOptions(options: unknown, checks: Checks): void {
  if (!isObject(options)) throw new MetricsFilterOptionError('options', 'pass an object');
  for (const [name, check] of Object.entries(checks)) checkArgument(name, options[name], check);
  const hook = Object.keys(options).find(
    (name) =>
      /^on[A-Z]/.test(name) && !(name in checks) && options[name] !== undefined && !isFunction(options[name]),
  );
  if (hook !== undefined) checkArgument(hook, options[hook], aFunction);
}

/** The first of an object's fields that cannot be used, and why; `unknown` is said of one that has no check. */
export function faultIn(
  given: unknown,
  checks: Checks,
  unknown: string,
): readonly [name: string, fault: string] | undefined {
  if (!isObject(given)) return ['options', 'pass an object'];
  for (const name of new Set([...Object.keys(given), ...Object.keys(checks)])) {
    const fault = Object.hasOwn(checks, name) ? checks[name]?.(given[name]) : unknown;
    if (fault !== undefined) return [name, fault];
  }
  return undefined;
}

/** @throws MetricsFilterOptionError naming it. */
export function checkArgument(name: string, value: unknown, check: Check): void {
  const fault = check(value);
  if (fault !== undefined) throw new MetricsFilterOptionError(name, fault);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
