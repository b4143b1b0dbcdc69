import type { FlagTopic } from '../../src/cli/flags.js';

export declare const tableHead: RegExp;
export declare function flagRows(topics: readonly FlagTopic[]): readonly string[];
export declare function withFlagTable(readme: string, topics: readonly FlagTopic[]): string;
