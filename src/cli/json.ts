/**
 * JSON for a terminal and for programs: control characters, changes of direction, line ends and what is not seen are
 * written as `\u009b` and the like, which reads as the same. JSON itself asks for that up to U+001F alone.
 *
 * @param indent - Spaces; none for one line.
 */
export function jsonText(value: unknown, indent = 0): string {
  // All of them are within strings, where an escape may stand, but for the line ends of the indentation.
  return JSON.stringify(value, null, indent).replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) => escaped(character.charCodeAt(at))).join(''),
  )
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
