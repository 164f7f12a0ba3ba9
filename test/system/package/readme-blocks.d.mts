export function readmeBlocks(readme: string): { line: number; code: string }[]
export function expectedOutput(code: string): string[]
export function toCommonJs(code: string): string
