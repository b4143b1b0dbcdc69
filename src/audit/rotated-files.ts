import { readdir, realpath, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';

export interface Retention {
  /** How many days old log files stay; 0: however old they are. */
  readonly maxAgeDays: number;
  /** How many old log files stay; 0: all. */
  readonly maxBackups: number;
}

const dayMs = 24 * 3_600_000;

/** Where the file goes that is full: `audit.log` to `audit-2006-01-02T15-04-05.000.log`, in UTC, as lumberjack has it. */
export function rotatedName(path: string, now: number): string {
  const extension = extname(path);
  const time = new Date(now).toISOString().slice(0, -1).replaceAll(':', '-');
  return join(dirname(path), `${basename(path, extension)}-${time}${extension}`);
}

/** When a file was rotated, by its name; undefined where it is no rotated file of `path`. */
export function rotatedAt(path: string, name: string): number | undefined {
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  if (!name.startsWith(prefix) || !name.endsWith(extension)) return undefined;
  const stamp = name.slice(prefix.length, name.length - extension.length);
  const [, day, hours, minutes, seconds] =
    /^(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})-(\d{2}\.\d{3})$/.exec(stamp) ?? [];
  if (day === undefined) return undefined;
  const time = Date.parse(`${day}T${hours ?? ''}:${minutes ?? ''}:${seconds ?? ''}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** Of the names in a directory those that are to go: beyond the newest `maxBackups`, and older than `maxAgeDays`. */
export function outdated(
  path: string,
  names: readonly string[],
  { maxAgeDays, maxBackups }: Retention,
  now: number,
): readonly string[] {
  const rotated = names
    .map((name) => ({ name, time: rotatedAt(path, name) }))
    .filter((file): file is { name: string; time: number } => file.time !== undefined)
    .sort((a, b) => b.time - a.time);
  return rotated
    .filter(
      ({ time }, at) =>
        (maxBackups > 0 && at >= maxBackups) || (maxAgeDays > 0 && time < now - maxAgeDays * dayMs),
    )
    .map(({ name }) => name);
}

/** Removes what is outdated. What cannot be removed now may be the next time; nothing is lost by it. */
export async function removeOutdated(path: string, retention: Retention, now: number): Promise<void> {
  if (retention.maxAgeDays === 0 && retention.maxBackups === 0) return;
  // Beside the file itself, wherever a symbolic link is that leads to it.
  const file = await realpath(path).catch(() => path);
  const directory = dirname(file);
  const names = await readdir(directory).catch(() => []);
  for (const name of outdated(file, names, retention, now)) {
    await unlink(join(directory, name)).catch(() => undefined);
  }
}
