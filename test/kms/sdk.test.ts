import { expect, it } from 'vitest'
import { loadSdk } from '../../src/kms/fault.ts'

it('an SDK that is not installed is named, with how to install it; another fault is its own', async () => {
  const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  await expect(loadSdk('@aws-sdk/client-kms', () => Promise.reject(missing))).rejects.toMatchObject({
    code: 'E_KMS_UNAVAILABLE',
    message: expect.stringContaining('@aws-sdk/client-kms is not installed'),
    hint: expect.stringContaining('--include=optional'),
  })
  for (const code of ['MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED'])
    await expect(loadSdk('pkcs11js', () => Promise.reject(Object.assign(new Error(), { code })))).rejects.toMatchObject(
      {
        code: 'E_KMS_UNAVAILABLE',
        message: expect.stringContaining('pkcs11js was not built'),
        hint: expect.stringContaining('npm rebuild pkcs11js'),
      },
    )
  await expect(loadSdk('x', () => Promise.reject(new TypeError('broken')))).rejects.toThrow(TypeError)
  expect(await loadSdk('x', async () => 'loaded')).toBe('loaded')
})
