/** For lists of many short strings: what stands between white space. */
export const words = (text: string): string[] => text.match(/\S+/g) ?? [];
