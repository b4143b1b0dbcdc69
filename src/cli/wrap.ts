/** Fits a plain terminal. */
const columns = 100;

/** A text in lines that each begin with `indent`, the first one with `mark` if there is one. */
export function wrap(text: string, indent: string, mark = indent): readonly string[] {
  const lines: string[] = [];
  const [first = '', ...words] = text.split(/\s+/);
  let line = mark + first;
  for (const word of words) {
    if (line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent + word;
    } else line += ` ${word}`;
  }
  return [...lines, line];
}
