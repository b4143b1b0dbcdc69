import { readFileSync } from 'node:fs';

export interface Step {
  readonly command: string;
  /** What the README says it prints. */
  readonly output: string;
}

export interface Readme {
  /** The ```sh blocks: commands without what they print. */
  readonly scripts: readonly string[];
  /** The ```console blocks: `$ command` lines, each followed by what it prints. */
  readonly transcripts: readonly (readonly Step[])[];
}

export function exampleReadme(example: string): Readme {
  const text = readFileSync(new URL(`../../examples/${example}/README.md`, import.meta.url), 'utf8');
  return { scripts: fenced(text, 'sh'), transcripts: fenced(text, 'console').map(stepsOf) };
}

/** The one script that starts something; fails where the README has none or several. */
export function scriptWith(readme: Readme, ...words: readonly string[]): string {
  const [script, ...others] = readme.scripts.filter((text) => words.every((word) => text.includes(word)));
  if (script === undefined || others.length > 0) {
    throw new Error(`${others.length + (script === undefined ? 0 : 1)} scripts with ${words.join(' and ')}`);
  }
  return script;
}

function fenced(text: string, language: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, body = '']) => body,
  );
}

function stepsOf(transcript: string): readonly Step[] {
  return transcript
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const end = step.indexOf('\n');
      return { command: step.slice(0, end), output: step.slice(end + 1).trimEnd() };
    });
}
