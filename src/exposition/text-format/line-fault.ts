/** What is wrong with a line, thrown where nobody knows which line it is; whoever does makes a TextFormatError of it. */
export class LineFault extends Error {
  override readonly name: string = 'LineFault';
  /** Which metric the line is of, where that is known. */
  metric: string | undefined;
}

/** A quoted text that does not end in the lines that are there. */
export class OpenQuoteFault extends LineFault {
  override readonly name = 'OpenQuoteFault';

  constructor() {
    super('a quoted text is not closed');
  }
}
