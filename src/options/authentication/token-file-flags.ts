import { type Authenticator, reloadableAuthenticator } from '../../authentication/authenticator.js';
import { tokenFileAuthenticator } from '../../authentication/tokens/token-file.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { ofOneFile } from '../followed-flag-files.js';
import type { AuthenticationContext } from './authentication-context.js';

export const tokenAuthFile: Flag = {
  name: '--token-auth-file',
  value: 'file',
  description: 'CSV of static bearer tokens: token,user,uid,"group1,group2"',
};

/** Who brings one of the file's tokens. @throws UsageError naming the flag. */
export async function tokenFileOf(
  values: FlagValues,
  { files }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const file = valueOf(values, tokenAuthFile);
  if (file === undefined) return undefined;
  const tokens = await files.open(
    tokenAuthFile,
    [file],
    ofOneFile((text, name) => tokenFileAuthenticator({ text, file: name })),
  );
  return reloadableAuthenticator('token-file', tokens);
}
