export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * Each script asks `infer complete -- WORDS…`: the first line of the answer says what the shell itself should
 * offer (`:files`, `:dirs` or `:none`), the others are `value<TAB>about`. Any failure prints nothing.
 */

// COMP_WORDS is also split at = : and @, so the words are taken from the line; a reply replaces what readline
// considers the current word, so the part before it is removed from each reply.
const BASH = `# bash completion of infer: eval "$(infer completion bash)"
_infer() {
  local line="\${COMP_LINE:0:COMP_POINT}" typed="\${COMP_WORDS[COMP_CWORD]}" paths='' value about current skip
  local -a words
  read -ra words <<< "$line"
  if [[ $line == *[[:space:]] ]]; then words+=(''); fi
  current="\${words[\${#words[@]}-1]}"
  case "$typed" in *[=:@]) typed='' ;; esac
  skip=$(( \${#current} - \${#typed} ))
  if (( skip < 0 )); then skip=0; fi
  COMPREPLY=()
  while IFS=$'\\t' read -r value about; do
    if [[ -z $paths ]]; then paths="$value"; else COMPREPLY+=("\${value:skip}"); fi
  done < <("\${words[0]/#\\~/$HOME}" complete -- "\${words[@]:1}" 2>/dev/null)
  case "$paths" in
    :files) compopt -o filenames 2>/dev/null; while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$typed") ;;
    :dirs) compopt -o filenames 2>/dev/null; while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -d -- "$typed") ;;
  esac
}
complete -F _infer infer
`;

const ZSH = `#compdef infer
# zsh completion of infer: source <(infer completion zsh), or this as a file _infer in a directory of $fpath
_infer() {
  local -a lines values
  local line value about
  lines=("\${(@f)$("\${(Q)words[1]}" complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  for line in "\${(@)lines[2,-1]}"; do
    value="\${line%%$'\\t'*}"
    about="\${line#*$'\\t'}"
    if [[ -z $value ]]; then continue; fi
    value="\${value//:/\\\\:}"
    if [[ $line == *$'\\t'* ]]; then values+=("$value:$about"); else values+=("$value"); fi
  done
  if (( \${#values} )); then _describe -t infer 'infer' values; fi
  case "\${lines[1]}" in
    :files) _files ;;
    :dirs) _files -/ ;;
  esac
}
if [[ "\${funcstack[1]}" == _infer ]]; then
  _infer "$@"
else
  if ! (( $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
  compdef _infer infer
fi
`;

const FISH = `# fish completion of infer: infer completion fish > ~/.config/fish/completions/infer.fish
function __infer_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    test (count $current) -eq 0; and set current ''
    set -l lines (command $words[1] complete -- $words[2..-1] $current 2>/dev/null)
    test (count $lines) -eq 0; and return
    switch $lines[1]
        case :files
            __fish_complete_path $current
        case :dirs
            __fish_complete_directories $current
    end
    test (count $lines) -gt 1; and printf '%s\\n' $lines[2..-1]
end
complete -c infer -f -a '(__infer_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** The script that a shell sources. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

/** The line that enables it permanently. */
export const INSTALL: Readonly<Record<Shell, string>> = {
  bash: `echo 'eval "$(infer completion bash)"' >> ~/.bashrc`,
  zsh: `echo 'source <(infer completion zsh)' >> ~/.zshrc`,
  fish: 'infer completion fish > ~/.config/fish/completions/infer.fish',
};
