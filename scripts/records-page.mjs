/** The page of all signed records, one line a row of the record table. `versionsOf` gives the versions of a codec. */
export const recordsPage = (table, versionsOf) => {
  const code = (text) => `\`${text}\``
  const yes = (is) => (is ? 'yes' : '')
  const rows = Object.entries(table).map(([name, row]) => {
    const { codec, signedBy, event, ledger, durable, forwarded, reported } = row
    const types = versionsOf(codec).map(({ type }) => code(type))
    const signer = signedBy === 'identity' ? 'identity' : signedBy === 'nobody' ? 'nobody' : `${signedBy} key`
    const ledgerEvent = ledger === null ? '' : code(ledger.what)
    return [
      name,
      types.join(', older: '),
      signer,
      code(event),
      ledgerEvent,
      yes(durable),
      yes(forwarded),
      code(reported),
    ]
  })
  return [
    '# Signed records',
    'Every record that sites show each other, in the order in which each can be verified by those before it. A new one is a row of `src/records/record-table.ts` and a schema.',
    [
      '| record | type | signed by | in the ceremony log as | in the ledger as | durable before others see it | handed on | check that answers for it |',
      '| --- | --- | --- | --- | --- | --- | --- | --- |',
      ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    ].join('\n'),
  ].join('\n\n')
}
