import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as AWS KMS gets it: JSON 1.1, the operation in a header. */
export interface Asked {
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>>
}
type Answer = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void

/** A server for the unmodified SDK, which answers as a test wants, one answer a request; the last stays. */
export const awsServer = async () => {
  const asked: Asked[] = []
  let answers: Answer[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.on('end', () => {
      const operation = String(request.headers['x-amz-target']).replace('TrentService.', '')
      const one = { operation, input: JSON.parse(Buffer.concat(chunks).toString()) }
      asked.push(one)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      answer?.(one, response, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: (...wanted: Answer[]): void => {
      asked.length = 0
      answers = wanted
    },
    close: (): Promise<void> => {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(() => resolve()))
    },
  }
}

export const json =
  (body: unknown, status = 200): Answer =>
  (_, response) =>
    raw(JSON.stringify(body), status)(_, response, response.req)

export const raw =
  (body: string, status: number): Answer =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'r' })
    response.end(body)
  }

/** An error as AWS names it. */
export const error = (name: string, message = 'so it is', status = 400): Answer =>
  json({ __type: `com.amazonaws.kms#${name}`, message }, status)

/** Plays KMS: the ciphertext is the plaintext and its context, turned over. */
export const kms: Answer = ({ operation, input }, response, request) => {
  const KeyId = input['KeyId']
  const context = JSON.stringify(input['EncryptionContext'])
  const turned = (bytes: Buffer): Buffer => bytes.map((byte) => byte ^ 0xff) as Buffer
  const blob = (name: string): Buffer => Buffer.from(String(input[name]), 'base64')
  if (operation === 'Encrypt') {
    const CiphertextBlob = turned(Buffer.concat([blob('Plaintext'), Buffer.from(context)])).toString('base64')
    return json({ KeyId, CiphertextBlob, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' })(
      { operation, input },
      response,
      request,
    )
  }
  const opened = turned(blob('CiphertextBlob'))
  const found = opened.subarray(opened.length - context.length).toString()
  const answer =
    found === context
      ? json({ KeyId, Plaintext: opened.subarray(0, opened.length - context.length).toString('base64') })
      : error('InvalidCiphertextException')
  answer({ operation, input }, response, request)
}
