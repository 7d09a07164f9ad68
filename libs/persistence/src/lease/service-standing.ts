import type { Logger, Readiness } from '@flexbso/observability';
import type { DataSource, EntityManager } from 'typeorm';
import { ServiceLease } from './service-lease.js';
import { SqlLeaseStore } from './sql-lease-store.js';

/** A lease in the service's own database. */
export type DatabaseLease = ServiceLease<EntityManager>;

/** What `/readyz` of a service of which one process is active is made of. */
export interface ServiceStanding {
  isConnected: boolean;
  /** Null: starting or stopping. */
  role: 'active' | 'standby' | null;
  /** Whether the lease is over by our own clock, and nobody has taken it that we know of. */
  isDoubtful: boolean;
}

export function readinessOf({ isConnected, role, isDoubtful }: ServiceStanding): Readiness {
  if (role === null) return { ready: false, reasons: ['starting or stopping'] };
  if (isDoubtful) return { ready: false, reasons: ['the database does not say whether the lease is still held'] };
  return isConnected ? { ready: true, role } : { ready: false, reasons: ['not connected to the bus'] };
}

export interface StandingLeaseOptions {
  /** The service, which is the lease's name too. */
  readonly service: string;
  /** Kept up to date: a standby until this resolves, starting then, in doubt whenever the lease is. */
  readonly standing: ServiceStanding;
  readonly log: Logger;
  /** As `ServiceLeaseOptions.onTrust`. */
  readonly onTrust?: (isHeld: boolean) => void;
  /** As `ServiceLeaseOptions.onLost`. */
  readonly onLost?: ((reason: string) => void) | undefined;
}

/** Waits for the lease of a service and takes it; what becomes of it is told in the log and to `/readyz`. */
export async function takeStandingLease(database: DataSource, options: StandingLeaseOptions): Promise<DatabaseLease> {
  const { service, standing, log } = options;
  const lease = await ServiceLease.take(new SqlLeaseStore(database, service), {
    name: service,
    onStandby: (holder) => {
      log.info(`standing by: another ${service} is active`, { holder });
      standing.role = 'standby';
    },
    onTrust: (isHeld) => {
      log.warn(isHeld ? 'the lease is held still' : 'the lease is in doubt: nobody is answered meanwhile');
      standing.isDoubtful = !isHeld;
      options.onTrust?.(isHeld);
    },
    onFailed: (what, error) => log.warn('the lease was not answered for', { what, error }),
    onLost: (reason) => {
      log.error(`the lease is lost: this ${service} ends`, { reason });
      options.onLost?.(reason);
    },
  });
  standing.role = null;
  return lease;
}
