import { testRuntime } from './harness'

testRuntime({
  runtime: 'deno',
  name: 'Deno',
  variable: 'DENO_BIN',
  args: (file) => ['test', '--allow-all', '--no-check', '--node-modules-dir=manual', file],
})
