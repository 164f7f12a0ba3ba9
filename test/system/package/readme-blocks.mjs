/**
 * The programs in README.md: every block marked `js` or `ts`. Each stands alone.
 *
 * @param {string} readme
 * @returns {{ line: number, code: string }[]}
 */
export function readmeBlocks(readme) {
  return [...readme.matchAll(/^```(?:js|ts)\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: readme.slice(0, match.index).split('\n').length + 1,
    code: match[1],
  }))
}

/**
 * What a program says that it prints: the comment behind each `console.log`.
 *
 * @param {string} code
 * @returns {string[]}
 */
export function expectedOutput(code) {
  return [...code.matchAll(/console\.log\(.*\).* \/\/ (.*)$/gm)].map((match) => match[1])
}

/**
 * The same program for `require`.
 *
 * @param {string} code
 * @returns {string}
 */
export function toCommonJs(code) {
  const body = code.replaceAll(/^import (\{[^}]*\}|\w+) from ('[^']+')$/gm, 'const $1 = require($2)')
  return `;(async () => {\n${body}})().catch((error) => {\n  console.error(error)\n  process.exitCode = 1\n})\n`
}
