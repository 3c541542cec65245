export function buildModules(outdir: string): Promise<void>;
export function buildTypes(outdir: string): void;
