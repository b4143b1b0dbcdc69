export function withExports(page: string): string;
