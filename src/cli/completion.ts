import type { Command } from '@oclif/core'

interface Entry {
  /** As typed: `keygen join`. */
  readonly words: string
  readonly summary: string
  readonly flags: readonly {
    readonly name: string
    readonly summary: string
    readonly takesFile: boolean
    readonly options: readonly string[]
  }[]
}

const FILES = /^(?:FILE|FOLDER|PATH)$/

const entries = (commands: readonly Command.Loadable[]): readonly Entry[] =>
  commands
    .filter((command) => !command.hidden)
    .map((command) => ({
      words: command.id.replaceAll(':', ' '),
      summary: command.summary ?? '',
      flags: Object.entries(command.flags)
        .filter(([, flag]) => !flag.hidden)
        .map(([name, flag]) => ({
          name,
          summary: flag.summary ?? '',
          takesFile: flag.type === 'option' && FILES.test(String(flag.helpValue)),
          options: flag.type === 'option' ? (flag.options ?? []) : [],
        })),
    }))
    .sort((a, b) => (a.words < b.words ? -1 : 1))

/** Words that may follow each beginning of a command. */
const next = (all: readonly Entry[]): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, Set<string>>()
  for (const { words } of all) {
    const path = words.split(' ')
    path.forEach((word, i) => {
      const before = path.slice(0, i).join(' ')
      found.set(before, (found.get(before) ?? new Set()).add(word))
    })
  }
  return new Map([...found].map(([before, words]) => [before, [...words].sort()]))
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Static: it names the commands and flags of this version and never starts quorate. */
export const bashCompletion = (commands: readonly Command.Loadable[]): string => {
  const all = entries(commands)
  const words = [...next(all)].map(([before, after]) => `    ${quote(before)}) words=${quote(after.join(' '))} ;;`)
  const flags = all.map(
    ({ words: name, flags }) =>
      `    ${quote(name)}) words=${quote(flags.map((flag) => `--${flag.name}`).join(' '))} ;;`,
  )
  const values = [
    ...new Map(
      all
        .flatMap(({ flags }) => flags.filter(({ options }) => options.length > 0))
        .map(({ name, options }) => [name, options]),
    ),
  ].map(
    ([name, options]) => `    --${name}) COMPREPLY=($(compgen -W ${quote(options.join(' '))} -- "$cur")); return ;;`,
  )
  const files = [
    ...new Set(all.flatMap(({ flags }) => flags.filter(({ takesFile }) => takesFile).map(({ name }) => `--${name}`))),
  ]
  return `# bash completion of quorate
_quorate() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words='' command='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] && break
    command="\${command:+$command }\${COMP_WORDS[i]}"
  done
  case $prev in
${[...values, ...(files.length === 0 ? [] : [`    ${files.join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`])].join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $command in
${flags.join('\n')}
    esac
  else
    case $command in
${words.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o filenames -F _quorate quorate
`
}

const zshText = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")

export const zshCompletion = (
  commands: readonly Command.Loadable[],
  topics: readonly { readonly name: string; readonly description?: string | undefined }[],
): string => {
  const all = entries(commands)
  const summaries = new Map([
    ...topics.map(({ name, description }) => [name.replaceAll(':', ' '), description ?? ''] as const),
    ...all.map(({ words, summary }) => [words, summary] as const),
  ])
  const words = [...next(all)].map(([before, after]) => {
    const lines = after.map((word) => quote(`${word}:${summaries.get(`${before} ${word}`.trim()) ?? ''}`))
    return `    ${quote(before)}) verbs=(${lines.join(' ')}) ;;`
  })
  const flags = all.map(({ words: name, flags }) => {
    const lines = flags.map((flag) => {
      const value =
        flag.options.length > 0 ? `=:value:(${flag.options.join(' ')})` : flag.takesFile ? '=:file:_files' : ''
      return `'--${flag.name}[${zshText(flag.summary)}]${value}'`
    })
    return `    ${quote(name)}) flags=(${lines.join(' ')}) ;;`
  })
  return `#compdef quorate
# zsh completion of quorate
_quorate() {
  local command='' i
  local -a verbs flags
  for ((i = 2; i < CURRENT; i++)); do
    [[ \${words[i]} == -* ]] && break
    command="\${command:+$command }\${words[i]}"
  done
  case $command in
${flags.join('\n')}
  esac
  if (( \${#flags} )); then
    _arguments -s $flags
    return
  fi
  case $command in
${words.join('\n')}
  esac
  _describe 'command' verbs
}
_quorate "$@"
`
}
