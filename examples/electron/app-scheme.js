const { readFile } = require('node:fs/promises')
const { extname, join } = require('node:path')
const { protocol } = require('electron')

/**
 * The pages of the app, at `app://`: from `file://` they would all be of one origin, together with every other file on the
 * disk. Each page has an origin of its own here, and what it is allowed hangs on that.
 */

const FILES = {
  'app://secrets/': 'index.html',
  'app://secrets/renderer.js': 'renderer.js',
  'app://secrets/row.js': 'row.js',
  'app://secrets/words.js': 'words.js',
  'app://secrets/style.css': 'style.css',
  'app://recovery/': 'recovery.html',
  'app://recovery/recovery.js': 'recovery.js',
  'app://recovery/style.css': 'style.css',
}

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' }

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // No `innerHTML` and its like: there it is an error.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** To be called before the app is ready. */
function declareScheme() {
  protocol.registerSchemesAsPrivileged([{ scheme: 'app', privileges: { standard: true, secure: true } }])
}

/** When the app is ready. */
function servePages() {
  protocol.handle('app', async ({ url }) => {
    // A list, and not a folder: no path leads out of it.
    const file = Object.hasOwn(FILES, url) ? FILES[url] : undefined
    if (file === undefined) return new Response(null, { status: 404 })
    const headers = { 'content-type': TYPES[extname(file)], 'content-security-policy': CONTENT_SECURITY_POLICY }
    return new Response(await readFile(join(__dirname, 'pages', file)), { headers })
  })
}

module.exports = { declareScheme, servePages }
