import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Ajv2020 from 'ajv/dist/2020';
import addFormats from 'ajv-formats';
import type { Decoded } from '../gateway-fixture';
import { closed, resolved } from './openapi-audit';

const root = join(__dirname, '../..');

/** What the validator says of a document. It is a module, which Jest does not load. */
export async function problemsOf(openApi: Decoded): Promise<unknown> {
  const script = `
    import { Validator } from '@seriousme/openapi-schema-validator';
    let text = '';
    for await (const chunk of process.stdin) text += chunk;
    const { valid, errors } = await new Validator().validate(JSON.parse(text));
    process.stdout.write(JSON.stringify({ valid, errors }));`;
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd: root });
  running.child.stdin?.end(JSON.stringify(openApi));
  return JSON.parse((await running).stdout) as unknown;
}

/** What is wrong with an answer by the document. */
export function wrong(
  openApi: Decoded,
  [method, path]: readonly [string, string],
  { status, headers, body }: { readonly status: number; readonly headers: Headers; readonly body: unknown },
): unknown {
  const { responses } = openApi.paths[path][method.toLowerCase()];
  const response = resolved(openApi, responses[status] ?? responses.default);
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  const schema = response?.content?.[type]?.schema;
  if (!schema) return `${method} ${path} has no ${status} ${type}`;
  return misfits(openApi, schema, body);
}

const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));

/** Where a value does not fit a schema of the document; undefined where it does. */
export function misfits(openApi: Decoded, schema: Decoded, value: unknown): unknown {
  const validate = ajv.compile(closed({ ...schema, components: openApi.components }));
  return validate(value) ? undefined : validate.errors;
}
