export type PemBlock =
  | {
      readonly kind: 'block';
      /** `PUBLIC KEY` in `-----BEGIN PUBLIC KEY-----`. */
      readonly label: string;
      /** Base64, perhaps behind headers. */
      readonly body: string;
    }
  /** Dashes without a beginning or an end that fits. */
  | { readonly kind: 'broken' };

const block = /-----BEGIN ([^-\r\n]*)-----([^-]*(?:-(?!----)[^-]*)*)-----END \1-----/g;
const dashes = '-----';

/** The blocks of a PEM file (RFC 7468), in their order. Text between them is passed over. */
export function* pemBlocks(text: string): Generator<PemBlock, void, undefined> {
  let end = 0;
  for (const { 0: whole, 1: label = '', 2: body = '', index } of text.matchAll(block)) {
    if (text.slice(end, index).includes(dashes)) yield { kind: 'broken' };
    yield { kind: 'block', label, body };
    end = index + whole.length;
  }
  if (text.slice(end).includes(dashes)) yield { kind: 'broken' };
}
