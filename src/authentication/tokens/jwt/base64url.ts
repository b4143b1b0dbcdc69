/** The bytes of base64url without padding (RFC 7515, section 2); undefined for any other spelling of them. */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
