/** What is wrong with a line, thrown where nobody knows which line it is; whoever does makes a TextFormatError of it. */
export class LineFault extends Error {
  override readonly name = 'LineFault';
}
