/** kube-apiserver's own, for a User-Agent. */
const truncated = '...TRUNCATED';

/** The text, or so much of its beginning, and kube-apiserver's word for that. */
export function cutTo(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}${truncated}`;
}
