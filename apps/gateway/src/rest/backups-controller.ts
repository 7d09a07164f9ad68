import { type Backup, type Divergence, type Restored, rpc, type Settled } from '@flexbso/contracts';
import { Controller, Inject } from '@nestjs/common';
import { backupRoutes } from '../routes/backup-routes.js';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { Services } from '../services.js';
import { idempotencyKeyOf } from './request-headers.js';

const verbs = rpc.scheduler;

@Controller()
export class BackupsController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(backupRoutes.createBackup)
  create(@Call() { caller, body, headers }: CallOf<typeof backupRoutes.createBackup>): Promise<Backup> {
    const payload = { v: 1 as const, caller, idempotencyKey: idempotencyKeyOf(headers), ...body };
    return this.#services.ask('scheduler', 'create-backup', verbs['create-backup'], payload);
  }

  @Serve(backupRoutes.listBackups)
  list(@Call() { caller }: CallOf<typeof backupRoutes.listBackups>): Promise<{ items: Backup[] }> {
    return this.#services.ask('scheduler', 'list-backups', verbs['list-backups'], { v: 1, caller });
  }

  @Serve(backupRoutes.restoreBackup)
  restore(@Call() { caller, params, headers }: CallOf<typeof backupRoutes.restoreBackup>): Promise<Restored> {
    const payload = { v: 1 as const, caller, idempotencyKey: idempotencyKeyOf(headers), ...params };
    return this.#services.ask('scheduler', 'restore-backup', verbs['restore-backup'], payload);
  }

  @Serve(backupRoutes.listDifferences)
  differences(@Call() { caller }: CallOf<typeof backupRoutes.listDifferences>): Promise<Divergence> {
    return this.#services.ask('scheduler', 'list-differences', verbs['list-differences'], { v: 1, caller });
  }

  @Serve(backupRoutes.adoptDifference)
  adopt(@Call() { caller, params, body, headers }: CallOf<typeof backupRoutes.adoptDifference>): Promise<Settled> {
    const payload = { v: 1 as const, caller, idempotencyKey: idempotencyKeyOf(headers), ...params, ...body };
    return this.#services.ask('scheduler', 'adopt', verbs.adopt, payload);
  }

  @Serve(backupRoutes.deleteDifference)
  delete(@Call() { caller, params, headers }: CallOf<typeof backupRoutes.deleteDifference>): Promise<Settled> {
    const payload = { v: 1 as const, caller, idempotencyKey: idempotencyKeyOf(headers), ...params };
    return this.#services.ask('scheduler', 'delete-diverged', verbs['delete-diverged'], payload);
  }
}
