import { help, namesOf, programName, quoted, version } from './completion-description.js';
import type { CompletedCommand, CompletedFlag } from './completion-description.js';

/** A script for zsh: sourced, or as `_kcp-metrics-filter` in a folder of `$fpath`. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  return `#compdef ${programName}
# zsh completion of ${programName}: source <(${programName} completion zsh), after compinit
_kcp_metrics_filter() {
  local state line
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${escaped(description)}`)}`).join('\n')}
  )
  _arguments -C '(- *)${help}[show help]' '(- *)${version}[show the version]' \\
    '1:command:->command' '*::rest:->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
${commands.map(branchOf).join('\n')}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _kcp_metrics_filter || $funcstack[1] == _${programName} ]]; then
  _kcp_metrics_filter "$@"
else
  compdef _kcp_metrics_filter ${programName}
fi
`;
}

function branchOf({ name, flags, words }: CompletedCommand): string {
  const specs = [
    ...flags.flatMap((flag) => namesOf(flag).map((typed) => specOf(typed, flag))),
    `(- *)${help}[show help]`,
    ...(words.length === 0 ? [] : [`1:${name}:(${words.join(' ')})`]),
  ];
  return [
    `        ${name})`,
    `          _arguments ${specs.map(quoted).join(' \\\n            ')}`,
    '          ;;',
  ].join('\n');
}

function specOf(name: string, { description, value, isBoolean, isList }: CompletedFlag): string {
  const separator = name.startsWith('--') ? (isBoolean ? '=-' : '=') : '+';
  const repeated = isList ? '*' : '';
  return `${repeated}${name}${separator}[${escaped(description)}]${isBoolean ? '::' : ':'}value:${actionOf(value, isList)}`;
}

function actionOf(value: CompletedFlag['value'], isList: boolean): string {
  switch (value.kind) {
    case 'words':
      return isList ? `_values -s , value ${value.words.join(' ')}` : `(${value.words.join(' ')})`;
    case 'file':
      return isList ? '_sequence _files' : '_files';
    case 'directory':
      return '_files -/';
    case 'text':
      return ' ';
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&');
}
