/** The three services of google.pubsub.v1 in memory: topics, what comes of publishing to them, and schemas. */
import { status } from '@grpc/grpc-js';
import type { Decoded } from '../../gateway-fixture';
import { invalidArgument, RpcError } from '../../upstreams/rpc-error';
import { fromTimestamp, toTimestamp } from '../../upstreams/timestamp';
import { Collection, pageOf, startBackend, update, type Backend } from './backend';

export const pubsubProto = 'google/pubsub/v1/pubsub.proto';

/** What the topic of a subscription is called once it has been deleted, as pubsub.proto says. */
const deletedTopic = '_deleted-topic_';

interface Named {
  readonly name: string;
  readonly [field: string]: Decoded;
}

interface Delivery {
  readonly message: Decoded;
  readonly ackId: string;
  attempts: number;
  acknowledged: boolean;
  /** Ms since 1970 until which nobody else gets it. */
  leasedUntil: number;
}

/** @param now - The time, in ms since 1970. */
export function startPubsubService(now: () => number): Promise<Backend> {
  const topics = new Collection<Named>();
  const subscriptions = new Collection<Named>();
  const snapshots = new Collection<Named>();
  /** Revisions of each schema, the newest first. */
  const schemas = new Map<string, Named[]>();
  const deliveries = new Map<string, Delivery[]>();
  let lastId = 0;

  const deliveriesOf = (subscription: string): Delivery[] => {
    const { name } = subscriptions.get(subscription);
    const found = deliveries.get(name) ?? [];
    deliveries.set(name, found);
    return found;
  };
  const leased = (subscription: string, ackIds: readonly string[] = []): Delivery[] =>
    deliveriesOf(subscription).filter(({ ackId }) => ackIds.includes(ackId));
  const topicsOf = (items: readonly Named[], topic: string): string[] =>
    items.filter((each) => each['topic'] === topic).map(({ name }) => name);

  const revisionsOf = (name: string): Named[] => {
    const revisions = schemas.get(name);
    if (!revisions) throw new RpcError(status.NOT_FOUND, `there is no ${name}`);
    return revisions;
  };
  const commit = (name: string, schema: Decoded): Named => {
    checkSchema(schema);
    const revision_create_time = toTimestamp(new Date(now()));
    const revision = { ...schema, name, revision_id: `r${++lastId}`, revision_create_time } as Named;
    schemas.set(name, [revision, ...(schemas.get(name) ?? [])]);
    return revision;
  };
  const shown = (schema: Named, view: string | undefined, preset: string): Decoded =>
    (view ?? preset) === 'FULL' ? schema : { ...schema, definition: '' };

  const publisher = {
    CreateTopic: (topic: Decoded) => topics.add({ ...topic, state: 'ACTIVE', satisfies_pzs: true }),
    UpdateTopic: ({ topic, update_mask: mask }: Decoded) =>
      topics.set(update(topics.get(topic.name), topic, mask.paths ?? [])),
    GetTopic: ({ topic }: Decoded) => topics.get(topic),
    ListTopics(request: Decoded) {
      const { page, ...next } = pageOf(topics.below(`${request.project}/topics/`), request);
      return { topics: page, ...next };
    },
    ListTopicSubscriptions(request: Decoded) {
      const { page, ...next } = pageOf(topicsOf(subscriptions.below(''), request.topic), request);
      return { subscriptions: page, ...next };
    },
    ListTopicSnapshots(request: Decoded) {
      const { page, ...next } = pageOf(topicsOf(snapshots.below(''), request.topic), request);
      return { snapshots: page, ...next };
    },
    DeleteTopic({ topic }: Decoded) {
      topics.delete(topic);
      for (const items of [subscriptions, snapshots]) {
        for (const name of topicsOf(items.below(''), topic)) items.set({ ...items.get(name), topic: deletedTopic });
      }
      return {};
    },
    Publish({ topic, messages = [] }: Decoded) {
      topics.get(topic);
      const published = messages.map((message: Decoded) => ({
        ...message,
        message_id: `m${++lastId}`,
        publish_time: toTimestamp(new Date(now())),
      }));
      for (const name of topicsOf(subscriptions.below(''), topic)) {
        for (const message of published) {
          const ackId = `${name}:${message.message_id}`;
          deliveriesOf(name).push({ message, ackId, attempts: 0, acknowledged: false, leasedUntil: 0 });
        }
      }
      return { message_ids: published.map((message: Decoded) => message.message_id) };
    },
    DetachSubscription({ subscription }: Decoded) {
      subscriptions.set({ ...subscriptions.get(subscription), detached: true });
      return {};
    },
  };

  const subscriber = {
    CreateSubscription(subscription: Decoded) {
      topics.get(subscription.topic);
      const { ack_deadline_seconds: deadline = 10 } = subscription;
      return subscriptions.add({ ...subscription, ack_deadline_seconds: deadline, state: 'ACTIVE' });
    },
    GetSubscription: ({ subscription }: Decoded) => subscriptions.get(subscription),
    UpdateSubscription: ({ subscription, update_mask: mask }: Decoded) =>
      subscriptions.set(update(subscriptions.get(subscription.name), subscription, mask.paths ?? [])),
    ListSubscriptions(request: Decoded) {
      const { page, ...next } = pageOf(subscriptions.below(`${request.project}/subscriptions/`), request);
      return { subscriptions: page, ...next };
    },
    DeleteSubscription({ subscription }: Decoded) {
      subscriptions.delete(subscription);
      return {};
    },
    ModifyPushConfig({ subscription, push_config }: Decoded) {
      subscriptions.set({ ...subscriptions.get(subscription), push_config });
      return {};
    },
    Pull({ subscription, max_messages: max }: Decoded) {
      const { ack_deadline_seconds: seconds } = subscriptions.get(subscription);
      const open = deliveriesOf(subscription).filter((each) => !each.acknowledged && each.leasedUntil <= now());
      const received_messages = open.slice(0, max).map((delivery) => {
        delivery.leasedUntil = now() + seconds * 1000;
        delivery.attempts += 1;
        return { ack_id: delivery.ackId, message: delivery.message, delivery_attempt: delivery.attempts };
      });
      return { received_messages };
    },
    Acknowledge({ subscription, ack_ids: ackIds }: Decoded) {
      for (const delivery of leased(subscription, ackIds)) delivery.acknowledged = true;
      return {};
    },
    ModifyAckDeadline({ subscription, ack_ids: ackIds, ack_deadline_seconds: seconds = 0 }: Decoded) {
      for (const delivery of leased(subscription, ackIds)) delivery.leasedUntil = now() + seconds * 1000;
      return {};
    },
    Seek({ subscription, time, snapshot }: Decoded) {
      const from = snapshot === undefined ? time : snapshots.get(snapshot)['taken'];
      for (const delivery of deliveriesOf(subscription)) {
        delivery.acknowledged = fromTimestamp(delivery.message.publish_time) < fromTimestamp(from);
        delivery.leasedUntil = 0;
      }
      return {};
    },
    CreateSnapshot({ name, subscription, labels }: Decoded) {
      const { topic } = subscriptions.get(subscription);
      const expire_time = toTimestamp(new Date(now() + 7 * 24 * 60 * 60 * 1000));
      return snapshots.add({ name, topic, labels, expire_time, taken: toTimestamp(new Date(now())) });
    },
    GetSnapshot: ({ snapshot }: Decoded) => snapshots.get(snapshot),
    ListSnapshots(request: Decoded) {
      const { page, ...next } = pageOf(snapshots.below(`${request.project}/snapshots/`), request);
      return { snapshots: page, ...next };
    },
    UpdateSnapshot: ({ snapshot, update_mask: mask }: Decoded) =>
      snapshots.set(update(snapshots.get(snapshot.name), snapshot, mask.paths ?? [])),
    DeleteSnapshot({ snapshot }: Decoded) {
      snapshots.delete(snapshot);
      return {};
    },
  };

  const schemaService = {
    CreateSchema: ({ parent, schema, schema_id: id }: Decoded) => commit(`${parent}/schemas/${id}`, schema),
    GetSchema: ({ name, view }: Decoded) => shown(revisionsOf(name)[0]!, view, 'FULL'),
    ListSchemas(request: Decoded) {
      const names = [...schemas.keys()].filter((name) => name.startsWith(`${request.parent}/schemas/`));
      const { page, ...next } = pageOf(names, request);
      return { schemas: page.map((name) => shown(revisionsOf(name)[0]!, request.view, 'BASIC')), ...next };
    },
    ListSchemaRevisions(request: Decoded) {
      const { page, ...next } = pageOf(revisionsOf(request.name), request);
      return { schemas: page.map((revision) => shown(revision, request.view, 'BASIC')), ...next };
    },
    CommitSchema({ name, schema }: Decoded) {
      revisionsOf(name);
      return commit(name, schema);
    },
    RollbackSchema({ name, revision_id: id }: Decoded) {
      const found = revisionsOf(name).find((revision) => revision['revision_id'] === id);
      if (!found) throw new RpcError(status.NOT_FOUND, `there is no revision ${id}`);
      return commit(name, found);
    },
    DeleteSchemaRevision({ name }: Decoded) {
      const [schema = '', id] = name.split('@');
      const rest = revisionsOf(schema).filter((revision) => revision['revision_id'] !== id);
      if (rest.length === 0) throw new RpcError(status.FAILED_PRECONDITION, 'the only revision stays');
      schemas.set(schema, rest);
      return rest[0];
    },
    DeleteSchema({ name }: Decoded) {
      revisionsOf(name);
      schemas.delete(name);
      return {};
    },
    ValidateSchema({ schema }: Decoded) {
      checkSchema(schema);
      return {};
    },
    ValidateMessage({ name, schema, message = Buffer.alloc(0), encoding }: Decoded) {
      const { type } = schema ?? revisionsOf(name)[0]!;
      if (type === 'AVRO' && encoding === 'JSON') {
        try {
          JSON.parse(message.toString());
        } catch {
          throw invalidArgument({ field: 'message', description: 'is not JSON' });
        }
      }
      return {};
    },
  };

  return startBackend(pubsubProto, {
    'google.pubsub.v1.Publisher': publisher,
    'google.pubsub.v1.Subscriber': subscriber,
    'google.pubsub.v1.SchemaService': schemaService,
  });
}

function checkSchema({ definition }: Decoded): void {
  if (!definition) throw invalidArgument({ field: 'schema.definition', description: 'must not be empty' });
}
