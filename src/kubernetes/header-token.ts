/** Whether a text can stand behind `Bearer`: at least one visible ASCII character, and nothing else. */
export function isHeaderToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
