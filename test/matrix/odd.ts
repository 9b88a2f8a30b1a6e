import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { bombs, NASTY } from '../fuzz/mutate.ts'
import type { World } from './world.ts'

const LONG = 100_000

const texts = [
  '',
  ' ',
  '   x   ',
  'x'.repeat(LONG),
  'é'.repeat(LONG),
  ...NASTY.flatMap((one) => [one, `a${one}b`]),
  '--',
  '-x',
  '--json',
  '..',
  '/',
  '//',
  '~',
  '$HOME',
  '*',
  'constructor',
  'a=b',
  'a/b',
  'a/b/c/d',
  'a,b',
  'qsite1qqqq',
]
const numbers = [
  '-1',
  '-0',
  '0',
  '00',
  '1',
  '1.5',
  '1e3',
  '1e309',
  'NaN',
  'Infinity',
  '0x10',
  '2147483648',
  '9'.repeat(400),
]
const hex = ['0', 'abc', 'ABCD', 'zz', '0xab', 'ab'.repeat(32), 'AB'.repeat(32), 'ab'.repeat(LONG), 'ab-cd']
const times = [
  'now',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '1969-12-31T23:59:59Z',
  '2038-01-19T03:14:08Z',
  '9999-12-31T23:59:59Z',
  '+275760-09-13T00:00:00Z',
  '+275760-09-13T00:00:01Z',
  '2026-12-31T23:59:60Z',
  '2026-02-30T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-12-01T24:00:00Z',
  '2026-12-01',
  '2026-12-01T09:00:00+02:00',
]
const urls = [
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:,x',
  'http://127.0.0.1',
  'ws://',
  'ws:',
  'ws:///x',
  'wss://user:secret@relay.example',
  'ws://127.0.0.1:0',
  'ws://127.0.0.1:65536',
  'ws://127.0.0.1:1#nobody',
  'ws://127.0.0.1:1#',
  'ws://[::1',
  'ws://0x7f.1:1',
  `wss://${'a'.repeat(300)}.example`,
  'wss://ドメイン.example',
]
const kinds = [
  'local:',
  'local:x',
  'local:/',
  'local:/dev/null',
  'local:/dev/zero',
  'local:/etc',
  'aws:x',
  ':',
  'local',
]

/** Contents of files that flags name. */
const documents = (definition: string): Readonly<Record<string, string | Uint8Array>> => ({
  empty: '',
  'line-ends': '\n\n\n',
  'no-text': new Uint8Array(256).map((_, n) => n),
  mark: `\ufeff${definition}`,
  crlf: definition.replaceAll('\n', '\r\n'),
  doubled: `${definition}${definition}`,
  'two-documents': `${definition}---\n${definition}`,
  cut: definition.slice(0, definition.length >> 1),
  anchors: `a: &a [x]\nb: *a\n${definition}`,
  laughs: `a: &a [x, x]\n${'bcdefghijklmnop'
    .split('')
    .map((name, n) => `${name}: &${name} [*${'abcdefghijklmno'[n]}, *${'abcdefghijklmno'[n]}]\n`)
    .join('')}`,
  merge: `<<: {kind: keygen}\n${definition}`,
  tag: `!!js/function "x"\n`,
  proto: '{"__proto__": {"kind": "keygen"}}',
  nan: 'kind: .nan\n',
  null: 'null',
  pem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
})

export interface OddValue {
  readonly name: string
  readonly value: string
}

/** Values that no flag expects, and every flag may be given. Makes the files that they name. */
export const oddValues = (world: World, definition: string): readonly OddValue[] => {
  mkdirSync(world.at('odd'))
  const files: string[] = []
  const file = (name: string, content: string | Uint8Array): void => {
    files.push(world.at(`odd/${name}`))
    writeFileSync(world.at(`odd/${name}`), content)
  }
  for (const [name, content] of Object.entries(documents(definition))) file(name, content)
  for (const [n, bomb] of bombs(2 ** 18).entries()) file(`bomb-${n}`, bomb)
  file('large', Buffer.alloc(2 ** 21, 0x20))
  mkdirSync(world.at('odd/folder'))
  symlinkSync('/nowhere', world.at('odd/dangling'))
  symlinkSync('circle', world.at('odd/circle'))
  const paths = [
    ...files,
    ...['folder', 'folder/', 'dangling', 'circle', 'none', 'none/none', 'empty/below', `${'x'.repeat(300)}`].map(
      (name) => world.at(`odd/${name}`),
    ),
    ...['/dev/null', '/dev/zero', '/dev/full', '/dev/tty', '/proc/self/mem', '/proc/self/environ', '/etc'],
    world.at('us/run.sock'),
    world.at('eu/identity'),
    world.at('eu/ledger'),
    world.at('eu'),
  ]
  // No command line holds a NUL.
  const typed = (value: string): boolean => !value.includes('\0')
  return [...texts, ...numbers, ...hex, ...times, ...urls, ...kinds, ...paths].filter(typed).map((value) => ({
    name: JSON.stringify(value.length > 60 ? `${value.slice(0, 40)}… of ${value.length}` : value),
    value,
  }))
}
