/** Environment variables that make a program load or run code, or read its settings from elsewhere. */
export interface Loader {
  /** For messages and docs/cli.md: who obeys them. */
  readonly what: string
  /** In capital letters; `*` at the end stands for any rest. */
  readonly names: readonly string[]
}

const names = (text: string): readonly string[] => text.trim().split(/\s+/)

/**
 * What glibc takes away from set-user-ID programs (`sysdeps/generic/unsecvars.h`), what sudo never passes on
 * (`initial_badenv_table` in `env.c`), and what the manuals of shells, runtimes and tools say that they run. No list of
 * these is ever complete, which docs/cli.md says.
 */
export const LOADERS: readonly Loader[] = [
  { what: 'the dynamic loader', names: names('LD_* LDR_* DYLD_* _RLD* SHLIB_PATH LIBPATH GLIBC_TUNABLES') },
  {
    what: 'the C library',
    names: names(
      'GCONV_PATH GETCONF_DIR HOSTALIASES LOCALDOMAIN LOCPATH MALLOC_* NIS_PATH NLSPATH PATH_LOCALE RESOLV_HOST_CONF RES_OPTIONS TZDIR',
    ),
  },
  {
    what: 'the look-up of programs and settings',
    names: names(
      'PATH PATHEXT COMSPEC SYSTEMROOT WINDIR HOME USERPROFILE APPDATA LOCALAPPDATA XDG_* TMPDIR TMP TEMP SHELL CDPATH',
    ),
  },
  {
    what: 'shells',
    names: names(
      'ENV BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS IFS PS0 PS1 PS2 PS3 PS4 PROMPT_COMMAND GLOBIGNORE ZDOTDIR FPATH NULLCMD READNULLCMD TMPPREFIX',
    ),
  },
  { what: 'PowerShell', names: names('PSMODULEPATH') },
  {
    what: 'Node.js, Electron and Bun',
    names: names('NODE_OPTIONS NODE_PATH NODE_REPL_* NODE_COMPILE_CACHE ELECTRON_RUN_AS_NODE BUN_OPTIONS BUN_INSPECT*'),
  },
  { what: 'npm', names: names('NPM_CONFIG_*') },
  { what: 'Python', names: names('PYTHON*') },
  { what: 'Perl', names: names('PERL5* PERLLIB PERLIO*') },
  { what: 'Ruby', names: names('RUBYOPT RUBYLIB RUBYSHELL GEM_HOME GEM_PATH BUNDLE_GEMFILE') },
  {
    what: 'Java and its builders',
    names: names(
      'JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS JDK_JAVAC_OPTIONS JAVA_HOME CLASSPATH MAVEN_OPTS GRADLE_OPTS ANT_OPTS SBT_OPTS',
    ),
  },
  {
    what: '.NET',
    names: names(
      'DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE DOTNET_ROOT* CORECLR_* COR_* COMPLUS_*',
    ),
  },
  {
    what: 'Lua, PHP, R, Tcl, Julia and Erlang',
    names: names(
      'LUA_* PHPRC PHP_INI_SCAN_DIR R_PROFILE* R_ENVIRON* R_LIBS* TCLLIBPATH TCL_LIBRARY JULIA_LOAD_PATH JULIA_DEPOT_PATH ERL_* ELIXIR_ERL_OPTIONS',
    ),
  },
  {
    what: 'compilers and make',
    names: names(
      'CC CXX GOFLAGS GOENV RUSTC RUSTC_* RUSTFLAGS CARGO_HOME CARGO_BUILD_* CARGO_TARGET_* CARGO_ENCODED_RUSTFLAGS MAKEFLAGS GNUMAKEFLAGS MAKEFILES',
    ),
  },
  {
    what: 'git and other version control',
    names: names(
      'GIT_SSH* GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_CONFIG* GIT_EXEC_PATH GIT_ASKPASS GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE GIT_ALLOW_PROTOCOL HGEDITOR HGMERGE HGRCPATH SVN_EDITOR SVN_SSH CVS_RSH',
    ),
  },
  {
    what: 'ssh, sudo and rsync',
    names: names('SSH_ASKPASS* SSH_SK_PROVIDER SUDO_ASKPASS SUDO_EDITOR RSYNC_RSH RSYNC_CONNECT_PROG'),
  },
  {
    what: 'pagers, editors and browsers',
    names: names(
      'PAGER MANPAGER SYSTEMD_PAGER SYSTEMD_EDITOR PSQL_PAGER PSQL_EDITOR PSQLRC EDITOR VISUAL FCEDIT VIMINIT GVIMINIT EXINIT BROWSER LESS LESSOPEN LESSCLOSE LESSKEY* LESSEDIT TAR_OPTIONS',
    ),
  },
  { what: 'terminals', names: names('TERMINFO TERMINFO_DIRS TERMCAP TERMPATH') },
  {
    what: 'OpenSSL and Kerberos',
    names: names('OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES KRB5_CONFIG* KRB5_KTNAME'),
  },
  {
    what: 'desktop toolkits and drivers',
    names: names(
      'GTK_MODULES GTK_PATH GTK_EXE_PREFIX GIO_MODULE_DIR GIO_EXTRA_MODULES GST_PLUGIN_* QT_PLUGIN_PATH QT_QPA_PLATFORM_PLUGIN_PATH QML_IMPORT_PATH QML2_IMPORT_PATH LIBGL_DRIVERS_PATH VK_*',
    ),
  },
  {
    what: 'cloud tools, whose settings name commands',
    names: names('AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE KUBECONFIG CLOUDSDK_PYTHON*'),
  },
]

/**
 * Who would take code or settings from a variable. Letters count as capitals: Windows has no others, and npm reads both.
 *
 * @returns `undefined` if nobody who is known.
 */
export function loaderOf(variable: string): string | undefined {
  const name = variable.toUpperCase()
  return LOADERS.find(({ names }) =>
    names.some((known) => (known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known)),
  )?.what
}
