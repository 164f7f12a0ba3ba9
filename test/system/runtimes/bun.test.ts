import { testRuntime } from './harness'

testRuntime({
  runtime: 'bun',
  name: 'Bun',
  variable: 'BUN_BIN',
  args: (file) => ['test', '--timeout', '600000', `./${file}`],
})
