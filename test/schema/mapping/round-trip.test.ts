import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Service, type Root } from 'protobufjs';
import { loadProtos } from '../../../src/proto/protos';
import { startLab, type Lab } from './lab';
import { decode, echoes, encode, messageOf, naturalSdl, selectionOf } from './natural';

const protos = readProtos();
const services = protos.lookup('lab.v1') as Root;
/** RPCs that answer with what they are asked. */
const rpcs = echoes(services.nestedArray.filter((each) => each instanceof Service)).filter(
  ({ type }) =>
    // What is required cannot be left out of a request that only reads.
    !type.fieldsArray.some((field) => field.required) &&
    // graphql-js takes what objects inherit for what variables give: an input of theirs cannot leave isPrototypeOf out.
    type.name !== 'Reserved2',
);

/** The protos of the tests as one root, read as the gateway reads them. */
function readProtos(): Root {
  const folder = mkdtempSync(join(tmpdir(), 'protos-'));
  try {
    cpSync(join(__dirname, 'proto'), folder, { recursive: true });
    cpSync(join(__dirname, '../../../node_modules/google-proto-files/google/type'), join(folder, 'google/type'), {
      recursive: true,
    });
    return loadProtos(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let lab: Lab;
beforeAll(async () => {
  lab = await startLab([], { sdl: naturalSdl(services.nestedArray.filter((each) => each instanceof Service)) });
});
afterAll(() => lab.close());
beforeEach(() => lab.upstreams.reset());

test.each(rpcs)('$rpc: whatever an upstream sends, reads, and arrives again as it was', async ({ rpc, name, type }) => {
  const method = rpc.slice(rpc.lastIndexOf('.') + 1).replace('/', '.');
  const selection = selectionOf(type);
  const document = `query ($input: ${type.fullName.slice(1).replaceAll('.', '_')}Input) { ${name}(input: $input) ${selection} }`;
  let served: Buffer | undefined;
  let arrived: Buffer = Buffer.alloc(0);
  lab.upstreams.answer(method, (_, { bytes }) => {
    arrived = bytes;
    return served ?? bytes;
  });
  await fc.assert(
    fc.asyncProperty(messageOf(type), async (message) => {
      const sent = encode(type, message);
      served = sent;
      const { [name]: read } = await lab.data(document);
      served = undefined;
      const { [name]: again } = await lab.data(document, { input: read });
      expect(again).toEqual(read);
      expect(decode(type, arrived)).toEqual(decode(type, sent));
    }),
    { numRuns: 10 },
  );
});
