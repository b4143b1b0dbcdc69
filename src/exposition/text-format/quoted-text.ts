/**
 * Text in quotation marks as Prometheus reads it, in UTF-8 as Latin-1. `\\`, `\"` and `\n` are escapes; any other
 * backslash stands for itself. What is written has no backslash and no line feed but in escapes.
 */

/** A quoted text that has not ended, and may do so in the lines to come. */
export const openQuotedText = /"[^"\\]*(?:\\[^\n][^"\\]*)*$/y;

const escapes: Readonly<Record<string, string>> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

export function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\[\\"n]/g, (escape) => escapes[escape] ?? escape) : text;
}

/** The one way in which a text is written. */
export function escapedText(text: string): string {
  return /[\\"\n]/.test(text) ? escapedHelp(text).replace(/"/g, '\\"') : text;
}

const asWritten = /^[^\\"\n]*(?:\\[\\"n][^\\"\n]*)*$/;

/** The same text as it is written. One that is already is not rewritten, which takes milliseconds where all are escapes. */
export function rewrittenText(text: string): string {
  return asWritten.test(text) ? text : escapedText(unescaped(text));
}

/** Of the text format's HELP, in which quotation marks stand as they are. */
export function escapedHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

/** What is wrong with a line, thrown where its number is not known; the reader makes a TextFormatError of it. */
export class LineFault extends Error {
  override readonly name = 'LineFault';
  /** The name that the line begins with, if any. */
  metric: string | undefined;

  constructor(
    message: string,
    /** Whether lines to come may put it right. */
    readonly isOpen = false,
  ) {
    super(message);
  }
}
