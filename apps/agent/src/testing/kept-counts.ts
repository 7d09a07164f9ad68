/**
 * How many cases each matrix had when it was last extended. A plan with fewer steps, or a kind of fault that is met no
 * more, shows as a number that falls; whoever means it writes the new one down. On a real data plane a run has a few
 * moments more or less than another: there the numbers are a little lower than what was counted.
 */
const kept = {
  killsInMemory: 4032,
  faultsInMemory: 735,
  undoKillsInMemory: 1100,
  tornInMemory: 179,
  poolKillsInMemory: 250,
  poolFaultsInMemory: 62,
  poolKillsOnQsd: 12,
  killsOnQsd: 89,
  wholeKillsOnQsd: 1100,
  wholeTornOnQsd: 130,
  faultsOnQsd: 27,
  wholeFaultsOnQsd: 560,
};

export const keptCount = (matrix: keyof typeof kept): number => kept[matrix];
