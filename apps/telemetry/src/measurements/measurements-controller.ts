import { type Measure, measureSchema } from '@flexbso/contracts';
import { BusContext, FromAgents } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import { Measurements } from './measurements.js';

/** Hears what agents measure. A lost measurement is replaced by the next. */
@Controller()
export class MeasurementsController {
  readonly #measurements: Measurements;

  constructor(@Inject(Measurements) measurements: Measurements) {
    this.#measurements = measurements;
  }

  @FromAgents(['card', 'pool'], 'measure', measureSchema)
  measure(measure: Measure, context: BusContext): void {
    const { role, id } = context.requireSender();
    this.#measurements.add(role, id, measure, Date.now());
  }
}
