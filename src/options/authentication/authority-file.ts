import { parseCertificateBundle } from '../../authentication/certificates/certificate.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { blamingFile, ofOneFile, type FollowedFlagFiles } from '../followed-flag-files.js';

/** The PEM bundle that may vouch for a server, as it is now; undefined where the flag is not given. @throws UsageError */
export async function authorityFileOf(
  values: FlagValues,
  flag: Flag,
  files: FollowedFlagFiles,
): Promise<(() => string) | undefined> {
  const file = valueOf(values, flag);
  if (file === undefined) return undefined;
  const bundle = await files.open(
    flag,
    [file],
    ofOneFile((text, name) => {
      blamingFile(name, () => parseCertificateBundle(text));
      return text;
    }),
  );
  return () => bundle.current;
}
