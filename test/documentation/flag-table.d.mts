import type { FlagTopic } from '../../src/options/flags.js';

export declare const tableHead: RegExp;
export declare function flagRows(topics: readonly FlagTopic[]): readonly string[];
export declare function flagPage(topics: readonly FlagTopic[]): string;
