import { rmSync } from 'node:fs';
import { printSchema } from 'graphql';
import { ownResolverNames } from '../../../src/contract/built-ins';
import { loadSchema } from '../../schema-fixture';
import { loadSources } from '../../../src/schema/sources';
import { rpcsIn, rpcsOf, type Backend } from './backend';
import { startFront, writeFolders, type Front } from './front';
import { pubsubProto, startPubsubService } from './pubsub-service';

/** Reading protos takes a while where the machine is busy with other tests. */
jest.setTimeout(30_000);

let pubsub: Backend;
let front: Front;
let now = Date.parse('2026-11-23T10:00:00.25Z');
beforeAll(async () => {
  pubsub = await startPubsubService(() => now);
  front = await startFront({ name: 'pubsub', proto: pubsubProto, backend: pubsub });
});
afterAll(() => front.close());
beforeEach(() => pubsub.reset());

let lastProject = 0;
/** A project of its own, so that tests do not meet. */
function newProject(): string {
  return `projects/p${++lastProject}`;
}

/** Makes a topic and a subscription to it; gives their names. */
async function subscribed(input: object = {}): Promise<{ project: string; topic: string; subscription: string }> {
  const project = newProject();
  const [topic, subscription] = [`${project}/topics/t`, `${project}/subscriptions/s`];
  await front.data(
    `mutation ($topic: ID!, $subscription: ID!, $input: SubscriptionInput) {
      createTopic(name: $topic) { name }
      createSubscription(name: $subscription, topic: $topic, input: $input) { name }
    }`,
    { topic, subscription, input },
  );
  pubsub.reset();
  return { project, topic, subscription };
}

const codes = (errors: readonly { extensions: Record<string, unknown> }[] | undefined) =>
  errors?.map(({ extensions }) => extensions['code']);
const base64 = (text: string) => Buffer.from(text).toString('base64');

test('every RPC has a field but the one that streams both ways', () => {
  const services = ['Publisher', 'Subscriber', 'SchemaService'].map((name) => `google.pubsub.v1.${name}`);
  const fronted = rpcsIn('pubsub');
  expect(rpcsOf(pubsubProto, services).filter((rpc) => !fronted.includes(rpc))).toEqual(['StreamingPull']);
});

test('a descriptor set makes the same schema as the files', () => {
  const built = (['files', 'a descriptor set'] as const).map((form) => {
    const folders = writeFolders('pubsub', pubsubProto, form);
    const sources = loadSources({ schemaDir: folders.schema, protoDir: folders.proto, protoInclude: folders.include });
    rmSync(folders.all, { recursive: true });
    const { schema, fields } = loadSchema({
      sources,
      upstream,
      resolvers: Object.fromEntries(ownResolverNames.map((name) => [name, () => null])),
    });
    return { schema: printSchema(schema), fields };
  });
  expect(built[0]?.schema).toContain('type PubsubSubscription');
  expect(built[1]).toEqual(built[0]);
});

function upstream(): never {
  throw new Error('nothing is called');
}

describe('topics', () => {
  const fields = `name labels { key value } messageStoragePolicy { allowedPersistenceRegions enforceInTransit } kmsKeyName
    satisfiesPzs messageRetentionDuration state schemaSettings { schemaName encoding }
    ingestion {
      platformLogs { severity }
      source {
        __typename
        ... on AwsKinesis { streamArn kinesisState: state }
        ... on CloudStorage { bucket state textFormat { delimiter } avroFormat pubsubAvroFormat minimumObjectCreateTime matchGlob }
      }
    }
    messageTransforms {
      disabled
      transform {
        __typename
        ... on JavaScriptUdf { functionName code }
        ... on AiInference { endpoint unstructuredInference { parameters } }
      }
    }`;
  const create = `mutation ($name: ID!, $input: TopicInput) { createTopic(name: $name, input: $input) { ${fields} } }`;
  const change = `mutation ($name: ID!, $input: TopicInput!) { updateTopic(name: $name, input: $input) { ${fields} } }`;
  const bare = {
    labels: [],
    messageStoragePolicy: null,
    kmsKeyName: '',
    satisfiesPzs: true,
    messageRetentionDuration: null,
    state: 'ACTIVE',
    schemaSettings: null,
    ingestion: null,
    messageTransforms: [],
  };

  test('have what is not set as null or as its default', async () => {
    const name = `${newProject()}/topics/bare`;
    expect(await front.data(create, { name })).toEqual({ createTopic: { name, ...bare } });
    expect(pubsub.requests('CreateTopic')).toEqual([{ name }]);
    expect(await front.data(`query ($name: ID!) { topic(name: $name) { ${fields} } }`, { name })).toEqual({
      topic: { name, ...bare },
    });
  });

  test('take maps, durations, enums and messages, and give them back', async () => {
    const name = `${newProject()}/topics/full`;
    const input = {
      labels: [
        { key: 'team', value: 'search' },
        { key: '__proto__', value: 'kept' },
      ],
      messageStoragePolicy: { allowedPersistenceRegions: ['europe-west1'], enforceInTransit: true },
      kmsKeyName: 'key',
      schemaSettings: { schema: 'projects/p/schemas/s', encoding: 'JSON' },
      messageRetentionDuration: '86400.5s',
      ingestion: {
        cloudStorage: {
          bucket: 'b',
          textFormat: { delimiter: '' },
          minimumObjectCreateTime: '2026-01-31T12:00:00.000000001Z',
        },
        platformLogs: { severity: 'WARNING' },
      },
      messageTransforms: [
        { javascriptUdf: { functionName: 'f', code: 'function f(m) { return m; }' }, disabled: true },
        {
          aiInference: {
            endpoint: 'e',
            unstructuredInference: { parameters: { temperature: 0.5, stop: ['x', null] } },
          },
        },
      ],
    };
    const { createTopic } = await front.data(create, { name, input });
    expect(createTopic).toEqual({
      ...bare,
      name,
      labels: expect.arrayContaining(input.labels),
      messageStoragePolicy: input.messageStoragePolicy,
      kmsKeyName: 'key',
      schemaSettings: { schemaName: 'projects/p/schemas/s', encoding: 'JSON' },
      messageRetentionDuration: '86400.500s',
      ingestion: {
        platformLogs: { severity: 'WARNING' },
        source: {
          __typename: 'CloudStorage',
          bucket: 'b',
          state: null,
          textFormat: { delimiter: '' },
          avroFormat: null,
          pubsubAvroFormat: null,
          minimumObjectCreateTime: '2026-01-31T12:00:00.000000001Z',
          matchGlob: '',
        },
      },
      messageTransforms: [
        {
          disabled: true,
          transform: { __typename: 'JavaScriptUdf', functionName: 'f', code: 'function f(m) { return m; }' },
        },
        {
          disabled: false,
          transform: {
            __typename: 'AiInference',
            endpoint: 'e',
            unstructuredInference: { parameters: { temperature: 0.5, stop: ['x', null] } },
          },
        },
      ],
    });
    expect(pubsub.requests('CreateTopic')).toMatchObject([
      {
        name,
        message_retention_duration: { seconds: '86400', nanos: 500_000_000 },
        schema_settings: { encoding: 'JSON' },
      },
    ]);
  });

  test('show the member of a oneof that is set, messages without fields included', async () => {
    const name = `${newProject()}/topics/avro`;
    const input = { ingestion: { cloudStorage: { bucket: 'b', avroFormat: true } } };
    const { createTopic } = await front.data(create, { name, input });
    expect(createTopic.ingestion.source).toMatchObject({ avroFormat: true, pubsubAvroFormat: null, textFormat: null });
    expect(pubsub.requests('CreateTopic')).toEqual([
      { name, ingestion_data_source_settings: { cloud_storage: { bucket: 'b', avro_format: {} } } },
    ]);
  });

  test('refuse two members of a oneof', async () => {
    const name = `${newProject()}/topics/both`;
    const awsKinesis = { streamArn: 's', consumerArn: 'c', awsRoleArn: 'r', gcpServiceAccount: 'g' };
    const both = await front.graphql(create, {
      name,
      input: { ingestion: { awsKinesis, cloudStorage: { bucket: 'b' } } },
    });
    expect(codes(both.errors)).toEqual(['BAD_USER_INPUT']);
    expect(pubsub.requests('CreateTopic')).toEqual([]);
  });

  test('are changed in exactly what is given', async () => {
    const name = `${newProject()}/topics/changed`;
    await front.data(create, { name, input: { kmsKeyName: 'key', labels: [{ key: 'a', value: 'b' }] } });
    const input = {
      labels: [],
      messageRetentionDuration: '600s',
      kmsKeyName: null,
      messageStoragePolicy: { enforceInTransit: true },
    };
    const { updateTopic } = await front.data(change, { name, input });
    expect(updateTopic).toEqual({
      ...bare,
      name,
      messageRetentionDuration: '600s',
      messageStoragePolicy: { allowedPersistenceRegions: [], enforceInTransit: true },
    });
    expect(pubsub.requests('UpdateTopic')).toEqual([
      {
        topic: {
          name,
          message_retention_duration: { seconds: '600', nanos: 0 },
          message_storage_policy: { enforce_in_transit: true },
        },
        update_mask: {
          paths: ['labels', 'message_storage_policy.enforce_in_transit', 'kms_key_name', 'message_retention_duration'],
        },
      },
    ]);
  });

  test('are listed and deleted', async () => {
    const project = newProject();
    for (const id of ['a', 'b', 'c']) await front.data(create, { name: `${project}/topics/${id}` });
    const list = `query ($project: ID!, $after: String) {
      topics(project: $project, first: 2, after: $after) { nodes { name } pageInfo { endCursor hasNextPage } }
    }`;
    const { topics } = await front.data(list, { project });
    expect(topics).toMatchObject({
      nodes: [{ name: `${project}/topics/a` }, { name: `${project}/topics/b` }],
      pageInfo: { hasNextPage: true },
    });
    const rest = await front.data(list, { project, after: topics.pageInfo.endCursor });
    expect(rest.topics).toMatchObject({ nodes: [{ name: `${project}/topics/c` }], pageInfo: { hasNextPage: false } });

    const remove = 'mutation ($name: ID!) { deleteTopic(name: $name) }';
    expect(await front.data(remove, { name: `${project}/topics/a` })).toEqual({ deleteTopic: true });
    expect(codes((await front.graphql(remove, { name: `${project}/topics/a` })).errors)).toEqual(['NOT_FOUND']);
    expect(codes((await front.graphql(create, { name: `${project}/topics/b` })).errors)).toEqual(['CONFLICT']);
  });
});

describe('messages', () => {
  const publish = 'mutation ($topic: ID!, $messages: [MessageInput!]!) { publish(topic: $topic, messages: $messages) }';
  const pull = `mutation ($subscription: ID!, $max: Int!) {
    pull(subscription: $subscription, maxMessages: $max) {
      ackId deliveryAttempt message { id data attributes { key value } publishTime orderingKey }
    }
  }`;

  test('are published with bytes and attributes, pulled and acknowledged', async () => {
    const { topic, subscription } = await subscribed();
    const data = Buffer.from([0, 1, 2, 0xfe, 0xff]).toString('base64');
    const messages = [
      { data, attributes: [{ key: 'origin', value: 'test' }], orderingKey: 'k' },
      { attributes: [{ key: 'only', value: 'attributes' }] },
    ];
    const { publish: ids } = await front.data(publish, { topic, messages });
    expect(ids).toEqual([expect.stringMatching(/^m\d+$/), expect.stringMatching(/^m\d+$/)]);
    expect(pubsub.requests('Publish')).toEqual([
      {
        topic,
        messages: [
          { data: Buffer.from(data, 'base64'), attributes: { origin: 'test' }, ordering_key: 'k' },
          { attributes: { only: 'attributes' } },
        ],
      },
    ]);

    const received = await front.data(pull, { subscription, max: 10 });
    expect(received.pull).toEqual([
      {
        ackId: `${subscription}:${ids[0]}`,
        deliveryAttempt: 1,
        message: {
          id: ids[0],
          data,
          attributes: messages[0]?.attributes,
          publishTime: '2026-11-23T10:00:00.250Z',
          orderingKey: 'k',
        },
      },
      {
        ackId: `${subscription}:${ids[1]}`,
        deliveryAttempt: 1,
        message: {
          id: ids[1],
          data: '',
          attributes: messages[1]?.attributes,
          publishTime: '2026-11-23T10:00:00.250Z',
          orderingKey: '',
        },
      },
    ]);
    expect(pubsub.requests('Pull')).toEqual([{ subscription, max_messages: 10 }]);

    const ackIds = received.pull.map(({ ackId }: { ackId: string }) => ackId);
    const acknowledge = `mutation ($subscription: ID!, $ackIds: [ID!]!) { acknowledge(subscription: $subscription, ackIds: $ackIds) }`;
    expect(await front.data(acknowledge, { subscription, ackIds: [ackIds[0]] })).toEqual({ acknowledge: true });
    const modify = `mutation ($subscription: ID!, $ackIds: [ID!]!) {
      modifyAckDeadline(subscription: $subscription, ackIds: $ackIds, ackDeadlineSeconds: 0)
    }`;
    expect(await front.data(modify, { subscription, ackIds: [ackIds[1]] })).toEqual({ modifyAckDeadline: true });
    const again = await front.data(pull, { subscription, max: 10 });
    expect(again.pull).toMatchObject([{ ackId: ackIds[1], deliveryAttempt: 2 }]);
  });

  test('that are not base64 are refused', async () => {
    const { topic } = await subscribed();
    const { errors } = await front.graphql(publish, { topic, messages: [{ data: 'what?' }] });
    expect(codes(errors)).toEqual(['BAD_USER_INPUT']);
    expect(pubsub.requests('Publish')).toEqual([]);
  });

  test('come again after seeking to a time or to a snapshot, one of the two', async () => {
    const { project, topic, subscription } = await subscribed();
    const [first] = (await front.data(publish, { topic, messages: [{ data: base64('first') }] })).publish;
    now += 60_000;
    const snapshot = `${project}/snapshots/s`;
    await front.data(
      'mutation ($snapshot: ID!, $subscription: ID!) { createSnapshot(name: $snapshot, subscription: $subscription) { name } }',
      { snapshot, subscription },
    );
    const [second] = (await front.data(publish, { topic, messages: [{ data: base64('second') }] })).publish;
    const seek = `mutation ($subscription: ID!, $time: DateTime, $snapshot: ID) {
      seek(subscription: $subscription, time: $time, snapshot: $snapshot)
    }`;
    const pulled = async () =>
      (await front.data(pull, { subscription, max: 10 })).pull.map(
        ({ message }: { message: { id: string } }) => message.id,
      );
    expect(await pulled()).toEqual([first, second]);

    expect(await front.data(seek, { subscription, snapshot })).toEqual({ seek: true });
    expect(await pulled()).toEqual([second]);
    expect(await front.data(seek, { subscription, time: '2026-11-23T11:00:00.250+01:00' })).toEqual({ seek: true });
    expect(await pulled()).toEqual([first, second]);
    expect(pubsub.requests('Seek')).toEqual([
      { subscription, snapshot },
      { subscription, time: { seconds: '1795428000', nanos: 250_000_000 } },
    ]);

    const both = await front.graphql(seek, { subscription, snapshot, time: '2026-11-23T10:00:00Z' });
    expect(codes(both.errors)).toEqual(['BAD_USER_INPUT']);
  });
});

describe('subscriptions', () => {
  test('take every kind of field, and give it back', async () => {
    const project = newProject();
    const [topic, dead] = [`${project}/topics/t`, `${project}/topics/dead`];
    const name = `${project}/subscriptions/s`;
    const input = {
      pushConfig: {
        pushEndpoint: 'https://example.com',
        attributes: { 'x-goog-version': 'v1' },
        oidcToken: { serviceAccountEmail: 'a@example.com', audience: 'b' },
        noWrapper: { writeMetadata: true },
      },
      cloudStorageConfig: { bucket: 'b', textConfig: true, maxDuration: '60s', maxBytes: '9223372036854775807' },
      ackDeadlineSeconds: 30,
      retainAckedMessages: true,
      messageRetentionDuration: '604800s',
      labels: { a: 'b' },
      expirationPolicy: {},
      filter: 'attributes.x = "y"',
      deadLetterPolicy: { deadLetterTopic: dead, maxDeliveryAttempts: 5 },
      retryPolicy: { minimumBackoff: '0.1s', maximumBackoff: '600s' },
    };
    const { createSubscription } = await front.data(
      `mutation ($name: ID!, $topic: ID!, $dead: ID!, $input: SubscriptionInput) {
        live: createTopic(name: $topic) { name }
        dead: createTopic(name: $dead) { name }
        createSubscription(name: $name, topic: $topic, input: $input) {
          name topicName topic { name state }
          pushConfig { pushEndpoint attributes oidcToken { serviceAccountEmail audience } pubsubWrapper noWrapper { writeMetadata } }
          bigqueryConfig { table }
          cloudStorageConfig { bucket textConfig avroConfig { writeMetadata } maxDuration maxBytes maxMessages state }
          ackDeadlineSeconds retainAckedMessages messageRetentionDuration labels
          expirationPolicy { ttl } filter
          deadLetterPolicy { topic { name } maxDeliveryAttempts }
          retryPolicy { minimumBackoff maximumBackoff }
          detached state analyticsHub { listing } bigtableConfig { table } messageTransforms { disabled }
        }
      }`,
      { name, topic, dead, input },
    );
    expect(createSubscription).toEqual({
      name,
      topicName: topic,
      topic: { name: topic, state: 'ACTIVE' },
      pushConfig: { ...input.pushConfig, pubsubWrapper: null },
      bigqueryConfig: null,
      cloudStorageConfig: { ...input.cloudStorageConfig, avroConfig: null, maxMessages: '0', state: null },
      ackDeadlineSeconds: 30,
      retainAckedMessages: true,
      messageRetentionDuration: '604800s',
      labels: { a: 'b' },
      expirationPolicy: { ttl: null },
      filter: 'attributes.x = "y"',
      deadLetterPolicy: { topic: { name: dead }, maxDeliveryAttempts: 5 },
      retryPolicy: { minimumBackoff: '0.100s', maximumBackoff: '600s' },
      detached: false,
      state: 'ACTIVE',
      analyticsHub: null,
      bigtableConfig: null,
      messageTransforms: [],
    });
  });

  test('are changed in exactly what is given, down to fields of fields', async () => {
    const { subscription: name } = await subscribed({
      pushConfig: { pushEndpoint: 'https://a.example', oidcToken: { serviceAccountEmail: 'a', audience: 'x' } },
      labels: { a: 'b' },
    });
    const update = `mutation ($name: ID!, $input: SubscriptionInput!) {
      updateSubscription(name: $name, input: $input) { labels filter pushConfig { pushEndpoint oidcToken { serviceAccountEmail audience } } }
    }`;
    const input = { pushConfig: { oidcToken: { serviceAccountEmail: 'b' } }, labels: { c: 'd' }, filter: null };
    expect(await front.data(update, { name, input })).toEqual({
      updateSubscription: {
        labels: { c: 'd' },
        filter: '',
        pushConfig: { pushEndpoint: 'https://a.example', oidcToken: { serviceAccountEmail: 'b', audience: 'x' } },
      },
    });
    expect(pubsub.requests('UpdateSubscription')).toMatchObject([
      { update_mask: { paths: ['push_config.oidc_token.service_account_email', 'labels', 'filter'] } },
    ]);
  });

  test('take another push configuration, are detached, and deleted', async () => {
    const { subscription } = await subscribed();
    const { modifyPushConfig, detachSubscription } = await front.data(
      `mutation ($subscription: ID!, $pushConfig: PushConfigInput!) {
        modifyPushConfig(subscription: $subscription, pushConfig: $pushConfig)
        detachSubscription(name: $subscription)
      }`,
      { subscription, pushConfig: { pushEndpoint: 'https://b.example', pubsubWrapper: true } },
    );
    expect([modifyPushConfig, detachSubscription]).toEqual([true, true]);
    expect(pubsub.requests('ModifyPushConfig')).toEqual([
      { subscription, push_config: { push_endpoint: 'https://b.example', pubsub_wrapper: {} } },
    ]);
    const find =
      'query ($name: ID!) { subscription(name: $name) { detached pushConfig { pubsubWrapper noWrapper { writeMetadata } } } }';
    expect(await front.data(find, { name: subscription })).toEqual({
      subscription: { detached: true, pushConfig: { pubsubWrapper: true, noWrapper: null } },
    });
    const remove = 'mutation ($name: ID!) { deleteSubscription(name: $name) }';
    expect(await front.data(remove, { name: subscription })).toEqual({ deleteSubscription: true });
    expect(codes((await front.graphql(find, { name: subscription })).errors)).toEqual(['NOT_FOUND']);
  });

  test('of one topic and of another find their topics with a call for each', async () => {
    const project = newProject();
    const topics = ['a', 'b'].map((id) => `${project}/topics/${id}`);
    for (const [index, topic] of topics.entries()) {
      await front.data('mutation ($topic: ID!) { createTopic(name: $topic) { name } }', { topic });
      for (const id of ['x', 'y', 'z']) {
        await front.data(
          'mutation ($name: ID!, $topic: ID!) { createSubscription(name: $name, topic: $topic) { name } }',
          { name: `${project}/subscriptions/${id}${index}`, topic },
        );
      }
    }
    pubsub.reset();
    const { subscriptions } = await front.data(
      'query ($project: ID!) { subscriptions(project: $project) { nodes { topic { name } } } }',
      { project },
    );
    const [a, b] = topics.map((name) => ({ topic: { name } }));
    expect(subscriptions.nodes).toEqual([a, a, a, b, b, b]);
    expect(pubsub.requests('GetTopic')).toEqual(topics.map((topic) => ({ topic })));
  });

  test('of a topic that has been deleted have none', async () => {
    const { topic, subscription } = await subscribed();
    const { deleteTopic } = await front.data('mutation ($topic: ID!) { deleteTopic(name: $topic) }', { topic });
    expect(deleteTopic).toBe(true);
    const found = await front.data('query ($name: ID!) { subscription(name: $name) { topicName topic { name } } }', {
      name: subscription,
    });
    expect(found).toEqual({ subscription: { topicName: '_deleted-topic_', topic: null } });
  });

  test('are found from their topic, by name and as what they are', async () => {
    const { project, topic, subscription } = await subscribed();
    const snapshot = `${project}/snapshots/s`;
    await front.data(
      'mutation ($name: ID!, $subscription: ID!) { createSnapshot(name: $name, subscription: $subscription) { name } }',
      { name: snapshot, subscription },
    );
    const { topicSubscriptions, topicSnapshots } = await front.data(
      `query ($topic: ID!) {
        topicSubscriptions(topic: $topic, pageSize: 5) { names subscriptions { name topic { name } } nextPageToken }
        topicSnapshots(topic: $topic) { names snapshots { name topic { name } } nextPageToken }
      }`,
      { topic },
    );
    expect(topicSubscriptions).toEqual({
      names: [subscription],
      subscriptions: [{ name: subscription, topic: { name: topic } }],
      nextPageToken: '',
    });
    expect(topicSnapshots).toEqual({
      names: [snapshot],
      snapshots: [{ name: snapshot, topic: { name: topic } }],
      nextPageToken: '',
    });
    expect(pubsub.requests('GetTopic')).toEqual([{ topic }]);
  });
});

test('snapshots are made, found, listed, changed and deleted', async () => {
  const { project, topic, subscription } = await subscribed();
  const name = `${project}/snapshots/one`;
  const { createSnapshot } = await front.data(
    `mutation ($name: ID!, $subscription: ID!, $labels: JSON) {
      createSnapshot(name: $name, subscription: $subscription, labels: $labels) { name labels topic { name } }
    }`,
    { name, subscription, labels: { a: 'b' } },
  );
  expect(createSnapshot).toEqual({ name, labels: { a: 'b' }, topic: { name: topic } });
  const { updateSnapshot } = await front.data(
    `mutation ($name: ID!, $input: SnapshotInput!) { updateSnapshot(name: $name, input: $input) { labels expireTime } }`,
    { name, input: { expireTime: '2027-01-01T00:00:00Z' } },
  );
  expect(updateSnapshot).toEqual({ labels: { a: 'b' }, expireTime: '2027-01-01T00:00:00Z' });
  expect(pubsub.requests('UpdateSnapshot')).toEqual([
    { snapshot: { name, expire_time: { seconds: '1798761600', nanos: 0 } }, update_mask: { paths: ['expire_time'] } },
  ]);
  const { snapshots, snapshot } = await front.data(
    `query ($project: ID!, $name: ID!) {
      snapshots(project: $project) { nodes { name expireTime } }
      snapshot(name: $name) { expireTime }
    }`,
    { project, name },
  );
  expect(snapshots.nodes).toEqual([{ name, expireTime: '2027-01-01T00:00:00Z' }]);
  expect(snapshot).toEqual({ expireTime: '2027-01-01T00:00:00Z' });
  expect(await front.data('mutation ($name: ID!) { deleteSnapshot(name: $name) }', { name })).toEqual({
    deleteSnapshot: true,
  });
});

describe('schemas', () => {
  const create = `mutation ($project: ID!, $id: ID!, $schema: SchemaInput!) {
    createSchema(project: $project, id: $id, schema: $schema) { name type definition revisionId revisionCreateTime }
  }`;

  test('are made, revised, rolled back and deleted', async () => {
    const project = newProject();
    const schema = { type: 'AVRO', definition: '{"type":"string"}' };
    const { createSchema: first } = await front.data(create, { project, id: 's', schema });
    const { name } = first;
    expect(first).toMatchObject({ ...schema, name: `${project}/schemas/s`, revisionCreateTime: expect.any(String) });
    expect(pubsub.requests('CreateSchema')).toEqual([{ parent: project, schema_id: 's', schema }]);

    const { commitSchema: second } = await front.data(
      'mutation ($name: ID!, $input: SchemaInput!) { commitSchema(name: $name, input: $input) { revisionId definition } }',
      { name, input: { ...schema, definition: '{"type":"int"}' } },
    );
    expect(second).toEqual({ revisionId: expect.not.stringMatching(first.revisionId), definition: '{"type":"int"}' });
    const { rollbackSchema: third } = await front.data(
      'mutation ($name: ID!, $id: ID!) { rollbackSchema(name: $name, revisionId: $id) { revisionId definition } }',
      { name, id: first.revisionId },
    );
    expect(third.definition).toBe(schema.definition);

    const list = `query ($name: ID!, $view: SchemaView) {
      schemaRevisions(name: $name, view: $view) { nodes { revisionId definition } }
    }`;
    const ids = [third, second, first].map(({ revisionId }) => revisionId);
    const basic = await front.data(list, { name });
    expect(basic.schemaRevisions.nodes).toEqual(ids.map((revisionId) => ({ revisionId, definition: '' })));
    const full = await front.data(list, { name, view: 'FULL' });
    expect(full.schemaRevisions.nodes[1]).toEqual(second);
    expect(pubsub.requests('ListSchemaRevisions').map(({ view }) => view)).toEqual(['BASIC', 'FULL']);

    const { deleteSchemaRevision } = await front.data(
      'mutation ($name: ID!) { deleteSchemaRevision(name: $name) { revisionId } }',
      { name: `${name}@${second.revisionId}` },
    );
    expect(deleteSchemaRevision).toEqual({ revisionId: third.revisionId });
    expect(await front.data('mutation ($name: ID!) { deleteSchema(name: $name) }', { name })).toEqual({
      deleteSchema: true,
    });
    const { errors } = await front.graphql('query ($name: ID!) { schema(name: $name) { name } }', { name });
    expect(codes(errors)).toEqual(['NOT_FOUND']);
  });

  test('are listed, found, and found from the topics that they are for', async () => {
    const project = newProject();
    const schema = { type: 'PROTOCOL_BUFFER', definition: 'syntax = "proto3";' };
    const { name } = (await front.data(create, { project, id: 's', schema })).createSchema;
    const { schemas, full, basic } = await front.data(
      `query ($project: ID!, $name: ID!) {
        schemas(project: $project) { nodes { name type definition } }
        full: schema(name: $name) { type definition }
        basic: schema(name: $name, view: BASIC) { type definition }
      }`,
      { project, name },
    );
    expect(schemas.nodes).toEqual([{ name, type: 'PROTOCOL_BUFFER', definition: '' }]);
    expect([full, basic]).toEqual([schema, { ...schema, definition: '' }]);
    const { createTopic } = await front.data(
      `mutation ($topic: ID!, $input: TopicInput) {
        createTopic(name: $topic, input: $input) { schemaSettings { encoding schema { type } } }
      }`,
      { topic: `${project}/topics/t`, input: { schemaSettings: { schema: name, encoding: 'BINARY' } } },
    );
    expect(createTopic).toEqual({ schemaSettings: { encoding: 'BINARY', schema: { type: 'PROTOCOL_BUFFER' } } });
  });

  test('and messages are checked, against one by name or one that is given', async () => {
    const project = newProject();
    const schema = { type: 'AVRO', definition: '{"type":"string"}' };
    const { name } = (await front.data(create, { project, id: 's', schema })).createSchema;
    const validateSchema =
      'mutation ($project: ID!, $schema: SchemaInput!) { validateSchema(project: $project, schema: $schema) }';
    expect(await front.data(validateSchema, { project, schema })).toEqual({ validateSchema: true });
    const bad = await front.graphql(validateSchema, { project, schema: { ...schema, definition: '' } });
    expect(bad.errors).toMatchObject([
      { extensions: { code: 'BAD_USER_INPUT', fieldViolations: [{ description: 'must not be empty' }] } },
    ]);

    const validateMessage = 'mutation ($input: ValidateMessageInput!) { validateMessage(input: $input) }';
    const input = { project, message: base64('"x"'), encoding: 'JSON' };
    expect(await front.data(validateMessage, { input: { ...input, name } })).toEqual({ validateMessage: true });
    expect(await front.data(validateMessage, { input: { ...input, schema } })).toEqual({ validateMessage: true });
    expect(pubsub.requests('ValidateMessage')).toEqual([
      { parent: project, name, message: Buffer.from('"x"'), encoding: 'JSON' },
      { parent: project, schema, message: Buffer.from('"x"'), encoding: 'JSON' },
    ]);
    const wrong = await front.graphql(validateMessage, { input: { ...input, name, message: base64('{') } });
    expect(codes(wrong.errors)).toEqual(['BAD_USER_INPUT']);
    const both = await front.graphql(validateMessage, { input: { ...input, name, schema } });
    expect(codes(both.errors)).toEqual(['BAD_USER_INPUT']);
  });
});

test('an enum value that the proto does not know fails its field alone', async () => {
  const { topic } = await subscribed();
  pubsub.answerWith('GetTopic', { name: topic, state: 77 });
  const { data, errors } = await front.graphql('query ($topic: ID!) { topic(name: $topic) { name state } }', { topic });
  expect(data).toEqual({ topic: { name: topic, state: null } });
  expect(codes(errors)).toEqual(['UPSTREAM_ERROR']);
});
