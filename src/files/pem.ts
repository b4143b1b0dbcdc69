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

// Neither goes back over what it has read: both take linear time, whatever the text.
const certificateBlock = /-----BEGIN CERTIFICATE-----([^-]*)(-----END CERTIFICATE-----)?/g;
const anyBlock = /-----BEGIN ([^-\r\n]*)-----([^-]*(?:-(?!----)[^-]*)*)-----END \1-----/g;
const dashes = '-----';

/**
 * The certificates of a PEM text (RFC 7468) in its order, each with its lines of dashes, as far as it goes. Text and blocks
 * of other kinds are passed over.
 */
export function certificateBlocks(text: string) {
  return Array.from(text.matchAll(certificateBlock), ([pem, base64 = '', end]) => ({
    pem,
    base64,
    isComplete: end !== undefined,
  }));
}

/** The blocks of a PEM text, of any kind, in their order. Text between them is passed over. */
export function* pemBlocks(text: string): Generator<PemBlock, void, undefined> {
  let end = 0;
  for (const { 0: whole, 1: label = '', 2: body = '', index } of text.matchAll(anyBlock)) {
    if (text.slice(end, index).includes(dashes)) yield { kind: 'broken' };
    yield { kind: 'block', label, body };
    end = index + whole.length;
  }
  if (text.slice(end).includes(dashes)) yield { kind: 'broken' };
}
