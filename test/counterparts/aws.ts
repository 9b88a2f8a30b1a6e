import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { vi } from 'vitest'
import type { Counterpart } from './start.ts'

/** Servers of other people that play AWS KMS (test/counterparts/install.sh). */

/** Behaviours of AWS KMS that not every counterpart has. */
export type Behaviour = 'deletion' | 'disabling' | 'rotation'

interface AwsCounterpart extends Counterpart {
  /** A behaviour of AWS that it does not have, and what it does instead. */
  readonly cannot: Readonly<Partial<Record<Behaviour, string>>>
}

const motoServer = (port: number) => ['moto_server', '-H', '127.0.0.1', '-p', String(port)]

/** Policies are the business of a row of its own: localstack has none. */
export const counterparts = [
  {
    name: 'localstack',
    host: '[::1]',
    ready: '/_localstack/health',
    command: (port, scratch) => ({
      args: ['python', '-m', 'localstack.runtime.main'],
      env: {
        // Given 127.0.0.1 it would listen on all addresses.
        GATEWAY_LISTEN: `[::1]:${port}`,
        SERVICES: 'kms',
        EAGER_SERVICE_LOADING: '1',
        DISABLE_EVENTS: '1',
        SKIP_SSL_CERT_DOWNLOAD: '1',
        DNS_ADDRESS: '0',
        FILESYSTEM_ROOT: scratch,
      },
    }),
    cannot: {},
  },
  {
    name: 'moto',
    host: '127.0.0.1',
    ready: '/moto-api/',
    command: (port) => ({ args: motoServer(port), env: {} }),
    cannot: {
      disabling: 'a disabled key goes on opening',
      deletion: 'a key that waits for its deletion goes on opening',
      rotation: 'it notes that the key was rotated, and keeps the material',
    },
  },
] as const satisfies readonly AwsCounterpart[]

/** It takes four requests from anybody, and from then on looks at signatures and policies. */
export const motoWithPolicies: AwsCounterpart = {
  name: 'moto',
  host: '127.0.0.1',
  ready: null,
  command: (port) => ({ args: motoServer(port), env: { INITIAL_NO_AUTH_ACTION_COUNT: '4' } }),
  cannot: {},
}

/** Credentials and endpoint as a site has them, with nothing of this user's. */
export const awsEnvironment = (url: string, account = 'test') => ({
  AWS_ENDPOINT_URL_KMS: url,
  AWS_ACCESS_KEY_ID: account,
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
})

// As in bin/quorate.js.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

export const stubAwsEnvironment = (url: string): void => {
  for (const [name, value] of Object.entries(awsEnvironment(url))) vi.stubEnv(name, value)
}

/** The deeds of a key's administrator in one region. */
export const administrator = (url: string, region: string, account = 'test') => {
  const client = new KMSClient({
    region,
    endpoint: url,
    // The server takes an access key of twelve digits for the account of that number.
    credentials: { accessKeyId: account, secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  return {
    create: async (): Promise<string> => {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
      if (KeyMetadata?.Arn === undefined) throw new Error('a key without a name')
      return KeyMetadata.Arn
    },
    disable: (KeyId: string) => client.send(new DisableKeyCommand({ KeyId })),
    enable: (KeyId: string) => client.send(new EnableKeyCommand({ KeyId })),
    rotate: (KeyId: string) => client.send(new RotateKeyOnDemandCommand({ KeyId })),
    scheduleDeletion: (KeyId: string) => client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 })),
  }
}
