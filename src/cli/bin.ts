// First of all: where nobody listens to it, SIGUSR1 has Node open a debugger, which reads all memory of the process.
if (process.platform !== 'win32') process.on('SIGUSR1', () => {})

const [{ processIo }, { main }] = await Promise.all([import('./io'), import('./main')])

// Nothing is left to do, whatever may still be open; every write was waited for.
process.exit(await main(process.argv.slice(2), processIo()))

export {}
