/** What the help, docs/cli.md and the man page say beside commands and options. */

/** What the shell is told. */
export const EXIT_CODES: Readonly<Record<string, string>> = {
  0: 'done',
  1: 'not found, or refused',
  2: 'the command line is wrong',
  3: 'wrong key, or the system keyring has none of that name',
  4: 'locked: something else has the store open, or nobody unlocked the system keyring',
  5: 'damaged',
  6: 'unknown: the process that holds the store did not say whether a change took effect',
  130: 'ended by Ctrl-C; 129, 131 and 143 by SIGHUP, SIGQUIT and SIGTERM, 141 because nobody reads stdout',
}

/** Variables that the program looks at. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  SECRET_STORE: 'where the store is, without --store',
  SECRET_STORE_KEY_FILE: 'a key file, where no option says which key',
  SECRET_STORE_PASSPHRASE: 'the passphrase, where no option says which key; other processes of yours can read it',
  SECRET_STORE_NEW_PASSPHRASE: 'the same for a new key',
  SECRET_STORE_WAIT: 'how long to wait for a store that something else has open alone, without --wait',
  SECRET_STORE_API_KEY: 'the key that `serve` takes requests with',
  SECRET_STORE_PLAIN: 'progress as lines of text, for screen readers, as with TERM=dumb',
  NO_COLOR: 'no colours, whatever the terminal is',
}

/** One example for the help of each command, by the words that name it; of the program itself, several. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  '': [
    'secret-store init',
    'secret-store set stripe.api-key',
    'secret-store list',
    'secret-store run -- npm start',
    'secret-store help keys add',
  ],
  init: ['secret-store init --generate-key-file ~/.config/secret-store.key'],
  set: ['secret-store set stripe.api-key --expires 90d <key.txt'],
  get: ['curl --user "$(secret-store get example.api-key):" https://api.example.com/v1'],
  list: ['secret-store list --all --json | jq -r ".data[].name"'],
  run: ['secret-store run --only db.url -- npm start'],
  find: ['secret-store find stripe.api-key'],
  edit: ['secret-store edit app.config'],
  mv: ['secret-store mv db.url database.url'],
  delete: ['secret-store delete stripe.api-key'],
  import: ['secret-store import .env --skip'],
  export: ['secret-store export --format json --output secrets.json'],
  keys: ['secret-store keys list'],
  'keys list': ['secret-store keys list'],
  'keys add': ['secret-store keys add --generate-key-file /etc/app.key --label server'],
  'keys remove': ['secret-store keys remove Qm8_x2LkTzA'],
  'keys replace': ['secret-store keys replace Qm8_x2LkTzA'],
  'keys recovery': ['secret-store keys recovery --label paper'],
  status: ['secret-store status --holder'],
  verify: ['secret-store verify --read-only --store /mnt/copy/store'],
  backup: ['secret-store backup "/var/backups/secrets-$(date +%F)"'],
  restore: ['secret-store restore /var/backups/secrets-2027-01-31 --store ~/restored'],
  recover: ['secret-store recover ~/recovered --store ~/damaged'],
  rotate: ['secret-store rotate'],
  sweep: ['secret-store sweep'],
  compact: ['secret-store compact'],
  serve: ['SECRET_STORE_API_KEY=sk_test_example secret-store serve --port 4242'],
  help: ['secret-store help keys add'],
}
