// First of all: where nobody listens to it, SIGUSR1 has Node open a debugger, which reads all memory of the process.
if (process.platform !== 'win32') process.on('SIGUSR1', () => {})

// Loaded after that. Nothing is left to do then, whatever may still be open; every write was waited for.
void Promise.all([import('./io'), import('./main')])
  .then(([{ processIo }, { main }]) => main(process.argv.slice(2), processIo()))
  .then((exitCode) => process.exit(exitCode))

export {}
