import { rpc, subjects } from '@flexbso/contracts';
import { Rpc } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { z } from 'zod';
import { Scheduler } from '../scheduler.js';

const verbs = rpc.scheduler;
type Verb = keyof typeof verbs;
type Request<V extends Verb> = z.infer<(typeof verbs)[V]['request']>;
type Reply<V extends Verb> = Promise<z.infer<(typeof verbs)[V]['reply']>>;
const subjectOf = (verb: Verb) => subjects.rpc('scheduler', verb);

/** What other services ask of the scheduler, on behalf of a caller whose token the gateway has judged. */
@Controller()
export class RequestsController {
  readonly #scheduler: Scheduler;

  constructor(@Inject(Scheduler) scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  @Rpc(subjectOf('create-volume'), verbs['create-volume'].request)
  createVolume(request: Request<'create-volume'>): Reply<'create-volume'> {
    return this.#scheduler.volumes.create(request);
  }

  @Rpc(subjectOf('change-volume'), verbs['change-volume'].request)
  changeVolume(request: Request<'change-volume'>): Reply<'change-volume'> {
    return this.#scheduler.volumes.change(request);
  }

  @Rpc(subjectOf('delete-volume'), verbs['delete-volume'].request)
  deleteVolume(request: Request<'delete-volume'>): Reply<'delete-volume'> {
    return this.#scheduler.volumes.delete(request);
  }

  @Rpc(subjectOf('failover-volume'), verbs['failover-volume'].request)
  failoverVolume(request: Request<'failover-volume'>): Reply<'failover-volume'> {
    return this.#scheduler.volumes.failover(request);
  }

  @Rpc(subjectOf('detach-volume'), verbs['detach-volume'].request)
  detachVolume(request: Request<'detach-volume'>): Reply<'detach-volume'> {
    return this.#scheduler.volumes.detach(request);
  }

  @Rpc(subjectOf('attach-volume'), verbs['attach-volume'].request)
  attachVolume(request: Request<'attach-volume'>): Reply<'attach-volume'> {
    return this.#scheduler.volumes.attach(request);
  }

  @Rpc(subjectOf('plan-detach'), verbs['plan-detach'].request)
  planDetach(request: Request<'plan-detach'>): Reply<'plan-detach'> {
    return this.#scheduler.volumes.planDetach(request);
  }

  @Rpc(subjectOf('plan-attach'), verbs['plan-attach'].request)
  planAttach(request: Request<'plan-attach'>): Reply<'plan-attach'> {
    return this.#scheduler.volumes.planAttach(request);
  }

  @Rpc(subjectOf('plan-failover'), verbs['plan-failover'].request)
  planFailover(request: Request<'plan-failover'>): Reply<'plan-failover'> {
    return this.#scheduler.volumes.planFailover(request);
  }

  @Rpc(subjectOf('plan-create'), verbs['plan-create'].request)
  planCreate(request: Request<'plan-create'>): Reply<'plan-create'> {
    return this.#scheduler.volumes.planCreate(request);
  }

  @Rpc(subjectOf('plan-change'), verbs['plan-change'].request)
  planChange(request: Request<'plan-change'>): Reply<'plan-change'> {
    return this.#scheduler.volumes.planChange(request);
  }

  @Rpc(subjectOf('plan-delete'), verbs['plan-delete'].request)
  planDelete(request: Request<'plan-delete'>): Reply<'plan-delete'> {
    return this.#scheduler.volumes.planDelete(request);
  }

  @Rpc(subjectOf('create-snapshot'), verbs['create-snapshot'].request)
  createSnapshot(request: Request<'create-snapshot'>): Reply<'create-snapshot'> {
    return this.#scheduler.volumes.createSnapshot(request);
  }

  @Rpc(subjectOf('delete-snapshot'), verbs['delete-snapshot'].request)
  deleteSnapshot(request: Request<'delete-snapshot'>): Reply<'delete-snapshot'> {
    return this.#scheduler.volumes.deleteSnapshot(request);
  }

  @Rpc(subjectOf('plan-create-snapshot'), verbs['plan-create-snapshot'].request)
  planCreateSnapshot(request: Request<'plan-create-snapshot'>): Reply<'plan-create-snapshot'> {
    return this.#scheduler.volumes.planCreateSnapshot(request);
  }

  @Rpc(subjectOf('plan-delete-snapshot'), verbs['plan-delete-snapshot'].request)
  planDeleteSnapshot(request: Request<'plan-delete-snapshot'>): Reply<'plan-delete-snapshot'> {
    return this.#scheduler.volumes.planDeleteSnapshot(request);
  }

  @Rpc(subjectOf('rollback-volume'), verbs['rollback-volume'].request)
  rollbackVolume(request: Request<'rollback-volume'>): Reply<'rollback-volume'> {
    return this.#scheduler.volumes.rollback(request);
  }

  @Rpc(subjectOf('plan-rollback'), verbs['plan-rollback'].request)
  planRollback(request: Request<'plan-rollback'>): Reply<'plan-rollback'> {
    return this.#scheduler.volumes.planRollback(request);
  }

  @Rpc(subjectOf('get-snapshot'), verbs['get-snapshot'].request)
  getSnapshot(request: Request<'get-snapshot'>): Reply<'get-snapshot'> {
    return this.#scheduler.queries.getSnapshot(request);
  }

  @Rpc(subjectOf('list-snapshots'), verbs['list-snapshots'].request)
  listSnapshots(request: Request<'list-snapshots'>): Reply<'list-snapshots'> {
    return this.#scheduler.queries.listSnapshots(request);
  }

  @Rpc(subjectOf('get-volume'), verbs['get-volume'].request)
  getVolume(request: Request<'get-volume'>): Reply<'get-volume'> {
    return this.#scheduler.queries.getVolume(request);
  }

  @Rpc(subjectOf('list-volumes'), verbs['list-volumes'].request)
  listVolumes(request: Request<'list-volumes'>): Reply<'list-volumes'> {
    return this.#scheduler.queries.listVolumes(request);
  }

  @Rpc(subjectOf('get-change'), verbs['get-change'].request)
  getChange(request: Request<'get-change'>): Reply<'get-change'> {
    return this.#scheduler.queries.getChange(request);
  }

  @Rpc(subjectOf('list-changes'), verbs['list-changes'].request)
  listChanges(request: Request<'list-changes'>): Reply<'list-changes'> {
    return this.#scheduler.queries.listChanges(request);
  }

  @Rpc(subjectOf('cancel-change'), verbs['cancel-change'].request)
  cancelChange(request: Request<'cancel-change'>): Reply<'cancel-change'> {
    return this.#scheduler.changes.cancel(request);
  }

  @Rpc(subjectOf('pause'), verbs.pause.request)
  pause(request: Request<'pause'>): Reply<'pause'> {
    return this.#scheduler.pauses.pause(request);
  }

  @Rpc(subjectOf('resume'), verbs.resume.request)
  resume(request: Request<'resume'>): Reply<'resume'> {
    return this.#scheduler.pauses.resume(request);
  }

  @Rpc(subjectOf('list-pauses'), verbs['list-pauses'].request)
  listPauses(request: Request<'list-pauses'>): Reply<'list-pauses'> {
    return this.#scheduler.pauses.list(request);
  }

  @Rpc(subjectOf('check'), verbs.check.request)
  check(request: Request<'check'>): Reply<'check'> {
    return this.#scheduler.checks.run(request);
  }

  @Rpc(subjectOf('create-backup'), verbs['create-backup'].request)
  createBackup(request: Request<'create-backup'>): Reply<'create-backup'> {
    return this.#scheduler.backups.create(request);
  }

  @Rpc(subjectOf('list-backups'), verbs['list-backups'].request)
  listBackups(request: Request<'list-backups'>): Reply<'list-backups'> {
    return this.#scheduler.backups.list(request);
  }

  @Rpc(subjectOf('restore-backup'), verbs['restore-backup'].request)
  restoreBackup(request: Request<'restore-backup'>): Reply<'restore-backup'> {
    return this.#scheduler.backups.restore(request);
  }

  @Rpc(subjectOf('list-differences'), verbs['list-differences'].request)
  listDifferences(request: Request<'list-differences'>): Reply<'list-differences'> {
    return this.#scheduler.settlements.list(request);
  }

  @Rpc(subjectOf('adopt'), verbs.adopt.request)
  adopt(request: Request<'adopt'>): Reply<'adopt'> {
    return this.#scheduler.settlements.adopt(request);
  }

  @Rpc(subjectOf('delete-diverged'), verbs['delete-diverged'].request)
  deleteDiverged(request: Request<'delete-diverged'>): Reply<'delete-diverged'> {
    return this.#scheduler.settlements.delete(request);
  }
}
