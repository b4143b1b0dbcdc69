/** The longest reason (characters). */
const maxLength = 128;

/** Why a verified token with this `aud` (a string or a list of strings) is for nobody here; undefined if it is. */
export function audienceFault(aud: unknown, accepted: ReadonlySet<string>): string | undefined {
  if (aud === undefined) return 'there is no aud';
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.every((audience) => typeof audience === 'string')) return 'aud is no list of strings';
  if (audiences.some((audience) => accepted.has(audience))) return undefined;
  return cut(`audiences are not accepted: ${JSON.stringify(audiences)}`);
}

function cut(text: string): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1).toWellFormed()}…`;
}
