/** The shells that there is a script for. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const
export type Shell = (typeof SHELLS)[number]

/** Ways to install the script, each one line of a shell: a file that the shell looks for, or a line of a start-up file. */
export const PLACES: Readonly<Record<Shell, readonly string[]>> = {
  bash: [
    'secret-store completion bash >~/.local/share/bash-completion/completions/secret-store',
    'source <(secret-store completion bash)  # in ~/.bashrc',
  ],
  zsh: [
    'secret-store completion zsh >~/.zfunc/_secret-store  # with fpath+=~/.zfunc before compinit in ~/.zshrc',
    'source <(secret-store completion zsh)  # in ~/.zshrc, after compinit',
  ],
  fish: [
    'secret-store completion fish >~/.config/fish/completions/secret-store.fish',
    'secret-store completion fish | source  # in ~/.config/fish/config.fish',
  ],
  powershell: [
    'secret-store completion powershell >$HOME/secret-store.ps1',
    '. $HOME/secret-store.ps1  # in the file of $PROFILE, once the first line has made it',
  ],
}

// Each script hands the words to `secret-store complete` as arguments, with a dot before each: PowerShell would lose an
// empty one. No script evaluates them, and none asks its shell to complete a path with `$` or a backtick in it, which
// shells expand to look it up: a command line that was pasted and is not yet entered must not run.

/** The head comment, which says where the script goes. */
function headOf(shell: Shell): string {
  return [
    `# It goes where ${shell === 'powershell' ? 'these put' : 'one of these puts'} it:`,
    ...PLACES[shell].map((way) => `#   ${way}`),
  ].join('\n')
}

const BASH = `# bash completion of secret-store
${headOf('bash')}
_secret_store() {
    local cur=\${COMP_WORDS[COMP_CWORD]} then= line value
    local -a words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    [[ $cur == = ]] && cur=
    while IFS= read -r line; do
        if [[ $line == :* ]]; then then=\${line#:}; continue; fi
        value=\${line%%$'\\t'*}
        [[ $value == "$cur"* ]] && COMPREPLY+=("$value")
    done < <(command secret-store complete "\${words[@]/#/.}" 2>/dev/null)
    [[ $cur == *['$\`']* ]] && return
    case $then in
        files) _secret_store_paths -f ;;
        directories) _secret_store_paths -d ;;
        command*) _secret_store_command "$((\${then#command } + 1))" ;;
    esac
}
_secret_store_paths() {
    local path
    compopt -o filenames 2>/dev/null
    while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$1" -- "$cur")
}
_secret_store_command() {
    if declare -F _comp_command_offset >/dev/null; then _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then _command_offset "$1"
    elif ((COMP_CWORD > $1)); then _secret_store_paths -f
    else while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$cur")
    fi
}
complete -F _secret_store secret-store
`

const ZSH = `#compdef secret-store
# zsh completion of secret-store
${headOf('zsh')}
_secret_store() {
    local line next= rest=$PREFIX$SUFFIX
    local -a values shown
    while IFS= read -r line; do
        if [[ $line == :* ]]; then next=\${line#:}; continue; fi
        values+=("\${line%%$'\\t'*}")
        shown+=("\${line/$'\\t'/  }")
    done < <(command secret-store complete "\${(@)\${(@)words[2,CURRENT]}/#/.}" 2>/dev/null)
    (( $#values )) && compadd -l -d shown -a values
    [[ $rest == *[\\$\\\`]* ]] && return
    [[ $PREFIX == --*=* ]] && compset -P '*='
    case $next in
        files) _files ;;
        directories) _files -/ ;;
        command*)
            words=("\${(@)words[\${next#command }+2,-1]}")
            (( CURRENT -= \${next#command } + 1 ))
            _normal ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _secret_store "$@"
else
    compdef _secret_store secret-store
fi
`

const FISH = `# fish completion of secret-store
${headOf('fish')}
function __secret_store_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -e words[1]
    set -l next
    for line in (command secret-store complete .$words ".$current" 2>/dev/null)
        if string match -q -- ':*' $line
            set next (string sub -s 2 -- $line)
        else
            printf '%s\\n' $line
        end
    end
    string match -qr -- '[$\`(]' $current; and return
    set -l option (string match -r -- '^--[^=]*=' $current; or echo '')
    set -l path (string replace -r -- '^--[^=]*=' '' $current)
    switch "$next"
        case files
            printf '%s\\n' $option(__fish_complete_path "$path")
        case directories
            printf '%s\\n' $option(__fish_complete_directories "$path" '')
        case 'command*'
            set -l from (math (string replace 'command ' '' -- $next) + 1)
            set -l typed (string escape -- $words[$from..-1])
            complete --do-complete (string join ' ' -- $typed $current)
    end
end
complete -c secret-store -e
complete -c secret-store -f -a '(__secret_store_complete)'
`

const POWERSHELL = `# PowerShell completion of secret-store
${headOf('powershell')}
Register-ArgumentCompleter -Native -CommandName secret-store -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { '.' + $_.Extent.Text })
    # A batch file would have cmd.exe read the words.
    $program = Get-Command secret-store -All -CommandType ExternalScript, Application |
        Where-Object { $_.Name -notmatch '\\.(cmd|bat)$' } | Select-Object -First 1
    if ($null -eq $program) { return }
    $lines = @(& $program complete @words ('.' + $wordToComplete) 2>$null)
    $lines | Where-Object { -not $_.StartsWith(':') } | ForEach-Object {
        $value, $description = $_.Split("\`t", 2)
        if ($value.StartsWith($wordToComplete)) {
            if (-not $description) { $description = $value }
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $description)
        }
    }
}
`

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH, powershell: POWERSHELL }

/** The script that teaches a shell to complete the program's command lines. It may be sourced twice. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]
}
