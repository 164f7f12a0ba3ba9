/** docs/session.svg, a session at a real terminal: `npm run docs:session`, after `npm run build`. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { pictureOf } from './session-picture'
import { recordSession } from './session-record'

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

const rows = await recordSession(`'${process.execPath}' '${path('dist/cli.cjs')}'`)
writeFileSync(path('docs/session.svg'), pictureOf(rows))
