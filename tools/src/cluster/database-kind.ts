/** What the services of a system keep their state in. */
export const databaseKinds = ['sqlite', 'postgresql'] as const;
/** `postgresql` brings a server of the system's own, and a standby each of inventory and scheduler. */
export type DatabaseKind = (typeof databaseKinds)[number];

/** @returns undefined: there is no such kind */
export const databaseKindOf = (name: string): DatabaseKind | undefined => databaseKinds.find((known) => known === name);
