import { expect, test } from 'vitest'
import { QuorateError } from '../../src/lib/errors.ts'

test('a hint shows details by name, and can be filled anew where one is known better', () => {
  const error = new QuorateError('E_REFUSED', 'no', 'the proof is in {bundle}; {unknown} stays', {
    bundle: 'bundles/x',
  })
  expect(error.hint).toBe('the proof is in bundles/x; {unknown} stays')
  const whole = new QuorateError(error.code, error.message, error.template, { bundle: '/home/eu/$& bundles/x' })
  expect(whole.hint).toBe('the proof is in /home/eu/$& bundles/x; {unknown} stays')
})

test('nothing but a detail of its own is shown', () => {
  expect(new QuorateError('E_REFUSED', 'no', '{constructor} {toString}').hint).toBe('{constructor} {toString}')
})
