/** Asks each request once and compares with what the answer must be, so that nothing wrong is ever timed. */
import { request as httpRequest, Agent } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { toBytes } from './workloads.mjs';

/**
 * Asks a contestant a workload's requests.
 *
 * @returns the requests for the load generator, each with the exact bytes that it must be answered with from now on
 * @throws Error with request and answer where one is wrong
 */
export async function checked(contestant, port, { title, requests }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  try {
    return await Promise.all(
      requests.map(async (each) => {
        const { status, body } = await send(agent, port, each);
        const problem = problemOf(each, status, body);
        if (problem) {
          throw new Error(
            `${contestant} answers "${title}" wrong: ${problem}\nrequest: ${each.body ?? each.path}\nanswer: ${status} ${clip(body)}`,
          );
        }
        const bytes = toBytes(each);
        return each.includes === undefined ? { bytes, status, body } : { bytes, status, includes: each.includes };
      }),
    );
  } finally {
    agent.destroy();
  }
}

function problemOf(expected, status, body) {
  if (status !== expected.status) return `status ${status} instead of ${expected.status}`;
  if (expected.includes !== undefined) {
    return body.includes(expected.includes) ? undefined : `without ${expected.includes}`;
  }
  const answer = JSON.parse(body.toString());
  if (answer.errors) return 'with errors';
  const data = expected.bare ? answer : (expected.read ?? ((same) => same))(answer.data);
  const plain = JSON.parse(JSON.stringify(data));
  return isDeepStrictEqual(plain, expected.data) ? undefined : `instead of ${clip(JSON.stringify(expected.data))}`;
}

const clip = (text) => String(text).slice(0, 600);

function send(agent, port, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        agent,
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
        timeout: 10_000,
      },
      (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks) }));
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
    request.end(body);
  });
}
