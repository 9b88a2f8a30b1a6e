import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import {
  AccountSASPermissions,
  BlobServiceClient,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { Storage } from '@google-cloud/storage'
import { policy } from '../support/policies.ts'
import type { Authority } from './authority.ts'
import { counterpartFolder } from './installed.ts'
import type { Counterpart } from './start.ts'

/** Servers of other people that play the stores of three clouds (test/counterparts/install.sh). */

// As in bin/quorate.js.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

/** S3 over a folder: `scratch/objects/BUCKET/KEY` holds an object's bytes, and its attributes all the rest. */
export const versitygw: Counterpart = {
  name: 'versitygw',
  host: '127.0.0.1',
  ready: null,
  command: (port, scratch) => {
    const [objects, versions, accounts] = ['objects', 'versions', 'accounts'].map((name) => join(scratch, name))
    for (const folder of [objects, versions, accounts]) mkdirSync(folder ?? '')
    return {
      args: [
        ...['versitygw', '--port', `127.0.0.1:${port}`, '--quiet', '--iam-dir', accounts ?? ''],
        ...['posix', '--versioning-dir', versions ?? '', objects ?? ''],
      ],
      env: { ROOT_ACCESS_KEY_ID: 'test', ROOT_SECRET_ACCESS_KEY: 'testtesttest' },
    }
  },
}

/** Credentials and endpoint as a site has them, with nothing of this user's. */
export const s3Environment = (url: string) => ({
  AWS_ENDPOINT_URL_S3: url,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'testtesttest',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
})

const administrator = (url: string): S3Client =>
  new S3Client({
    region: 'us-east-1',
    endpoint: url,
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'testtesttest' },
  })

/** A bucket as its administrator makes it. `locked` keeps each version for a day. */
export const makeBucket = async (url: string, Bucket: string, kind: 'plain' | 'versioned' | 'locked') => {
  const client = administrator(url)
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: kind === 'locked' }))
  if (kind === 'versioned')
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  if (kind === 'locked')
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } },
        },
      }),
    )
  client.destroy()
}

export const makeUser = (url: string, name: string, secret: string): void => {
  const admin = ['admin', '-a', 'test', '-s', 'testtesttest', '-er', url]
  execFileSync(join(counterpartFolder('versitygw'), 'bin/versitygw'), [
    ...[...admin, 'create-user', '-a', name, '-s', secret, '-r', 'user'],
  ])
}

interface Statement {
  readonly Action: readonly string[]
  readonly Resource: string
}

/** Gives a user the rights of a policy document of an identity, at a bucket; but for those that are left out. */
export const allow = async (url: string, Bucket: string, user: string, file: string, but: readonly string[] = []) => {
  const { Version, Statement } = policy<{ readonly Version: string; readonly Statement: readonly Statement[] }>(file)
  const statements = Statement.map(({ Action, Resource }) => ({
    Effect: 'Allow',
    Principal: { AWS: [user] },
    Action: Action.filter((one) => !but.includes(one)),
    Resource: Resource.replace('custody-eu', Bucket),
  }))
  const client = administrator(url)
  await client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version, Statement: statements }) }))
  client.destroy()
}

export const azurite: Counterpart = {
  name: 'azurite',
  host: '127.0.0.1',
  ready: null,
  command: (port, scratch) => ({
    args: [
      process.execPath,
      join(counterpartFolder('azurite'), 'node_modules/azurite/dist/src/blob/main.js'),
      ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', scratch, '--silent'],
      // It knows older versions of the interface alone, and answers as they do.
      ...['--disableTelemetry', '--skipApiVersionCheck'],
    ],
    env: {},
  }),
}

/** The same with TLS, for tokens of an authority, of which it looks at issuer, audience and times alone. */
export const azuriteWithTokens = ({ folder }: Authority): Counterpart => ({
  ...azurite,
  command: (port, scratch) => {
    const { args, env } = azurite.command(port, scratch)
    const tls = ['--cert', join(folder, 'server.pem'), '--key', join(folder, 'server.key')]
    return { args: [...args, '--oauth', 'basic', ...tls], env }
  },
})

/** Of every emulator, as its makers published it. */
const account = 'devstoreaccount1'
const shared = new StorageSharedKeyCredential(
  account,
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
)

/** A new container, and a site's right to it: to read, write, list and delete, versions too. */
export const makeContainer = async (url: string, container: string) => {
  await new BlobServiceClient(`${url}/${account}`, shared).getContainerClient(container).create()
  const rights = { containerName: container, permissions: ContainerSASPermissions.parse('rcwdxl') }
  const until = { startsOn: new Date(Date.now() - 3_600_000), expiresOn: new Date(Date.now() + 36_000_000) }
  return {
    uri: `azblob:${url}/${account}/${container}/sites/eu`,
    environment: {
      AZURE_STORAGE_SAS_TOKEN: generateBlobSASQueryParameters({ ...rights, ...until }, shared).toString(),
    },
  }
}

/** At the server with TLS, which no SDK of this process trusts. */
export const makeTlsContainer = async (port: string, container: string, { ca }: Authority): Promise<string> => {
  const rights = { permissions: AccountSASPermissions.parse('c'), services: 'b', resourceTypes: 'c' }
  const signature = generateAccountSASQueryParameters({ ...rights, expiresOn: new Date(Date.now() + 600_000) }, shared)
  const path = `https://localhost:${port}/${account}/${container}`
  await new Promise<void>((resolve, reject) => {
    const options = { method: 'PUT', ca: readFileSync(ca), headers: { 'content-length': 0 } }
    request(`${path}?restype=container&${signature}`, options, (response) => {
      response.resume()
      if (response.statusCode === 201) resolve()
      else reject(new Error(`HTTP ${response.statusCode}`))
    })
      .on('error', reject)
      .end()
  })
  return `azblob:${path}/sites/eu`
}

export const fakeGcs: Counterpart = {
  name: 'fake-gcs-server',
  host: '127.0.0.1',
  ready: '/storage/v1/b',
  command: (port) => ({
    args: [
      'fake-gcs-server',
      // Over a folder it would have no versions.
      ...['-backend', 'memory', '-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)],
      ...['-external-url', `http://127.0.0.1:${port}`, '-public-host', `127.0.0.1:${port}`, '-log-level', 'error'],
    ],
    env: {},
  }),
}

export const makeGcsBucket = async (url: string, name: string, versioned: boolean) => {
  const storage = new Storage({ apiEndpoint: url, projectId: 'test', retryOptions: { autoRetry: false } })
  await storage.createBucket(name, { versioning: { enabled: versioned } })
}
