export * from './agent.js';
export { quarantineTeller, type QuarantineTellerOptions } from './quarantine.js';
export { foreignReply, judgeReply, type Quarantine, type ReplyVerdict } from './reply-guard.js';
export { BusContext } from './rpc/context.js';
export { FromAgents, Rpc, RPC_TRANSPORT } from './rpc/decorators.js';
export { RouteError } from './rpc/route.js';
export { NatsRpcServer, type RpcServerOptions, type RpcStats } from './rpc/server.js';
export { RpcClient } from './rpc/client.js';
export { EventContext } from './jetstream/event-context.js';
export { EVENT_TRANSPORT, FromEvents } from './jetstream/decorators.js';
export { EventServer, type EventServerOptions, type EventStats, type PoisonEvent } from './jetstream/event-server.js';
export { publishEvent, type PublishedEvent, type PublishEventOptions } from './jetstream/publish.js';
export { readEvents, type ReadEvents, type StreamedEvent } from './jetstream/read-events.js';
export { StreamSettingsError, type StreamSettings } from './jetstream/settings.js';
export { BusStartError, connectService, type StartOnBusOptions } from './start-on-bus.js';
export { ensureEventStream, ensureStream, eventStreamSettings } from './jetstream/stream.js';
export {
  SnapshotBucket,
  SnapshotConflictError,
  snapshotBucket,
  type SnapshotBucketOptions,
  type SnapshotChange,
} from './kv.js';
export * from './identities.js';
