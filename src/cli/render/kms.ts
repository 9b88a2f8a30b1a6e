import { QuorateError } from '../../lib/errors.ts'
import type { KmsKeyChecked, KmsKeyNamed } from '../../site/kms-doctor.ts'
import type { Line, Lines } from '../term.ts'

const keyLine = ({ site, key, region, protection }: KmsKeyNamed): Line => ({
  label: site,
  text: key,
  note: [region, protection].filter((one) => one !== null).join('; '),
  noteTone: protection === null ? 'good' : 'warn',
})

export const kmsListView = ({ keys }: { readonly keys: readonly KmsKeyNamed[] }): Lines => keys.map(keyLine)

export const kmsDoctorView = ({ keys }: { readonly keys: readonly KmsKeyChecked[] }): Lines =>
  keys.flatMap((key): Line[] => [
    keyLine(key),
    ...key.checks.flatMap(({ check, state, said, hint }): Line[] => [
      // Its name stands right above.
      {
        label: `  ${check}`,
        text: said.replace(`the KMS key ${key.key} `, 'it '),
        note: state,
        noteTone: state === 'ok' ? 'good' : 'warn',
      },
      ...(hint === null ? [] : [{ label: '', text: hint }]),
    ]),
  ])

/** The answer is no where a check failed. */
export const kmsFaultOf = (keys: readonly KmsKeyChecked[]): QuorateError | undefined => {
  const bad = keys.filter(({ checks }) => checks.some(({ state }) => state === 'failed')).map(({ key }) => key)
  if (bad.length === 0) return undefined
  return new QuorateError(
    'E_REFUSED',
    `${bad.length} of ${keys.length} KMS keys ${bad.length === 1 ? 'does' : 'do'} not do what a share needs`,
    'each failed check above says who mends it; then run the same command again before anything is sealed',
    { keys: bad },
  )
}
