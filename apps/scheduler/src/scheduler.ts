import type { CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { BackupRequests } from './backups/backup-requests.js';
import { ChangeRequests } from './changes/change-requests.js';
import { reviewChanges } from './changes/review.js';
import { WaitWatch } from './changes/wait-watch.js';
import { Checks } from './check/checks.js';
import { Decisions, type SchedulerPorts, type SchedulerSettings } from './decisions.js';
import { Settlements } from './diverged/settlements.js';
import { HealthWatch } from './health/health-watch.js';
import { FollowUps } from './follow-up/follow-ups.js';
import { SealingKeys } from './keys/sealing-keys.js';
import { differencesOfBooks } from './placement/books.js';
import { PauseRequests } from './pauses/pause-requests.js';
import { AgentRequests } from './reports/agent-requests.js';
import { Queries } from './rpc/queries.js';
import { VolumeRequests } from './volumes/volume-requests.js';

/**
 * The scheduler without its shell: what should be where, decided from requests, questions, reports and snapshots. It
 * does no I/O but through its ports, so that a simulation runs it as it is.
 */
export class Scheduler {
  readonly volumes: VolumeRequests;
  readonly changes: ChangeRequests;
  readonly pauses: PauseRequests;
  readonly waits: WaitWatch;
  readonly health: HealthWatch;
  readonly followUps: FollowUps;
  readonly agents: AgentRequests;
  readonly queries: Queries;
  readonly checks: Checks;
  readonly backups: BackupRequests;
  readonly settlements: Settlements;
  readonly #decisions: Decisions;
  readonly #sealingKeys: SealingKeys;
  /** Work that no request waits for. */
  readonly #aside = new Set<Promise<void>>();
  #isLoaded = false;

  constructor(ports: SchedulerPorts, settings: SchedulerSettings) {
    this.#decisions = new Decisions(ports, settings);
    this.volumes = new VolumeRequests(this.#decisions);
    this.changes = new ChangeRequests(this.#decisions);
    this.pauses = new PauseRequests(this.#decisions);
    this.waits = new WaitWatch(this.#decisions);
    this.health = new HealthWatch(this.#decisions, settings.replaceLegAfterMs);
    this.followUps = new FollowUps(this.#decisions);
    this.#decisions.whenFreed((volumeId) =>
      this.#doAside(this.followUps.begin(volumeId), 'a queued change was not begun', { volumeId }),
    );
    this.agents = new AgentRequests(this.#decisions);
    this.queries = new Queries(ports);
    this.checks = new Checks(ports, this.#decisions);
    this.backups = new BackupRequests(this.#decisions, () => this.#takeUpRestored());
    this.settlements = new Settlements(this.#decisions);
    this.#sealingKeys = new SealingKeys(this.#decisions);
  }

  get incarnation(): string {
    return this.#decisions.incarnation;
  }

  /** How many cards are paused, and the fleet as one. */
  get pauseCount(): number {
    return this.#decisions.pauses.all.length;
  }

  get waitingDecisions(): number {
    return this.#decisions.waiting;
  }

  /** Loads what is held and takes up what was under way. Snapshots may come before or after. */
  async start(): Promise<void> {
    await this.#decisions.load();
    await reviewChanges(this.#decisions);
    this.#isLoaded = true;
    this.#reviewSealingKeys();
  }

  /** As at a start. Agents learn with their next question that they are told from another life. */
  async #takeUpRestored(): Promise<void> {
    this.#sealingKeys.forget();
    await reviewChanges(this.#decisions);
    this.#reviewSealingKeys();
    await this.wakeAgents();
  }

  #reviewSealingKeys(): void {
    for (const { snapshot } of this.#decisions.ports.fleet.cards()) this.#reviewSealingKey(snapshot.cardId);
  }

  /** Wakes the agents that are behind: once they can be answered, since they ask at once. */
  wakeAgents(): Promise<void> {
    return this.agents.nudgeWhoIsBehind();
  }

  /** Resolves when every decision asked for until now is over. */
  async idle(): Promise<void> {
    await Promise.all(this.#aside);
    await this.#decisions.idle();
  }

  hearCardSnapshot(snapshot: CardSnapshot): void {
    this.#decisions.ports.fleet.setCard(snapshot);
    this.#decisions.noteKnown('card', snapshot.cardId);
    // Before the start it is not known what the card holds; the start looks at all of them.
    if (this.#isLoaded) this.#reviewSealingKey(snapshot.cardId);
  }

  hearPoolSnapshot(snapshot: PoolSnapshot): void {
    this.#decisions.ports.fleet.setPool(snapshot);
    this.#decisions.noteKnown('pool', snapshot.poolId);
  }

  /** Inventory has deleted it: nothing new is placed there; what is held stays held. */
  forgetCard(cardId: string): void {
    this.#decisions.ports.fleet.removeCard(cardId);
  }

  forgetPool(poolId: string): void {
    this.#decisions.ports.fleet.removePool(poolId);
  }

  #reviewSealingKey(cardId: string): void {
    this.#doAside(this.#sealingKeys.review(cardId), 'keys were not sealed again', { cardId });
  }

  #doAside(work: Promise<void>, ifItFails: string, about: Record<string, string>): void {
    const done = work
      .catch((error: unknown) => this.#decisions.ports.alarms.warn(ifItFails, { ...about, error }))
      .finally(() => this.#aside.delete(done));
    this.#aside.add(done);
  }

  /** @returns each reservation on which memory and database differ; empty is right. */
  async checkReservations(): Promise<string[]> {
    const { store, fleet } = this.#decisions.ports;
    await this.idle();
    return differencesOfBooks(fleet, await store.read((reader) => reader.reservations()));
  }
}
