/**
 * A defect that is put into the production code as it is loaded, to see that the invariants find it: the text `find`,
 * which stands exactly once in the built file, is replaced.
 */
export interface Plant {
  /** The end of the built file's path. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** By name. Each has to be found by some run. */
export const plants: Readonly<Record<string, readonly Plant[]>> = {
  'echo-before-the-act': [
    {
      file: 'apps/agent/dist/card/volume-reconciler.js',
      find: 'const result = await runSteps(run, upcoming, steps);',
      replace: 'await this.#bookApplied([], desired, observed); const result = await runSteps(run, upcoming, steps);',
    },
  ],
  'undo-after-the-cut-over': [
    {
      file: 'apps/agent/dist/card/volume-reconciler.js',
      find: 'const isPastCutOver = operation?.cutOverIntended === true || hasGrown(this.#journal.book, observed);',
      replace: 'const isPastCutOver = false;',
    },
    { file: 'apps/agent/dist/card/decide.js', find: 'if (operation?.cutOverIntended) {', replace: 'if (false) {' },
  ],
  'reservation-freed-at-applied': [
    {
      file: 'apps/scheduler/dist/reports/card-report.js',
      find: 'delete volume.want.neverBuilt;\n    if (change.state !==',
      replace:
        'delete volume.want.neverBuilt;\n    draft.reservations = draft.reservations.filter((one) => one.ownerRole === "card" || draft.legs.some((leg) => leg.legId === one.reservationId && leg.stackGeneration === volume.want.stackGeneration));\n    if (change.state !==',
    },
  ],
  'reservation-kept-for-ever': [
    {
      file: 'apps/scheduler/dist/changes/saga.js',
      find: 'draft.reservations = [];',
      replace: "if (change.kind !== 'delete') draft.reservations = [];",
    },
  ],
  'rates-not-counted': [
    {
      file: 'apps/scheduler/dist/placement/books.js',
      find: 'return { legId: reservationId, poolId: ownerId, capacityBytes, iops, bytesPerSecond };',
      replace: 'return { legId: reservationId, poolId: ownerId, capacityBytes, iops: 0, bytesPerSecond: 0 };',
    },
  ],
  'limits-forgotten': [
    {
      file: 'apps/scheduler/dist/volumes/differences.js',
      find: 'qos: patch.qos === undefined ? want.qos : limitsOrNone(patch.qos),',
      replace: 'qos: want.qos,',
    },
  ],
  'cancel-ignored': [
    {
      file: 'apps/scheduler/dist/changes/change-requests.js',
      find: 'cancel(draft, caller.name, decision.deciding);\n',
      replace: 'void 0;\n',
    },
  ],
  'pause-ignored': [
    {
      file: 'apps/scheduler/dist/pauses/pause-book.js',
      find: 'return this.#fleet ?? this.#cards.get(cardId) ?? null;\n    }\n    /** The one',
      replace: 'return null;\n    }\n    /** The one',
    },
  ],
  'duplicate-applied-twice': [
    {
      file: 'apps/scheduler/dist/volumes/volume-requests.js',
      find: 'decision.tx.idempotent(call, async () => {',
      replace: '(async (_call, work) => work())(call, async () => {',
    },
  ],
  'stale-lease-accepted': [
    {
      file: 'libs/persistence/dist/lease/service-lease.js',
      find: 'if (!this.#isLost && !(await this.#store.isFenced(transaction, this.token)))',
      replace: 'if (true)',
    },
  ],
  'absence-taken-as-deletion': [
    {
      file: 'apps/agent/dist/link/desired-feed.js',
      find: 'this.#setDiverged(judgement.differences);',
      replace:
        'this.#setDiverged(judgement.differences); onItems(keeper.state.items.map((item) => ({ ...item, tombstone: true, revision: item.revision + 1, operationId: `op-${"absent".padEnd(10, "0")}` })));',
    },
  ],
};
