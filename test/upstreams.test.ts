import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, on, once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, status } from '@grpc/grpc-js';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import { createDocs } from './upstreams/ai/docs';
import { startAiService, type AiService } from './upstreams/ai/service';
import { startAuthService, type AuthService } from './upstreams/auth/service';
import { startChild, type Child } from './upstreams/child';
import { readDevSettings } from './upstreams/dev-settings';
import { Browser, openSignInPage, signInAt, submitSignInPage } from './upstreams/idp/browser';
import { startIdentityProvider, type IdentityProvider } from './upstreams/idp/provider';
import { createRpcClient, type RpcClient } from './upstreams/rpc-client';
import { RpcError, encodeBadRequest } from './upstreams/rpc-error';
import { loadDefinition, serviceDefinition } from './upstreams/server';
import { watchTree } from './upstreams/watch-tree';
import { freePorts } from './free-ports';

// Some tests start processes, which takes its time on a busy machine.
jest.setTimeout(20_000);

const redirectUri = 'http://localhost:3000/api/v1/auth/dev/callback';
const ada = { 'x-user-id': 'user-ada' };
const mel = { 'x-user-id': 'user-mel' };

/** Everything a test opened, closed after it in reverse. */
const opened: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

function closeLater<T extends { close(): void | Promise<void> }>(it: T): T {
  opened.push(() => it.close());
  return it;
}

/** A decoded message. Its shape is what the tests are about, so the compiler need not know it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Decoded = any;

interface World {
  auth: AuthService;
  ai: AiService;
  authClient: RpcClient;
  aiClient: RpcClient;
}

async function startWorld(options: Parameters<typeof startAuthService>[0] = {}): Promise<World> {
  const auth = closeLater(await startAuthService(options));
  const ai = closeLater(await startAiService({ authAddress: auth.address }));
  return { auth, ai, authClient: authClientOf(auth.address), aiClient: aiClientOf(ai.address) };
}

const authClientOf = (address: string) =>
  closeLater(createRpcClient(address, 'auth/v1/auth.proto', 'auth.v1.AuthService'));
const aiClientOf = (address: string) => closeLater(createRpcClient(address, 'ai/v1/ai.proto', 'ai.v1.AIService'));
const controlClientOf = (address: string) => closeLater(createRpcClient(address, 'control.proto', 'dev.v1.Control'));

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) throw new Error(`expected a gRPC status, got ${String(error)}`);
  return status[error.code];
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** The value once it has stopped changing. */
async function settled(read: () => number): Promise<number> {
  for (;;) {
    const before = read();
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (read() === before) return before;
  }
}

/** Tries again, for at most five seconds, while the upstream is UNAVAILABLE. */
async function onceAvailable<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline || !(error instanceof RpcError) || error.code !== status.UNAVAILABLE) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function checkHealth(address: string, service: string): Promise<unknown> {
  const client = closeLater(createRpcClient(address, healthProtoPath, 'grpc.health.v1.Health'));
  return (await client.call<Decoded>('Check', { service })).status;
}

async function listServices(address: string): Promise<string[]> {
  const proto = require.resolve('@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto');
  const rpcs = serviceDefinition(loadDefinition([proto]), 'grpc.reflection.v1.ServerReflection');
  const rpc = rpcs['ServerReflectionInfo'];
  if (!rpc) throw new Error('no ServerReflectionInfo');
  const { path, requestSerialize, responseDeserialize } = rpc;
  const client = closeLater(new Client(address, credentials.createInsecure()));
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  call.end({ listServices: '' });
  const [response] = await collect<Decoded>(call);
  return response.listServicesResponse.service.map(({ name }: { name: string }) => name);
}

describe('signing in', () => {
  let idp: IdentityProvider;

  beforeAll(async () => {
    idp = await startIdentityProvider({ redirectUris: [redirectUri] });
  });

  afterAll(() => idp.close());

  const startAuth = async () => {
    const { issuer, clientId } = idp;
    const auth = closeLater(await startAuthService({ providers: { dev: { issuer, clientId } } }));
    return { auth, client: authClientOf(auth.address) };
  };

  const begin = (changes: Record<string, string> = {}) => {
    const codeVerifier = randomBytes(32).toString('base64url');
    const nonce = randomBytes(32).toString('base64url');
    const url = new URL('/auth', idp.issuer);
    url.search = new URLSearchParams({
      client_id: idp.clientId,
      response_type: 'code',
      scope: 'openid email profile',
      redirect_uri: redirectUri,
      state: 'state-1',
      nonce,
      code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...changes,
    }).toString();
    return { url, exchange: { provider: 'dev', codeVerifier, nonce, redirectUri } };
  };

  const signIn = async (login: string) => {
    const { url, exchange } = begin();
    const callback = await signInAt(url, login);
    return { callback, exchange: { ...exchange, code: callback.searchParams.get('code') ?? '' } };
  };

  it('leads from the sign-in page to a session', async () => {
    const { client } = await startAuth();
    const { callback, exchange } = await signIn('max.member@example.com');
    expect(callback.href.startsWith(redirectUri)).toBe(true);
    expect(callback.searchParams.get('state')).toBe('state-1');
    expect(callback.searchParams.get('iss')).toBe(idp.issuer);
    const before = Date.now();
    const session = await client.call<Decoded>('HandleSsoCallback', exchange);
    expect(session.user).toMatchObject({ userId: 'user-max', status: 'USER_STATUS_ACTIVE' });
    expect(Number(session.user.lastLoginAt.seconds) * 1_000).toBeGreaterThan(before - 1_000);
    expect(Buffer.from(session.sessionToken, 'base64url')).toHaveLength(32);
    const valid = await client.call<Decoded>('ValidateSession', { sessionToken: session.sessionToken });
    expect(valid).toMatchObject({ userId: 'user-max', permissions: ['ai:query'], expiresAt: session.expiresAt });
    expect(valid.sessionId).not.toContain(session.sessionToken);
  });

  it('refuses a code that was used before', async () => {
    const { client } = await startAuth();
    const { exchange } = await signIn('max.member@example.com');
    await client.call('HandleSsoCallback', exchange);
    expect(await codeOf(client.call('HandleSsoCallback', exchange))).toBe('UNAUTHENTICATED');
  });

  it.each([
    ['nonce', { nonce: 'another' }],
    ['PKCE verifier', { codeVerifier: randomBytes(32).toString('base64url') }],
    ['code', { code: 'made-up' }],
    ['redirect URI', { redirectUri: 'http://localhost:3000/elsewhere' }],
  ])('refuses a wrong %s', async (_what, wrong) => {
    const { client } = await startAuth();
    const { exchange } = await signIn('max.member@example.com');
    expect(await codeOf(client.call('HandleSsoCallback', { ...exchange, ...wrong }))).toBe('UNAUTHENTICATED');
  });

  it('makes an invited user active, and keeps inactive users and strangers out', async () => {
    const { auth, client } = await startAuth();
    const invited = await signIn('ivy.invited@example.com');
    const { user } = await client.call<Decoded>('HandleSsoCallback', invited.exchange);
    expect(user).toMatchObject({ userId: 'user-ivy', status: 'USER_STATUS_ACTIVE' });
    for (const login of ['ina.inactive@example.com', 'sam.stranger@example.com']) {
      const { exchange } = await signIn(login);
      expect(await codeOf(client.call('HandleSsoCallback', exchange))).toBe('PERMISSION_DENIED');
    }
    expect(auth.state.directory.byId('user-ina')?.lastLoginAt).toBeNull();
  });

  it('tells an unknown provider from one that is away, and finds it once it is back', async () => {
    const away = await startIdentityProvider({ redirectUris: [redirectUri] });
    await away.close();
    const { issuer, clientId, port } = away;
    const auth = closeLater(await startAuthService({ providers: { dev: { issuer, clientId } } }));
    const client = authClientOf(auth.address);
    const exchange = { provider: 'dev', code: 'made-up', codeVerifier: 'v'.repeat(43), nonce: 'n', redirectUri };
    expect(await codeOf(client.call('HandleSsoCallback', { ...exchange, provider: 'other' }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(client.call('HandleSsoCallback', { ...exchange, provider: '__proto__' }))).toBe(
      'INVALID_ARGUMENT',
    );
    expect(await codeOf(client.call('HandleSsoCallback', exchange))).toBe('UNAVAILABLE');
    closeLater(await startIdentityProvider({ redirectUris: [redirectUri], port }));
    expect(await codeOf(client.call('HandleSsoCallback', exchange))).toBe('UNAUTHENTICATED');
  });

  it('asks again where the address is unknown, and shows it as text', async () => {
    const browser = new Browser();
    const { url, html } = await openSignInPage(browser, begin().url);
    expect(html).toContain('name="login" type="email"');
    expect(html).toContain('<button type="submit">Sign in</button>');
    expect(html).toContain('mel.member@example.com');
    const refused = await submitSignInPage(browser, url, '"><script>alert(1)</script>@example.com');
    expect(refused.status).toBe(400);
    const page = await refused.text();
    expect(page).toContain('Nobody here has the address');
    expect(page).not.toContain('<script>');
    expect(refused.headers.get('content-security-policy')).toContain("default-src 'none'");
    const accepted = await submitSignInPage(browser, url, ' Mel.Member@example.com ');
    expect(accepted.status).toBe(303);
  });

  it('asks who one is every time, in the same browser too', async () => {
    const browser = new Browser();
    for (const login of ['ada.admin@example.com', 'mel.member@example.com']) {
      const { url } = await openSignInPage(browser, begin().url);
      const submitted = await submitSignInPage(browser, url, login);
      const done = await browser.fetch(new URL(submitted.headers.get('location') ?? ''));
      expect(done.headers.get('location')).toContain(`${redirectUri}?code=`);
    }
  });

  it('insists on PKCE with S256 and on a redirect URI that is known', async () => {
    const withoutPkce = begin();
    withoutPkce.url.searchParams.delete('code_challenge');
    withoutPkce.url.searchParams.delete('code_challenge_method');
    const plain = begin({ code_challenge_method: 'plain' });
    for (const { url } of [withoutPkce, plain]) {
      const response = await fetch(url, { redirect: 'manual' });
      expect(response.headers.get('location')).toContain('error=invalid_request');
    }
    const elsewhere = await fetch(begin({ redirect_uri: 'http://localhost:3000/elsewhere' }).url, {
      redirect: 'manual',
      headers: { accept: 'text/html' },
    });
    expect(elsewhere.status).toBe(400);
    expect(await elsewhere.text()).toContain('This did not work');
  });
});

describe('sessions', () => {
  it('are known by their token until they expire or are revoked', async () => {
    const { auth, authClient } = await startWorld();
    const validate = (sessionToken: string) => authClient.call<Decoded>('ValidateSession', { sessionToken });
    expect((await validate(auth.adminToken)).permissions).toContain('admin:user:list');
    expect(await codeOf(validate('made-up'))).toBe('UNAUTHENTICATED');
    expect(await codeOf(validate(auth.createSession('user-max', 0)))).toBe('UNAUTHENTICATED');
    for (const sessionToken of [auth.memberToken, auth.memberToken, 'never-was']) {
      expect(await authClient.call('RevokeSession', { sessionToken })).toEqual({});
    }
    expect(await codeOf(validate(auth.memberToken))).toBe('UNAUTHENTICATED');
  });

  it('announce their revocation to whoever watches', async () => {
    const { auth, authClient } = await startWorld();
    const { sessionId } = await authClient.call<Decoded>('ValidateSession', { sessionToken: auth.memberToken });
    const revocations = authClient.stream<Decoded>('WatchRevocations', {})[Symbol.asyncIterator]();
    const first = revocations.next();
    await auth.control.waitForCall('WatchRevocations');
    await authClient.call('RevokeSession', { sessionToken: auth.memberToken });
    expect((await first).value).toMatchObject({ subject: 'sessionId', sessionId });
    const token = auth.createSession('user-max');
    const user = { userId: 'user-max', status: 'USER_STATUS_INACTIVE' };
    await authClient.call('UpdateUser', { user, updateMask: { paths: ['status'] } }, { metadata: ada });
    expect((await revocations.next()).value).toMatchObject({ subject: 'userId', userId: 'user-max' });
    expect(await codeOf(authClient.call('ValidateSession', { sessionToken: token }))).toBe('UNAUTHENTICATED');
    await revocations.return?.();
    await auth.control.waitForCall('WatchRevocations', (call) => call.cancelled);
  });

  it('can do without WatchRevocations', async () => {
    const { authClient } = await startWorld({ watchRevocations: false });
    expect(await codeOf(collect(authClient.stream('WatchRevocations', {})))).toBe('UNIMPLEMENTED');
  });
});

describe('users', () => {
  it('come in batches that are in no order, without those that do not exist', async () => {
    const { authClient } = await startWorld();
    const userIds = ['user-mel', 'user-none', 'user-ada', 'user-mel', 'user-max'];
    const { users } = await authClient.call<Decoded>('BatchGetUsers', { userIds });
    expect(users.map((user: Decoded) => user.userId)).toEqual(['user-max', 'user-ada', 'user-mel']);
    const tooMany = Array.from({ length: 101 }, (_, index) => `user-${index}`);
    expect(await codeOf(authClient.call('BatchGetUsers', { userIds: tooMany }))).toBe('INVALID_ARGUMENT');
  });

  it('are listed page by page, with filters', async () => {
    const { authClient } = await startWorld();
    const list = (request: object, metadata: Record<string, string> = ada) =>
      authClient.call<Decoded>('ListUsers', request, { metadata });
    const emails: string[] = [];
    let pageToken = '';
    do {
      const page = await list({ pageSize: 3, pageToken });
      expect(page.users.length).toBeLessThanOrEqual(3);
      expect(page.totalSize).toBe(10);
      emails.push(...page.users.map((user: Decoded) => user.email));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(emails).toHaveLength(10);
    expect(emails).toEqual([...emails].sort());
    expect((await list({ status: 'USER_STATUS_INVITED' })).users).toMatchObject([{ userId: 'user-ivy' }]);
    expect((await list({ search: 'MEMBER' })).totalSize).toBe(2);
    const { nextPageToken } = await list({ pageSize: 1 });
    for (const bad of [{ pageToken: 'x' }, { pageSize: -1 }, { pageToken: nextPageToken, search: 'member' }]) {
      expect(await codeOf(list(bad))).toBe('INVALID_ARGUMENT');
    }
    expect(await codeOf(list({}, mel))).toBe('PERMISSION_DENIED');
    expect((await list({}, {})).totalSize).toBe(10);
  });

  it('change what they may', async () => {
    const { authClient } = await startWorld();
    const update = (metadata: Record<string, string>, user: object, ...paths: string[]) =>
      authClient.call<Decoded>('UpdateUser', { user, updateMask: { paths } }, { metadata });
    const me = { userId: 'user-mel', displayName: ' Melanie ', roles: ['admin'], status: 'USER_STATUS_ACTIVE' };
    expect(await update(mel, me, 'display_name')).toMatchObject({ displayName: 'Melanie', roles: ['member'] });
    expect(await codeOf(update(mel, me, 'display_name', 'roles'))).toBe('PERMISSION_DENIED');
    expect(await codeOf(update(mel, { userId: 'user-max', displayName: 'M' }, 'display_name'))).toBe(
      'PERMISSION_DENIED',
    );
    expect(await codeOf(update({}, me, 'display_name'))).toBe('UNAUTHENTICATED');
    expect(await codeOf(update(ada, { ...me, userId: 'user-none' }, 'roles'))).toBe('NOT_FOUND');
    expect(await codeOf(update(ada, { ...me, email: 'ada.admin@example.com' }, 'email'))).toBe('ALREADY_EXISTS');
    expect((await update(ada, me, 'roles')).roles).toEqual(['admin']);
  });

  it('are told which fields are wrong', async () => {
    const { authClient } = await startWorld();
    const nameless = { user: { userId: 'user-mel', displayName: ' ' }, updateMask: { paths: ['display_name'] } };
    const error = await authClient.call('UpdateUser', nameless, { metadata: mel }).catch((reason: unknown) => reason);
    const violations = [{ field: 'user.display_name', description: 'must not be empty' }];
    const message = 'user.display_name: must not be empty';
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, message });
    expect(Buffer.from((error as RpcError).errorDetails ?? [])).toEqual(
      Buffer.from(encodeBadRequest(message, violations)),
    );
    const unknownPath = { user: { userId: 'user-mel' }, updateMask: { paths: ['created_at'] } };
    expect(await codeOf(authClient.call('UpdateUser', unknownPath, { metadata: mel }))).toBe('INVALID_ARGUMENT');
  });

  it('are invited by those who may', async () => {
    const { authClient } = await startWorld();
    const invite = (metadata: Record<string, string>, request: object) =>
      authClient.call<Decoded>('InviteUser', request, { metadata });
    expect(await invite(ada, { email: 'New.Person@example.com' })).toMatchObject({
      email: 'new.person@example.com',
      displayName: 'New.Person',
      status: 'USER_STATUS_INVITED',
      roles: ['member'],
      lastLoginAt: null,
    });
    expect(await codeOf(invite(ada, { email: 'new.person@example.com' }))).toBe('ALREADY_EXISTS');
    expect(await codeOf(invite(ada, { email: 'nobody' }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(invite(ada, { email: 'a@example.com', roles: ['king'] }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(invite(mel, { email: 'other@example.com' }))).toBe('PERMISSION_DENIED');
  });

  it('may what their roles say', async () => {
    const { authClient } = await startWorld();
    const check = (userId: string, permission: string) =>
      authClient.call('CheckPermission', { userId, permission, resource: 'user-max' });
    expect(await check('user-ada', 'admin:user:edit')).toEqual({ allowed: true });
    expect(await check('user-mel', 'admin:user:edit')).toEqual({ allowed: false });
    expect(await check('user-none', 'admin:user:edit')).toEqual({ allowed: false });
    const read = (userId: string, metadata: Record<string, string>) =>
      authClient.call<Decoded>('GetEffectivePermissions', { userId }, { metadata });
    expect((await read('user-mel', mel)).permissions).toEqual(['ai:query']);
    expect((await read('user-ada', ada)).permissions).toEqual([
      'admin:user:edit',
      'admin:user:invite',
      'admin:user:list',
      'admin:user:view_permissions',
      'ai:query',
    ]);
    expect(await codeOf(read('user-ada', mel))).toBe('PERMISSION_DENIED');
  });
});

describe('the assistant', () => {
  const process = ({ aiClient }: World, request: object, metadata: Record<string, string> = ada) =>
    aiClient.call<Decoded>('ProcessQuery', request, { metadata });

  it('says who one is and who there is, as the caller', async () => {
    const world = await startWorld();
    const metadata = { ...mel, 'x-request-id': 'r-1', traceparent: '00-0123-45-01' };
    expect((await process(world, { query: 'Who am I?' }, metadata)).answer.response).toContain('Mel Member');
    expect(world.auth.control.calls('GetUser')[0]?.metadata).toMatchObject(metadata);
    expect((await process(world, { query: 'please list the users' })).answer.response).toContain('Ivy Invited');
    expect((await process(world, { query: 'list users' }, mel)).answer.response).toContain('permission');
  });

  it('invites only once its plan is confirmed', async () => {
    const world = await startWorld();
    const { sessionId, plan, ...rest } = await process(world, { query: 'Invite Nia New <nia.new@example.com>.' });
    expect(rest).toEqual({ responseType: 'plan' });
    expect(plan.description).toContain('nia.new@example.com');
    const invited = () => world.auth.state.directory.byEmail('nia.new@example.com');
    expect(invited()).toBeUndefined();
    const yes = { planId: plan.planId, confirmed: true };
    const elsewhere = await process(world, { query: 'who am I' });
    for (const wrong of [{ sessionId: elsewhere.sessionId }, { sessionId: '' }]) {
      expect(await codeOf(process(world, { ...wrong, confirmation: yes }))).toBe('NOT_FOUND');
    }
    expect(await codeOf(process(world, { sessionId, confirmation: yes }, mel))).toBe('NOT_FOUND');
    const done = await process(world, { sessionId, confirmation: yes });
    expect(done).toMatchObject({ sessionId, answer: { response: expect.stringContaining('has been invited') } });
    expect(invited()).toMatchObject({ displayName: 'Nia New', status: 'USER_STATUS_INVITED' });
    expect(await codeOf(process(world, { sessionId, confirmation: yes }))).toBe('NOT_FOUND');
    const { messages } = await world.aiClient.call<Decoded>('GetConversation', { sessionId }, { metadata: ada });
    expect(messages.map((message: Decoded) => message.role)).toEqual([
      'ROLE_USER',
      'ROLE_ASSISTANT',
      'ROLE_USER',
      'ROLE_ASSISTANT',
    ]);
  });

  it('drops a plan that is declined', async () => {
    const world = await startWorld();
    const { sessionId, plan } = await process(world, { query: 'invite new.person@example.com as "New Person"' });
    const no = { planId: plan.planId, confirmed: false };
    expect((await process(world, { sessionId, confirmation: no })).answer.response).toContain('not been invited');
    expect(await codeOf(process(world, { sessionId, confirmation: { ...no, confirmed: true } }))).toBe('NOT_FOUND');
    expect(world.auth.control.count('InviteUser')).toBe(0);
  });

  it('keeps a plan that could not be carried out', async () => {
    const world = await startWorld();
    const { sessionId, plan } = await process(world, { query: 'rename me to Queen Ada' });
    const confirmation = { planId: plan.planId, confirmed: true };
    world.auth.control.setFault({ method: 'UpdateUser', code: status.UNAVAILABLE, times: 1 });
    expect(await codeOf(process(world, { sessionId, confirmation }))).toBe('UNAVAILABLE');
    expect((await process(world, { sessionId, confirmation })).answer.response).toContain('Queen Ada');
    expect(world.auth.state.directory.byId('user-ada')?.displayName).toBe('Queen Ada');
  });

  it('says so where the caller may not do what was planned', async () => {
    const world = await startWorld();
    const { sessionId, plan } = await process(world, { query: 'invite new.person@example.com' }, mel);
    const confirmation = { planId: plan.planId, confirmed: true };
    const { answer } = await process(world, { sessionId, confirmation }, mel);
    expect(answer.response).toContain('permission');
  });

  it('refuses what it cannot read', async () => {
    const world = await startWorld();
    expect(await codeOf(process(world, { query: ' ' }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(process(world, { query: 'x'.repeat(10_001) }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(process(world, { query: 'hello' }, {}))).toBe('UNAUTHENTICATED');
    expect(await codeOf(process(world, { sessionId: 'made-up', query: 'hello' }))).toBe('NOT_FOUND');
    expect((await process(world, { query: 'invite somebody' })).answer.response).toContain('Whom?');
    expect((await process(world, { query: 'what is the meaning of xyzzy' })).answer.response).not.toBe('');
  });

  it('streams word by word, and ends with the whole', async () => {
    const { aiClient } = await startWorld();
    const stream = (query: string) => collect(aiClient.stream<Decoded>('StreamQuery', { query }, { metadata: ada }));
    const events = await stream('count to 12');
    const whole = '1 2 3 4 5 6 7 8 9 10 11 12';
    expect(events.slice(0, -1).map((event) => event.textDelta)).toHaveLength(12);
    expect(
      events
        .slice(0, -1)
        .map((event) => event.textDelta)
        .join(''),
    ).toBe(whole);
    expect(events.at(-1)).toMatchObject({ event: 'answer', answer: { response: whole } });
    expect(new Set(events.map((event) => event.sessionId)).size).toBe(1);
    expect(await stream('invite new.person@example.com')).toMatchObject([{ event: 'plan' }]);
  });

  it('can do without StreamQuery', async () => {
    const ai = closeLater(await startAiService({ authAddress: '127.0.0.1:1', streamQuery: false }));
    const stream = aiClientOf(ai.address).stream('StreamQuery', { query: 'hello' }, { metadata: ada });
    expect(await codeOf(collect(stream))).toBe('UNIMPLEMENTED');
  });

  it('lists conversations newest first, to their owner alone', async () => {
    const { ai, aiClient } = await startWorld();
    const ids = ai.seedConversations('user-ada', 5, ['user-ada', 'user-mel']);
    const list = (request: object) =>
      aiClient.call<Decoded>('ListConversations', { userId: 'user-ada', ...request }, { metadata: ada });
    const first = await list({ pageSize: 3 });
    const second = await list({ pageSize: 3, pageToken: first.nextPageToken });
    const all = [...first.conversations, ...second.conversations];
    expect(all.map((conversation) => conversation.sessionId)).toEqual(ids);
    expect(new Set(all.map((conversation) => conversation.userId))).toEqual(new Set(['user-ada', 'user-mel']));
    expect(second.nextPageToken).toBe('');
    expect(await codeOf(list({ userId: 'user-mel' }))).toBe('PERMISSION_DENIED');
    const read = aiClient.call('GetConversation', { sessionId: ids[0] }, { metadata: mel });
    expect(await codeOf(read)).toBe('NOT_FOUND');
  });

  it('answers from the docs what it is not told to do', () => {
    const docs = createDocs(
      [
        'Nothing but an introduction.',
        '# Tokens',
        'They are printed at the start.',
        '```sh',
        '# Teapots are a comment here',
        '```',
        '## Settings',
        '| name | for |',
        '| --- | --- |',
        `| \`TEA_TIME\` | ${'when to brew. '.repeat(60)} |`,
        '| `LOG_LEVEL` | how much to say |',
      ].join('\n'),
    );
    expect(docs('Where are the tokens?')).toMatch(/^Tokens\n\nThey are printed/);
    expect(docs('what about teapots')).toMatch(/^Tokens/);
    expect(docs('What is LOG_LEVEL for?')).toBe('Settings\n\n`LOG_LEVEL` – how much to say');
    expect(docs('TEA_TIME')?.length).toBeLessThan(610);
    expect(docs('xyzzy')).toBeUndefined();
    expect(createDocs('')('anything')).toBeUndefined();
  });

  it('is UNAVAILABLE where it needs AuthService and that is away', async () => {
    const world = await startWorld();
    await world.auth.close();
    expect(await codeOf(process(world, { query: 'who am I' }))).toBe('UNAVAILABLE');
    expect((await process(world, { query: 'count to 3' })).answer.response).toBe('1 2 3');
  });
});

describe('the control', () => {
  const getAda = (client: RpcClient, options: object = {}) =>
    client.call<Decoded>('GetUser', { userId: 'user-ada' }, options);

  it('makes calls fail, as often as it is told', async () => {
    const { auth, authClient } = await startWorld();
    const control = controlClientOf(auth.address);
    const errorDetails = encodeBadRequest('no', [{ field: 'user_id', description: 'no' }]);
    const fault = { method: 'GetUser', code: status.RESOURCE_EXHAUSTED, message: 'enough', times: 2, errorDetails };
    await control.call('SetFault', fault);
    for (let time = 0; time < 2; time += 1) {
      const error = await getAda(authClient).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, message: 'enough' });
      expect(Buffer.from((error as RpcError).errorDetails ?? [])).toEqual(Buffer.from(errorDetails));
    }
    expect(await getAda(authClient)).toMatchObject({ userId: 'user-ada' });
    await control.call('SetFault', { method: '*', code: status.INTERNAL });
    expect(await codeOf(getAda(authClient))).toBe('INTERNAL');
    await control.call('ClearFaults', {});
    expect(await getAda(authClient)).toMatchObject({ userId: 'user-ada' });
    expect(await codeOf(control.call('SetFault', { method: 'Nonsense' }))).toBe('INVALID_ARGUMENT');
  });

  it('delays calls', async () => {
    const { auth, authClient } = await startWorld();
    await controlClientOf(auth.address).call('SetFault', { method: 'GetUser', delayMs: 150 });
    const before = performance.now();
    await getAda(authClient);
    expect(performance.now() - before).toBeGreaterThan(140);
  });

  it('hangs calls, and sees callers give up', async () => {
    const { auth, authClient } = await startWorld();
    const control = controlClientOf(auth.address);
    await control.call('SetFault', { method: 'GetUser', hang: true });
    const abort = new AbortController();
    const metadata = { 'x-request-id': 'left' };
    const hanging = codeOf(getAda(authClient, { signal: abort.signal, metadata }));
    const call = await auth.control.waitForCall('GetUser');
    expect(call.cancelled).toBe(false);
    abort.abort();
    expect(await hanging).toBe('CANCELLED');
    await auth.control.waitForCall('GetUser', ({ cancelled }) => cancelled);
    const deadline = new Date(Date.now() + 100);
    expect(await codeOf(getAda(authClient, { deadline }))).toBe('DEADLINE_EXCEEDED');
    await auth.control.waitForCall('GetUser', (it) => it.deadline !== null && it.cancelled);
    const { methods } = await control.call<Decoded>('GetCalls', { method: 'GetUser' });
    expect(methods).toMatchObject([
      { method: 'GetUser', count: 2, calls: [{ metadata, cancelled: true, deadline: null }, { cancelled: true }] },
    ]);
    await control.call('ResetCalls', {});
    expect(auth.control.count('GetUser')).toBe(0);
    expect(auth.control.calls('GetUser')).toEqual([]);
  });

  it('does not take an answered call for a cancelled one', async () => {
    const { auth, authClient, aiClient, ai } = await startWorld();
    await getAda(authClient);
    await collect(aiClient.stream('StreamQuery', { query: 'count to 3' }, { metadata: ada }));
    authClient.close();
    aiClient.close();
    await Promise.all([auth.close(), ai.close()]);
    expect(auth.control.calls('GetUser')).toMatchObject([{ request: { userId: 'user-ada' }, cancelled: false }]);
    expect(ai.control.calls('StreamQuery')).toMatchObject([{ cancelled: false }]);
  });

  it('breaks a stream in the middle', async () => {
    const { ai, aiClient } = await startWorld();
    await controlClientOf(ai.address).call('SetFault', {
      method: 'StreamQuery',
      code: status.UNAVAILABLE,
      failAfter: 2,
    });
    const seen: Decoded[] = [];
    const read = async () => {
      const stream = aiClient.stream<Decoded>('StreamQuery', { query: 'count to 9' }, { metadata: ada });
      for await (const event of stream) seen.push(event);
    };
    expect(await codeOf(read())).toBe('UNAVAILABLE');
    expect(seen.map((event) => event.textDelta)).toEqual(['1 ', '2 ']);
  });

  it('lets a slow reader slow the upstream, and a reader who leaves stop it', async () => {
    const { ai, aiClient } = await startWorld();
    const request = { query: 'count to 100000' };
    const events = aiClient.stream<Decoded>('StreamQuery', request, { metadata: ada })[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ textDelta: '1 ' });
    const call = await ai.control.waitForCall('StreamQuery');
    const stalled = await settled(() => call.sent);
    expect(stalled).toBeLessThan(50_000);
    for (let read = 0; read < stalled; read += 1) await events.next();
    expect(call.sent).toBeGreaterThan(stalled);
    await events.return?.();
    await ai.control.waitForCall('StreamQuery', ({ cancelled }) => cancelled);
    expect(await settled(() => call.sent)).toBeLessThan(100_000);
  });
});

describe('every upstream', () => {
  it('says that it is serving, and what', async () => {
    const { auth, ai } = await startWorld();
    for (const [address, service] of [
      [auth.address, 'auth.v1.AuthService'],
      [ai.address, 'ai.v1.AIService'],
    ] as const) {
      expect(await checkHealth(address, service)).toBe('SERVING');
      expect(await checkHealth(address, '')).toBe('SERVING');
      expect(await listServices(address)).toEqual(expect.arrayContaining([service, 'dev.v1.Control']));
    }
  });

  it('comes back on the same port with what it knew', async () => {
    const first = closeLater(await startAuthService());
    const client = authClientOf(first.address);
    const extra = first.createSession('user-max');
    await client.call('InviteUser', { email: 'new.person@example.com' }, { metadata: ada });
    await first.close();
    expect(await codeOf(client.call('ValidateSession', { sessionToken: extra }))).toBe('UNAVAILABLE');
    const second = closeLater(await startAuthService({ port: first.port, state: first.state }));
    expect(second).toMatchObject({ port: first.port, adminToken: first.adminToken });
    const validate = () => client.call('ValidateSession', { sessionToken: extra });
    expect(await onceAvailable(validate)).toMatchObject({ userId: 'user-max' });
    expect((await client.call<Decoded>('ListUsers', { search: 'new.person' })).totalSize).toBe(1);
  });

  it('says which port is taken', async () => {
    const auth = closeLater(await startAuthService());
    await expect(startAuthService({ port: auth.port })).rejects.toThrow(`port ${auth.port} on 127.0.0.1 is taken`);
    await expect(startAiService({ port: auth.port, authAddress: auth.address })).rejects.toThrow('is taken');
    await expect(startIdentityProvider({ port: auth.port })).rejects.toThrow('is taken');
  });
});

describe('as a process, an upstream', () => {
  interface Running {
    child: Child;
    lines: string[];
    listening: Promise<unknown>;
    ended: Promise<string>;
  }

  const run = (entry: string, env: NodeJS.ProcessEnv): Running => {
    const lines: string[] = [];
    const events = new EventEmitter();
    const listening = once(events, 'listening');
    const ended = once(events, 'end').then(([how]) => how as string);
    const child = startChild({
      entry,
      env: { ...process.env, ...env },
      onLine: (line) => lines.push(line),
      onListening: () => events.emit('listening'),
      onEnd: (how) => events.emit('end', how),
    });
    opened.push(() => child.end());
    return { child, lines, listening, ended };
  };

  it('tells its tokens, serves, and ends when asked', async () => {
    const [port] = await freePorts(1);
    const { child, lines, listening, ended } = run('auth/main.ts', {
      DEV_AUTH_PORT: String(port),
      DEV_ADMIN_TOKEN: 'admin-token',
      DEV_MEMBER_TOKEN: 'member-token',
    });
    await listening;
    const address = `127.0.0.1:${port}`;
    expect(lines).toEqual([
      'DEV_ADMIN_TOKEN=admin-token',
      'DEV_MEMBER_TOKEN=member-token',
      `AuthService (development) on ${address}`,
    ]);
    const session = authClientOf(address).call('ValidateSession', { sessionToken: 'admin-token' });
    expect(await session).toMatchObject({ userId: 'user-ada' });
    await child.end();
    expect(await ended).toBe('exit code 0');
  });

  it('says in one line why it cannot start', async () => {
    const { port } = closeLater(await startAuthService());
    const taken = run('ai/main.ts', { DEV_AI_PORT: String(port) });
    const nonsense = run('idp/main.ts', { DEV_IDP_PORT: 'nonsense' });
    expect([await taken.ended, await nonsense.ended]).toEqual(['exit code 1', 'exit code 1']);
    expect([...taken.lines, ...nonsense.lines]).toEqual([
      `AIService (development): port ${port} on 127.0.0.1 is taken (DEV_AI_PORT moves it)`,
      'identity provider (development): DEV_IDP_PORT must be a port from 1 to 65535, not nonsense',
    ]);
  });
});

describe('start:dev', () => {
  it('finds all that is wrong with its ports before it starts anything', async () => {
    const { port } = closeLater(await startAuthService());
    const [shared, other] = (await freePorts(2)).map(String);
    const settings = await readDevSettings({
      PORT: String(port),
      ADMIN_PORT: '0',
      DEV_AUTH_PORT: shared,
      DEV_AI_PORT: shared,
      DEV_IDP_PORT: other,
    });
    expect(settings).toEqual({
      problems: [
        'ADMIN_PORT must be a port from 1 to 65535, not 0',
        `DEV_AUTH_PORT and DEV_AI_PORT are both ${shared}`,
        `port ${port} on 127.0.0.1 is taken (PORT moves it)`,
      ],
    });
  });

  it('sets what the gateway needs, and leaves what the user has set', async () => {
    const variables = ['PORT', 'ADMIN_PORT', 'DEV_AUTH_PORT', 'DEV_AI_PORT', 'DEV_IDP_PORT'];
    const free = await freePorts(variables.length);
    const ports = Object.fromEntries(variables.map((variable, index) => [variable, String(free[index])]));
    const settings = await readDevSettings({ ...ports, SSO_PROVIDERS: 'dev,google', PUBLIC_URL: '' });
    expect(settings).toMatchObject({
      publicUrl: `http://localhost:${ports['PORT']}`,
      env: {
        ...ports,
        NODE_ENV: 'development',
        PUBLIC_URL: `http://localhost:${ports['PORT']}`,
        AUTH_SERVICE_ADDR: `127.0.0.1:${ports['DEV_AUTH_PORT']}`,
        AI_SERVICE_ADDR: `127.0.0.1:${ports['DEV_AI_PORT']}`,
        SSO_PROVIDERS: 'dev,google',
        SSO_DEV_ISSUER: `http://localhost:${ports['DEV_IDP_PORT']}`,
        SSO_DEV_CLIENT_ID: 'api-gateway',
      },
    });
  });

  it('notices files that are written, replaced, and made in new folders', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'watch-tree-'));
    opened.push(() => rmSync(folder, { recursive: true }));
    const changes = new EventEmitter();
    const next = async (path: string) => {
      const signal = AbortSignal.timeout(5_000);
      for await (const [changed] of on(changes, 'change', { signal })) if (changed === join(folder, path)) return;
    };
    mkdirSync(join(folder, 'old'));
    opened.push(watchTree(folder, (path) => changes.emit('change', path)));
    const replace = (path: string) => {
      writeFileSync(join(folder, 'temporary'), path);
      renameSync(join(folder, 'temporary'), join(folder, path));
    };
    const make = (path: string, file: string) => {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, path, file), '1');
    };
    const acts: [string, () => void][] = [
      ['old/a.ts', () => writeFileSync(join(folder, 'old/a.ts'), '1')],
      ['old/a.ts', () => replace('old/a.ts')],
      ['old/a.ts', () => replace('old/a.ts')],
      ['new/deep/b.ts', () => make('new/deep', 'b.ts')],
      ['new/deep/b.ts', () => writeFileSync(join(folder, 'new/deep/b.ts'), '2')],
      ['new/deep/b.ts', () => rmSync(join(folder, 'new'), { recursive: true })],
    ];
    for (const [path, act] of acts) {
      const noticed = next(path);
      act();
      await noticed;
    }
  });
});
