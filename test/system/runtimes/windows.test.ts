import { testRuntime } from './harness'

// `node --test` starts a process for each file and reads its output from a pipe, which Wine has trouble with: run as a
// program, a test file does the same.
testRuntime({ runtime: 'windows', name: 'Node for Windows', variable: 'WINDOWS_NODE_BIN', args: (file) => [file] })
