import { resolve } from 'node:path';
import type { FilesRead } from '../../files/files-read.js';
import type { Field } from '../../documents/field.js';

/** A text of a kubeconfig and the field that it comes from. */
interface NamedText {
  readonly text: string;
  readonly field: Field;
}

const maxPemBytes = 1024 * 1024;

/** The files that a kubeconfig names, relative to the kubeconfig's directory. */
export class NamedFiles {
  constructor(
    private readonly directory: string,
    private readonly files: FilesRead,
  ) {}

  resolve(path: string): string {
    return resolve(this.directory, path);
  }

  /** The text of the file that a field names. */
  async text(field: Field, maxBytes: number): Promise<string> {
    const reading = await this.files.read(this.resolve(field.string()), maxBytes);
    return reading.kind === 'bytes'
      ? reading.bytes.toString('utf8')
      : field.fail(`names a file that ${reading.fault}`);
  }

  /** `<key>-data` in base64, or else the file that `<key>` names; as in client-go, the data wins. */
  async pem(owner: Field, key: string): Promise<NamedText | undefined> {
    const data = owner.get(`${key}-data`);
    const base64 = data.optionalText()?.replaceAll(/[\r\n]/g, '');
    if (base64 !== undefined) {
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64))
        data.fail('must be base64');
      return { text: Buffer.from(base64, 'base64').toString('utf8'), field: data };
    }
    const file = owner.get(key);
    return file.optionalText() === undefined
      ? undefined
      : { text: await this.text(file, maxPemBytes), field: file };
  }
}
