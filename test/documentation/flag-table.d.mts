import type { Topic } from '../../src/options/flags.js';

export declare const tableHead: RegExp;
export declare function flagRows(topics: readonly Topic[]): readonly string[];
export declare function flagPage(topics: readonly Topic[]): string;
