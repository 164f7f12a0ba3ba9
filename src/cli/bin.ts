// First of all: where nobody listens to it, SIGUSR1 has Node open a debugger, which reads all memory of the process.
if (process.platform !== 'win32') process.on('SIGUSR1', () => {})

// Loaded after that. Nothing is left to do then, whatever may still be open; every write was waited for.
void import('./start').then(({ start }) => start()).then((exitCode) => process.exit(exitCode))

export {}
