import { PermissionViolationError, type Status } from '@nats-io/transport-node';

/** What happens to a connection. The library never logs; its caller does, from these. */
export type BusStatus =
  | { readonly type: 'connected'; readonly server: string; readonly version: string; readonly reconnected: boolean }
  | { readonly type: 'disconnected'; readonly server: string }
  | { readonly type: 'reconnecting' }
  /** The server answered no ping in time; the connection is given up and made anew. */
  | { readonly type: 'stale' }
  /** The server forbids a subject. A denied publish is told here and nowhere else. */
  | { readonly type: 'permission-denied'; readonly operation: 'publish' | 'subscription'; readonly subject: string }
  | { readonly type: 'slow-consumer'; readonly subject: string; readonly pending: number }
  /** The server is about to stop; the client moves to another by itself. */
  | { readonly type: 'lame-duck'; readonly server: string }
  | { readonly type: 'servers-changed'; readonly added: readonly string[]; readonly removed: readonly string[] }
  /** After a reconnect to a server that is too old: nothing that needs JetStream can be relied on. */
  | { readonly type: 'server-too-old'; readonly server: string; readonly version: string }
  | { readonly type: 'failed'; readonly error: Error }
  | { readonly type: 'closed'; readonly error: Error | null };

export type BusStatusListener = (status: BusStatus) => void;

/** The client library's status in our words; null for what tells a caller nothing (pings, the end, said elsewhere). */
export function statusOf(status: Status, serverVersion: string): BusStatus | null {
  switch (status.type) {
    case 'disconnect':
      return { type: 'disconnected', server: status.server };
    case 'reconnect':
      return { type: 'connected', server: status.server, version: serverVersion, reconnected: true };
    case 'reconnecting':
      return { type: 'reconnecting' };
    case 'staleConnection':
      return { type: 'stale' };
    case 'slowConsumer':
      return { type: 'slow-consumer', subject: status.sub.getSubject(), pending: status.pending };
    case 'ldm':
      return { type: 'lame-duck', server: status.server };
    case 'update':
      return { type: 'servers-changed', added: status.added ?? [], removed: status.deleted ?? [] };
    case 'error':
      return status.error instanceof PermissionViolationError
        ? { type: 'permission-denied', operation: status.error.operation, subject: status.error.subject }
        : { type: 'failed', error: status.error };
    default:
      return null;
  }
}
