import { CARD_BUCKET, EVENT_STREAM, POOL_BUCKET, subjects, type AgentRole, type ServiceName } from '@flexbso/contracts';
import { inboxPrefixOf, type Principal } from '../principal.js';

/** What a user of the bus may do: exactly these subjects, nothing else. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** May answer what it was asked, on the reply subject of each message that it received. */
  readonly responses: { readonly max: number; readonly expires: string } | null;
}

/** The only place that says who may touch what. */
export function permissionsOf(principal: Principal): Permissions {
  return principal.kind === 'service'
    ? withOwnInbox(principal, servicePermissions[principal.name])
    : withOwnInbox(principal, agentPermissions(principal.kind, principal.id));
}

/**
 * Nothing of JetStream or KV: a user who may create a consumer for his own key only can still have the server
 * deliver it to any subject.
 */
function agentPermissions(role: AgentRole, id: string): Permissions {
  return {
    publish: [`bso.${role}.${id}.up.>`],
    subscribe: [`bso.${role}.${id}.down.>`],
    // One answer to each question, within half a minute: longer than any deadline of an inspection.
    responses: { max: 1, expires: '30s' },
  };
}

function withOwnInbox(principal: Principal, permissions: Permissions): Permissions {
  return { ...permissions, subscribe: [...permissions.subscribe, `${inboxPrefixOf(principal)}.>`] };
}

const replyToServices = '_INBOX.service.>';
const replyToAgents = ['_INBOX.card.*.>', '_INBOX.pool.*.>'];

/** Whoever comes first creates the event stream; all of them check its settings. */
const eventStream = [
  `$JS.API.STREAM.INFO.${EVENT_STREAM}`,
  `$JS.API.STREAM.CREATE.${EVENT_STREAM}`,
  `$JS.API.STREAM.UPDATE.${EVENT_STREAM}`,
];
/** Durable consumers, ordered reads, and their acknowledgements. */
const consumeEvents = [
  `$JS.API.CONSUMER.INFO.${EVENT_STREAM}.>`,
  `$JS.API.CONSUMER.CREATE.${EVENT_STREAM}.>`,
  // A consumer with several filters is created under this older subject.
  `$JS.API.CONSUMER.DURABLE.CREATE.${EVENT_STREAM}.>`,
  `$JS.API.CONSUMER.DELETE.${EVENT_STREAM}.>`,
  `$JS.API.CONSUMER.MSG.NEXT.${EVENT_STREAM}.>`,
  `$JS.ACK.${EVENT_STREAM}.>`,
];
const buckets = [CARD_BUCKET, POOL_BUCKET];
/** A reader may create a bucket that is missing, since it may start first; it may not change or write one. */
const readSnapshots = buckets.flatMap((name) => [
  `$JS.API.STREAM.INFO.KV_${name}`,
  `$JS.API.STREAM.CREATE.KV_${name}`,
  `$JS.API.DIRECT.GET.KV_${name}.>`,
  `$JS.API.CONSUMER.INFO.KV_${name}.>`,
  `$JS.API.CONSUMER.CREATE.KV_${name}.>`,
  `$JS.API.CONSUMER.DELETE.KV_${name}.>`,
  `$JS.FC.KV_${name}.>`,
]);
const writeSnapshots = buckets.flatMap((name) => [`$KV.${name}.>`, `$JS.API.STREAM.UPDATE.KV_${name}`]);

/** Whoever answers agents tells inventory of one that asked for its answer to go elsewhere: this subject, no other. */
const tellQuarantine = subjects.rpc('inventory', 'quarantine-agent');

const upOfAgents = (verb: 'register' | 'heartbeat' | 'desired' | 'report' | 'measure') => [
  subjects.upOfAll('card', verb),
  subjects.upOfAll('pool', verb),
];

const servicePermissions: Readonly<Record<ServiceName, Permissions>> = {
  inventory: {
    publish: [
      subjects.allEvents,
      ...replyToAgents,
      replyToServices,
      ...eventStream,
      ...readSnapshots,
      ...writeSnapshots,
    ],
    subscribe: ['bso.rpc.inventory.>', ...upOfAgents('register'), ...upOfAgents('heartbeat')],
    responses: null,
  },
  scheduler: {
    publish: [
      subjects.allEvents,
      'bso.card.*.down.>',
      'bso.pool.*.down.>',
      ...replyToAgents,
      replyToServices,
      tellQuarantine,
      ...eventStream,
      ...readSnapshots,
    ],
    subscribe: ['bso.rpc.scheduler.>', ...upOfAgents('desired'), ...upOfAgents('report')],
    responses: null,
  },
  telemetry: {
    publish: [replyToServices, tellQuarantine, ...eventStream, ...consumeEvents],
    subscribe: ['bso.rpc.telemetry.>', ...upOfAgents('measure')],
    responses: null,
  },
  gateway: {
    publish: ['bso.rpc.>', ...eventStream, ...consumeEvents],
    subscribe: [],
    responses: null,
  },
};
