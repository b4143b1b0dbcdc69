export declare const documentedMakers: readonly string[];
export declare function metricsPage(telemetry: Readonly<Record<string, unknown>>): Promise<string>;
