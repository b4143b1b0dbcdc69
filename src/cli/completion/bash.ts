import { help, namesOf, programName, quoted, version } from './completion-description.js';
import type { CompletedCommand, CompletedFlag } from './completion-description.js';

/** A script for bash 3.2 and later, without dependencies. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  return `# bash completion of ${programName}: source <(${programName} completion bash)
_kcp_metrics_filter() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command='' flags='' words='' files='' list='' prefix='' at
  # bash splits flag=value into three words.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    if [[ \${COMP_WORDS[at]} != -* ]]; then
      command=\${COMP_WORDS[at]}
      break
    fi
  done
  COMPREPLY=()
  case $command in
    '')
      flags='${help} ${version}'
      words=${quoted(commands.map(({ name }) => name).join(' '))}
      ;;
${commands.map(branchOf).join('\n')}
  esac
  if [[ $current == -* ]] || [[ -z $words && -z $files ]]; then
    words=$flags files='' list=''
  fi
  if [[ -n $list && $current == *,* ]]; then
    prefix=\${current%,*},
    current=\${current##*,}
  fi
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    set -- -A "$files"
  else
    set -- -W "$words"
  fi
  while IFS= read -r at; do
    COMPREPLY+=("$at")
  done < <(compgen -P "$prefix" "$@" -- "$current")
}
complete -F _kcp_metrics_filter ${programName}
`;
}

function branchOf({ name, flags, words }: CompletedCommand): string {
  const names = flags.flatMap((flag) => namesOf(flag)).filter((flag) => flag.startsWith('--'));
  const flagsByValue = new Map<string, string[]>();
  for (const flag of flags) {
    const assignment = assignmentOf(flag);
    flagsByValue.set(assignment, [...(flagsByValue.get(assignment) ?? []), ...namesOf(flag)]);
  }
  const values = [...flagsByValue].map(([assignment, of]) => `        ${of.join('|')}) ${assignment} ;;`);
  return [
    `    ${name})`,
    `      flags=${quoted([...names, help].join(' '))}`,
    ...(words.length === 0 ? [] : [`      words=${quoted(words.join(' '))}`]),
    ...(values.length === 0 ? [] : ['      case $previous in', ...values, '      esac']),
    '      ;;',
  ].join('\n');
}

function assignmentOf({ value, isList }: CompletedFlag): string {
  const list = isList ? ' list=1' : '';
  switch (value.kind) {
    case 'words':
      return `words=${quoted(value.words.join(' '))}${list}`;
    case 'file':
    case 'directory':
      return `files=${value.kind}${list}`;
    case 'text':
      return 'return';
  }
}
