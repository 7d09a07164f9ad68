/** Pure: which card and which pools carry a volume, why not others, and exact books of what is held. */
export {
  type CardDemand,
  type CostTable,
  type LayerCost,
  type LegDemand,
  type Rate,
  cardDemandOf,
  defaultCosts,
  legDemandOf,
  rateOf,
} from './costs.js';
export { type CardUse, Fleet, type FleetCard, type FleetPool, type Following } from './fleet.js';
export { place, placeCard, placeLegs } from './place.js';
export {
  type CardConstraint,
  type CardPlacement,
  type CardRequest,
  type Exclusion,
  type LegsPlacement,
  type LegsRequest,
  type NotPlaced,
  type PlacedLeg,
  type Placement,
  type PlacementRequest,
  type PoolConstraint,
  cardConstraints,
  poolConstraints,
} from './request.js';
export type { CardReservation, LegReservation, Reservation } from './reservation.js';
export { type Policy, weights } from './score.js';
