export function consoleBlocks(text: string): { line: number; text: string }[]
export function runConsole(block: string, prologue: string, env: Record<string, string>): string
export function alike(text: string): string
